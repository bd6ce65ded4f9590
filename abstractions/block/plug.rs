// SPDX-License-Identifier: GPL-2.0

//! Plugs, which collect I/O to submit it together.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use kernel::{bindings, types::Opaque};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_start_inner_plug(plug: *mut bindings::blk_plug, outer: *mut OuterIo);
    fn rust_helper_finish_inner_plug(plug: *mut bindings::blk_plug, outer: *const OuterIo);

    #[link_name = "rust_helper_task_holds_requests"]
    safe fn c_task_holds_requests() -> bool;
}

/// Whether the current task, which flushes a plug, may hold requests of other queues. Another task
/// may wait for the tag of such a request, or for its place in the cgroup's share
/// (`rq_qos_throttle()`), so the current task must not wait for that task. Process context, before
/// an inner plug is started.
#[inline]
pub fn task_holds_requests() -> bool {
    c_task_holds_requests()
}

/// The I/O that the task was submitting (`struct outer_io` in `helpers/block.c`).
#[repr(C)]
struct OuterIo {
    plug: *mut bindings::blk_plug,
    bios: *mut bindings::bio_list,
}

/// Collects the I/O that the current task submits while `f` runs, to hand it to the drivers in
/// batches (`blk_start_plug()`).
///
/// The I/O is submitted when `f` returns, or earlier if the task sleeps. Process context.
pub fn with_plug<R>(f: impl FnOnce() -> R) -> R {
    let plug = Opaque::<bindings::blk_plug>::uninit();
    // SAFETY: `plug` is memory for a `blk_plug`, and stays in place until it is finished below.
    unsafe { bindings::blk_start_plug(plug.get()) };
    let result = f();
    // SAFETY: The same task started the plug above; kernel code does not unwind past this.
    unsafe { bindings::blk_finish_plug(plug.get()) };
    result
}

/// Like [`with_plug`], for a task that is submitting I/O itself, or flushing a plug: the I/O that
/// `f` submits is not queued behind that, and has been submitted when this returns. So `f` must not
/// wait for anything that depends on the task's outer I/O.
pub fn with_inner_plug<R>(f: impl FnOnce() -> R) -> R {
    let plug = Opaque::<bindings::blk_plug>::uninit();
    let mut outer = OuterIo {
        plug: core::ptr::null_mut(),
        bios: core::ptr::null_mut(),
    };
    // SAFETY: `plug` and `outer` are memory for these structures, and stay in place until the plug
    // is finished below.
    unsafe { rust_helper_start_inner_plug(plug.get(), &raw mut outer) };
    let result = f();
    // SAFETY: The same task started the plug above; kernel code does not unwind past this.
    unsafe { rust_helper_finish_inner_plug(plug.get(), &raw const outer) };
    result
}
