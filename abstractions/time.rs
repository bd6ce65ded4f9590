// SPDX-License-Identifier: GPL-2.0

//! The kernel's coarse clock.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use kernel::bindings;

/// The number of ticks since some time, of which there are `CONFIG_HZ` in a second. It wraps. Any context.
///
/// C: `jiffies`
#[inline]
pub fn jiffies() -> usize {
    // SAFETY: It is always there, and only the clock changes it, as a whole.
    unsafe { (&raw const bindings::jiffies).read_volatile() }
}
