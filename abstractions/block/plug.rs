// SPDX-License-Identifier: GPL-2.0

//! Collecting I/O to submit it at once.
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

/// Whether the current task, which is emptying a plug, may hold requests of other queues meanwhile. Such a
/// request has a tag, and a place among its cgroup's requests, for which another task may wait; so the current
/// task must not wait for that one.
/// Process context, before an inner plug is begun.
#[inline]
pub fn task_holds_requests() -> bool {
    c_task_holds_requests()
}

/// What the task was submitting (`struct outer_io` in `helpers/block.c`).
#[repr(C)]
struct OuterIo {
    plug: *mut bindings::blk_plug,
    bios: *mut bindings::bio_list,
}

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

/// The same in a task that is submitting I/O itself, or emptying a plug: what is submitted in `f` is not put
/// behind that, and has gone out when this returns. So it must not wait for what may depend on it.
pub fn with_inner_plug<R>(f: impl FnOnce() -> R) -> R {
    let plug = Opaque::<bindings::blk_plug>::uninit();
    let mut outer = OuterIo {
        plug: core::ptr::null_mut(),
        bios: core::ptr::null_mut(),
    };
    // SAFETY: `plug` and `outer` are memory for that, and stay in place until it is finished below.
    unsafe { rust_helper_start_inner_plug(plug.get(), &raw mut outer) };
    let result = f();
    // SAFETY: The same task started it above; kernel code does not unwind past this.
    unsafe { rust_helper_finish_inner_plug(plug.get(), &raw const outer) };
    result
}
