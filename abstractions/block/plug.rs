// SPDX-License-Identifier: GPL-2.0

//! Collecting I/O to submit it at once.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use kernel::{bindings, types::Opaque};

/// Holds back the I/O that the current task submits, to hand it to the drivers in batches
/// (`blk_start_plug()`)
/// while `f` runs.
///
/// What is held back goes out when `f` returns, or earlier when the task sleeps. Process context.
pub fn with_plug<R>(f: impl FnOnce() -> R) -> R {
    let plug = Opaque::<bindings::blk_plug>::uninit();
    // SAFETY: `plug` is memory for a `blk_plug`, and stays in place until it is finished below.
    unsafe { bindings::blk_start_plug(plug.get()) };
    let result = f();
    // SAFETY: The same task started the plug above; kernel code does not unwind past this.
    unsafe { bindings::blk_finish_plug(plug.get()) };
    result
}
