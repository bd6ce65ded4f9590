// SPDX-License-Identifier: GPL-2.0

//! The kernel's coarse clock.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use kernel::prelude::*;

unsafe extern "C" {
    #[link_name = "rust_helper_jiffies"]
    safe fn c_jiffies() -> c_ulong;
}

/// The number of ticks since some time, of which there are `CONFIG_HZ` in a second. It wraps. Any context.
///
/// C: `jiffies`
#[inline]
pub fn jiffies() -> usize {
    c_jiffies()
}
