// SPDX-License-Identifier: GPL-2.0

//! The kernel's coarse clock.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use kernel::bindings;

/// Number of ticks since an arbitrary time, `CONFIG_HZ` in a second. Wraps. Any context.
///
/// C: `jiffies`
#[inline]
pub fn jiffies() -> usize {
    // SAFETY: `jiffies` is a static, which only timekeeping changes, in one access.
    unsafe { (&raw const bindings::jiffies).read_volatile() }
}
