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

/// The queue side of a block driver.
///
/// The block layer takes its own data from five types: what a disk has ([`DiskData`]), what is
/// changed under the disk's mutex ([`State`]), what requests depend on ([`Config`]), and what each
/// hardware queue ([`HwData`]) and each request ([`RequestData`]) has.
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

    /// What requests depend on. It is absent until the driver publishes it, changes only while the
    /// queue is frozen, and is taken away when no request uses it any more. So a request reads it
    /// without a lock. While it is absent requests end with `EIO`, and none comes to the driver.
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

    /// Takes over a request that has been started, of one of the operations in [`Op`](super::Op).
    ///
    /// `is_last` is false where another request, or a call of [`commit_rqs`], is certain to follow
    /// at once.
    ///
    /// Called in process context; inside an RCU read-side critical section, and so must not sleep, unless
    /// the tag set is one of [`TagSetFlag::Blocking`](super::TagSetFlag::Blocking).
    ///
    /// [`commit_rqs`]: Operations::commit_rqs
    fn queue_rq(
        disk: &Self::DiskData,
        hw: <Self::HwData as ForeignOwnable>::Borrowed<'_>,
        rq: Request<Self>,
        is_last: bool,
    );

    /// Takes over the requests of a plug that is being emptied, all that it has for this queue, by a task which
    /// may hold others for other queues in it. So the driver must not wait here for what may depend on
    /// these, as a tag of another device, or what a cgroup may have on its way there.
    ///
    /// Otherwise the same context as [`queue_rq`].
    ///
    /// [`queue_rq`]: Operations::queue_rq
    fn queue_rqs(_batch: RequestBatch<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Starts what [`queue_rq`] held back. The same context as [`queue_rq`].
    ///
    /// [`queue_rq`]: Operations::queue_rq
    fn commit_rqs(_disk: &Self::DiskData, _hw: <Self::HwData as ForeignOwnable>::Borrowed<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Takes a request back that [`Request::complete_nested`] was called for, to end it.
    ///
    /// Called from process, softirq or hard irq context: must not sleep.
    fn complete(rq: Request<Self>);
}

/// The `struct blk_mq_ops` of a driver.
pub(super) struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    /// The offset of the `Pdu` behind a `struct request` is the size of that, which has to be
    /// alignment enough.
    const PDU_FITS: () = assert!(align_of::<Pdu<T>>() <= align_of::<bindings::request>());

    /// # Safety
    ///
    /// `hctx` must be live (after `init_hctx`, before `exit_hctx`), and its queue one whose
    /// `queuedata` is a `Private<T>` that outlives `'a`.
    unsafe fn context<'a>(
        hctx: *mut bindings::blk_mq_hw_ctx,
    ) -> (&'a T::DiskData, <T::HwData as ForeignOwnable>::Borrowed<'a>) {
        // SAFETY: `hctx` and its queue are live by the safety requirements.
        let private = unsafe { (*(*hctx).queue).queuedata };
        // SAFETY: By the safety requirements, `queuedata` is a `Private<T>` for `'a`.
        let private = unsafe { &*private.cast::<Private<T>>() };
        // SAFETY: `init_hctx` stored the result of `into_foreign` there, and only `exit_hctx`, which
        // has not been called, takes it back.
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
            // Those held back before it have no other that comes after them.
            None if is_last && T::HAS_COMMIT_RQS => T::commit_rqs(disk, hw),
            None => (),
        }
        bindings::BLK_STS_OK as bindings::blk_status_t
    }

    /// # Safety
    ///
    /// Called by blk-mq only, with a list of requests of one queue, made by `OwnedDisk<T>`, which were not started.
    /// What is taken out of it belongs to the driver.
    unsafe extern "C" fn queue_rqs(rqs: *mut bindings::rq_list) {
        // SAFETY: By the safety requirements; nobody else uses the list meanwhile.
        T::queue_rqs(unsafe { RequestBatch::new(&mut *rqs) });
    }

    /// # Safety
    ///
    /// Called by blk-mq only, with a live `hctx`.
    unsafe extern "C" fn commit_rqs(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: As in `queue_rq`.
        let (disk, hw) = unsafe { Self::context(hctx) };
        T::commit_rqs(disk, hw);
    }

    /// # Safety
    ///
    /// Called by blk-mq only, as the consequence of `blk_mq_complete_request()`.
    unsafe extern "C" fn complete(rq: *mut bindings::request) {
        // SAFETY: `Request::complete_nested` alone has `blk_mq_complete_request()` called, and gave its
        // ownership up for this call.
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
            // SAFETY: `hctx` is valid, and not in use before this function returns. Its queue has had its
            // private data since before it got hardware queues.
            unsafe {
                (*hctx).driver_data = data;
                (*(*(*hctx).queue).queuedata.cast::<Private<T>>()).set_quiesced(false);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by blk-mq only, once after a successful `init_hctx`.
    unsafe extern "C" fn exit_hctx(hctx: *mut bindings::blk_mq_hw_ctx, _index: c_uint) {
        // There is no request left, but a `queue_rq` that gave its request away may not have returned.
        // It runs in an RCU or SRCU read-side critical section. Hardware queues go one after the other, in
        // an order that is the block layer's business, and it is enough to wait once, for all of them.
        //
        // SAFETY: The queue is being taken down in process context; its private data and tag set are still there.
        unsafe {
            let queue = (*hctx).queue;
            if !(*(*queue).queuedata.cast::<Private<T>>()).set_quiesced(true) {
                bindings::blk_mq_wait_quiesce_done((*queue).tag_set);
            }
        }
        // SAFETY: `init_hctx` stored the result of `into_foreign` here. Those who could borrow it,
        // `queue_rq` and `commit_rqs`, are not running and will not be called again.
        drop(unsafe { T::HwData::from_foreign((*hctx).driver_data) });
    }

    /// # Safety
    ///
    /// Called by blk-mq only. `rq` is followed by memory for a `T::RequestData`.
    unsafe extern "C" fn init_request(
        _set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _hctx: c_uint,
        _node: c_int,
    ) -> c_int {
        from_result(|| {
            let data = Request::<T>::data_ptr(rq).cast::<MaybeUninit<T::RequestData>>();
            // SAFETY: `TagSet` asks for this much memory behind each request. Nobody else uses it
            // yet; it stays where it is until `exit_request`, and this reference ends here.
            unsafe { &mut *data }.write_pin_init(T::new_request_data())?;
            // SAFETY: As above.
            unsafe { (&raw mut (*Request::<T>::pdu_ptr(rq)).polled).write(Polled::new()) };
            // SAFETY: As above.
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
        // SAFETY: `init_request` built the data in place, and the request is not in use any more.
        unsafe { core::ptr::drop_in_place(Request::<T>::data_ptr(rq)) };
    }

    const fn ops(has_poll_queues: bool) -> bindings::blk_mq_ops {
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
            complete: Some(Self::complete),
            init_hctx: Some(Self::init_hctx),
            exit_hctx: Some(Self::exit_hctx),
            init_request: Some(Self::init_request),
            exit_request: Some(Self::exit_request),
            map_queues: Some(TagSet::<T>::map_queues),
            poll: if has_poll_queues {
                Some(poll::<T>)
            } else {
                None
            },
            ..pin_init::zeroed()
        }
    }

    const OPS: bindings::blk_mq_ops = Self::ops(false);
    const OPS_WITH_POLL: bindings::blk_mq_ops = Self::ops(true);

    /// The operations for a tag set with poll queues, or without.
    pub(super) const fn build(has_poll_queues: bool) -> &'static bindings::blk_mq_ops {
        if has_poll_queues {
            &Self::OPS_WITH_POLL
        } else {
            &Self::OPS
        }
    }
}
