// SPDX-License-Identifier: GPL-2.0

//! What a blk-mq driver implements, and the vtable through which the block layer calls it.

use super::{
    super::disk::Private,
    polled::{poll, Polled},
    request::Pdu,
    written::Written,
    Request, RequestBatch, TagSet,
};
use core::{marker::PhantomData, mem::MaybeUninit, ptr::NonNull};
use kernel::{
    bindings,
    error::{from_result, VTABLE_DEFAULT_ERROR},
    prelude::*,
    types::ForeignOwnable,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_blk_queue_dying(q: *mut bindings::request_queue) -> bool;
}

/// The queue side of a block driver.
///
/// A driver has five data types: of a disk ([`DiskData`]), of what the disk's mutex protects
/// ([`State`]), of what requests read ([`Config`]), of a hardware queue ([`HwData`]) and of a
/// request ([`RequestData`]).
///
/// [`DiskData`]: Operations::DiskData
/// [`State`]: Operations::State
/// [`Config`]: Operations::Config
/// [`HwData`]: Operations::HwData
/// [`RequestData`]: Operations::RequestData
#[vtable]
pub trait Operations: Sized + 'static {
    /// Private data of a disk and of its queue.
    type DiskData: Send + Sync;

    /// What the disk's mutex protects.
    type State: Send + Unpin;

    /// The configuration, which requests read without a lock. It is absent until the driver
    /// publishes it, changes only while the queue is frozen, and is taken away once no request uses
    /// it. While it is absent each request ends with `EIO`, before it reaches the driver.
    type Config: Send + Sync;

    /// Private data of a hardware queue.
    type HwData: ForeignOwnable + Send + Sync;

    /// Private data of a request. It is built once for each tag, lives in the memory behind the
    /// `struct request`, and is reused by every request that gets this tag.
    type RequestData: Send + Sync + 'static;

    /// Makes the private data of a hardware queue. May sleep.
    fn new_hw_data() -> Result<Self::HwData>;

    /// Makes the private data of a request. May sleep.
    fn new_request_data() -> impl PinInit<Self::RequestData, Error>;

    /// Takes ownership of a started request, whose operation is one of [`Op`](super::Op).
    ///
    /// `is_last` is false if another request, or a call of [`commit_rqs`], is certain to follow at
    /// once.
    ///
    /// Called in process context. Runs inside an RCU read-side critical section and must not sleep,
    /// unless the tag set has [`TagSetFlag::Blocking`](super::TagSetFlag::Blocking).
    ///
    /// [`commit_rqs`]: Operations::commit_rqs
    fn queue_rq(
        disk: &Self::DiskData,
        hw: <Self::HwData as ForeignOwnable>::Borrowed<'_>,
        rq: Request<Self>,
        is_last: bool,
    );

    /// Takes the requests of a plug that the current task is flushing: all that the plug has for
    /// this queue. The plug may also hold requests for other queues, so the driver must not wait
    /// here for anything that one of them may occupy, such as a tag of another device or its
    /// cgroup's share of that device (`rq_qos_throttle()`).
    ///
    /// Otherwise the context is that of [`queue_rq`].
    ///
    /// [`queue_rq`]: Operations::queue_rq
    fn queue_rqs(_batch: RequestBatch<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Issues the requests that [`queue_rq`] kept back because `is_last` was false. The context is
    /// that of [`queue_rq`].
    ///
    /// [`queue_rq`]: Operations::queue_rq
    fn commit_rqs(_disk: &Self::DiskData, _hw: <Self::HwData as ForeignOwnable>::Borrowed<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes back a request that was passed to [`Request::complete_nested`], to end it or to go on
    /// with it.
    ///
    /// Called from process, softirq or hard irq context: must not sleep.
    fn complete(_rq: Request<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The `struct blk_mq_ops` of a driver.
pub(super) struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    /// The `Pdu` directly follows the `struct request`, so it is aligned if it needs no more
    /// alignment than that.
    const PDU_FITS: () = assert!(align_of::<Pdu<T>>() <= align_of::<bindings::request>());

    /// # Safety
    ///
    /// `hctx` must be live (after `init_hctx`, before `exit_hctx`), and the `queuedata` of its
    /// queue must be a `Private<T>` that outlives `'a`.
    unsafe fn context<'a>(
        hctx: *mut bindings::blk_mq_hw_ctx,
    ) -> (&'a T::DiskData, <T::HwData as ForeignOwnable>::Borrowed<'a>) {
        // SAFETY: `hctx` and its queue are live by the safety requirements.
        let private = unsafe { (*(*hctx).queue).queuedata };
        // SAFETY: By the safety requirements, `queuedata` is a `Private<T>` for `'a`.
        let private = unsafe { &*private.cast::<Private<T>>() };
        // SAFETY: `init_hctx` stored the result of `into_foreign` there, and only `exit_hctx`,
        // which has not been called, takes it back.
        let hw = unsafe { T::HwData::borrow((*hctx).driver_data) };
        (private.data(), hw)
    }

    /// # Safety
    ///
    /// Called by blk-mq only: `hctx` is live, `bd.rq` belongs to the driver from now on.
    unsafe extern "C" fn queue_rq(
        hctx: *mut bindings::blk_mq_hw_ctx,
        bd: *const bindings::blk_mq_queue_data,
    ) -> bindings::blk_status_t {
        // SAFETY: blk-mq passes a valid `bd`.
        let (rq, is_last) = unsafe { ((*bd).rq, (*bd).last) };
        // SAFETY: blk-mq passes a live `hctx` of a queue made by `OwnedDisk<T>`, whose private data
        // is released only after the queue is gone.
        let (disk, hw) = unsafe { Self::context(hctx) };
        // SAFETY: blk-mq hands over a request that has not been started yet. Its private data was
        // built by `init_request`, its queue belongs to an `OwnedDisk<T>`.
        match unsafe { Request::start(NonNull::new_unchecked(rq)) } {
            Some(rq) => T::queue_rq(disk, hw, rq, is_last),
            // No request follows to issue the ones that the driver kept back before this one.
            None if is_last && T::HAS_COMMIT_RQS => T::commit_rqs(disk, hw),
            None => (),
        }
        bindings::BLK_STS_OK as bindings::blk_status_t
    }

    /// # Safety
    ///
    /// Called by blk-mq only, with a list of requests of one queue, made by `OwnedDisk<T>`, which
    /// were not started. A request that is taken out of the list belongs to the driver.
    unsafe extern "C" fn queue_rqs(rqs: *mut bindings::rq_list) {
        // SAFETY: By the safety requirements these are requests of an `OwnedDisk<T>`'s queue that
        // were not started, and only this call uses the list.
        T::queue_rqs(unsafe { RequestBatch::new(&mut *rqs) });
    }

    /// # Safety
    ///
    /// Called by blk-mq only, with a live `hctx`.
    unsafe extern "C" fn commit_rqs(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: As in `queue_rq`: `hctx` is live, and its queue belongs to an `OwnedDisk<T>`.
        let (disk, hw) = unsafe { Self::context(hctx) };
        T::commit_rqs(disk, hw);
    }

    /// # Safety
    ///
    /// Called by blk-mq only, as the consequence of `blk_mq_complete_request()`.
    unsafe extern "C" fn complete(rq: *mut bindings::request) {
        // SAFETY: Only `Request::complete_nested` calls `blk_mq_complete_request()`, and it gave up
        // its ownership for this call.
        let rq = unsafe { Request::from_raw(NonNull::new_unchecked(rq)) };
        T::complete(rq);
    }

    /// # Safety
    ///
    /// Called by blk-mq only, once before `exit_hctx`, with a valid `hctx`.
    unsafe extern "C" fn init_hctx(
        hctx: *mut bindings::blk_mq_hw_ctx,
        _tag_set_data: *mut c_void,
        _index: c_uint,
    ) -> c_int {
        from_result(|| {
            let data = T::new_hw_data()?.into_foreign();
            // SAFETY: `hctx` is valid, and not in use before this function returns.
            unsafe { (*hctx).driver_data = data };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by blk-mq only, once after a successful `init_hctx`.
    unsafe extern "C" fn exit_hctx(hctx: *mut bindings::blk_mq_hw_ctx, _index: c_uint) {
        // No request is left, but a `queue_rq` that gave its request away may not have returned. It
        // runs in an RCU or SRCU read-side critical section. A queue that is removed exits all its
        // hardware queues, one after the other, so one wait, for the first of them, covers all.
        // Where their number changes, the queue is used again later, so the wait is not recorded.
        //
        // SAFETY: The queue is being torn down, or is frozen while the number of its hardware
        // queues changes, in process context; its private data and tag set still exist.
        unsafe {
            let queue = (*hctx).queue;
            if !rust_helper_blk_queue_dying(queue)
                || !(*(*queue).queuedata.cast::<Private<T>>()).set_quiesced()
            {
                bindings::blk_mq_wait_quiesce_done((*queue).tag_set);
            }
        }
        // SAFETY: `init_hctx` stored the result of `into_foreign` here. Nobody borrows it any more:
        // no request is left, and `queue_rq` and `commit_rqs` have returned (see above) and are not
        // called again.
        drop(unsafe { T::HwData::from_foreign((*hctx).driver_data) });
    }

    /// # Safety
    ///
    /// Called by blk-mq only. `rq` is followed by memory for a `Pdu<T>`.
    unsafe extern "C" fn init_request(
        _set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _hctx: c_uint,
        _node: c_int,
    ) -> c_int {
        from_result(|| {
            let data = Request::<T>::data_ptr(rq).cast::<MaybeUninit<T::RequestData>>();
            // SAFETY: `TagSet` asks for the memory of a `Pdu<T>` behind each request. Nobody else
            // uses it yet; it stays in place until `exit_request`, and this reference ends here.
            unsafe { &mut *data }.write_pin_init(T::new_request_data())?;
            // SAFETY: As above: the memory of a `Pdu<T>`, not used by anybody else yet.
            unsafe { (&raw mut (*Request::<T>::pdu_ptr(rq)).polled).write(Polled::new()) };
            // SAFETY: As above: the memory of a `Pdu<T>`, not used by anybody else yet.
            unsafe { (&raw mut (*Request::<T>::pdu_ptr(rq)).written).write(Written::new()) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by blk-mq only, once after a successful `init_request`.
    unsafe extern "C" fn exit_request(
        _set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _hctx: c_uint,
    ) {
        // SAFETY: `init_request` built the data in place, and nobody uses the request any more.
        unsafe { core::ptr::drop_in_place(Request::<T>::data_ptr(rq)) };
    }

    const OPS: bindings::blk_mq_ops = {
        #[allow(clippy::let_unit_value)]
        let () = Self::PDU_FITS;
        bindings::blk_mq_ops {
            queue_rq: Some(Self::queue_rq),
            queue_rqs: if T::HAS_QUEUE_RQS {
                Some(Self::queue_rqs)
            } else {
                None
            },
            commit_rqs: if T::HAS_COMMIT_RQS {
                Some(Self::commit_rqs)
            } else {
                None
            },
            complete: if T::HAS_COMPLETE {
                Some(Self::complete)
            } else {
                None
            },
            init_hctx: Some(Self::init_hctx),
            exit_hctx: Some(Self::exit_hctx),
            init_request: Some(Self::init_request),
            exit_request: Some(Self::exit_request),
            map_queues: Some(TagSet::<T>::map_queues),
            // Called only while there are poll queues.
            poll: Some(poll::<T>),
            ..pin_init::zeroed()
        }
    };

    /// The operations for a tag set.
    pub(super) const fn build() -> &'static bindings::blk_mq_ops {
        &Self::OPS
    }
}
