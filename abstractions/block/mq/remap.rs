// SPDX-License-Identifier: GPL-2.0

//! Remapping: transferring a request's data by bios to another block device.

use super::{
    super::{disk::Private, Extent},
    Op, Operations, Request,
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
    types::Opaque,
};

#[cfg(FILE_EXTENTS)]
mod all;

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_bio_init_clone(
        clone: *mut bindings::bio,
        bdev: *mut bindings::block_device,
        bio: *mut bindings::bio,
        opf: bindings::blk_opf_t,
        bottom: bool,
    ) -> bool;
    fn rust_helper_blk_mq_queue_tags(q: *mut bindings::request_queue) -> c_uint;
    fn rust_helper_submit_bio_nested(bio: *mut bindings::bio);
    fn rust_helper_trace_bio_remap(
        bio: *mut bindings::bio,
        rq: *mut bindings::request,
        sector: bindings::sector_t,
    );

    #[link_name = "rust_helper_may_nest_bio"]
    safe fn c_may_nest_bio() -> bool;
}

const fn flag(bit: bindings::req_flag_bits) -> bindings::blk_opf_t {
    1 << bit
}

/// The flags of a direct write to a block device's file: writeback throttling does not delay such a
/// write (`wbt_should_throttle()`).
const WRITE: bindings::blk_opf_t = bindings::req_op_REQ_OP_WRITE
    | flag(bindings::req_flag_bits___REQ_SYNC)
    | flag(bindings::req_flag_bits___REQ_IDLE);
const READ: bindings::blk_opf_t = bindings::req_op_REQ_OP_READ;
const NOWAIT: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_NOWAIT);
/// Flags that the bios inherit. Metadata, priority and swap I/O must not be delayed for other I/O.
///
/// `REQ_FUA` asks for the data to be on the medium at the end.
const KEPT: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_META)
    | flag(bindings::req_flag_bits___REQ_PRIO)
    | flag(bindings::req_flag_bits___REQ_SWAP)
    | flag(bindings::req_flag_bits___REQ_FUA);
/// The bio completes only when it is polled.
const POLLED: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_POLLED);

/// Counts the shares in a request that is remapped: the submitter, which may still be inside the
/// driver below, has one, and each bio has one until it ends. The device below must stay until all
/// are dropped.
///
/// `begin` initialises it for each use.
pub(super) struct Remapping {
    parties: Atomic<i32>,
    /// The first status of a bio that is not `BLK_STS_OK`.
    status: Atomic<i32>,
}

/// Gets the result of [`Request::remap`], [`Request::remap_in_worker`] and [`Request::remap_all`];
/// implemented by the request's private data.
pub trait RequestRemapped<T: Operations> {
    /// Called when all of the request's data was read or written; or with an error, which is
    /// `EAGAIN` if the request would have had to wait and must not.
    ///
    /// May be called from any context, also hard irq: must not sleep.
    fn remapped(rq: Request<T>, result: Result);
}

/// Whether the current task is submitting a bio and has no plug, so that it holds back no request
/// that another task, or itself, may have to wait for.
///
/// False in kblockd, which must not be made to wait, and while a plug is flushed, to which nothing
/// may be added.
#[inline]
pub fn can_submit_now() -> bool {
    c_may_nest_bio()
}

/// The operation and flags of the bios that a read or write is remapped to; `None` for other
/// operations.
fn operation(op: Op) -> Option<bindings::blk_opf_t> {
    match op {
        Op::Read => Some(READ),
        Op::Write => Some(WRITE),
        _ => None,
    }
}

impl<T> Request<T>
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    /// Reads the request's data from the extent that `map` returns, or writes it there, bypassing
    /// any page cache. [`RequestRemapped::remapped`] is called once, perhaps before this returns.
    ///
    /// Gives the request back if
    /// - it is neither a read nor a write, or consists of several bios;
    /// - it does not lie in one extent, or the extent's device is not known to be the lowest one
    ///   ([`Extent::bottom`]);
    /// - it must not wait or is polled, and is larger than the device's largest request;
    /// - `nowait` is set, and the device has integrity metadata;
    /// - it was remapped as one that is polled since it was started;
    /// - its bio is encrypted, and there is no memory for the clone's encryption context. Otherwise
    ///   this allocates nothing: the clone is part of the request.
    ///
    /// The bio is submitted ahead of those that the task is submitting already, so the request
    /// waits for nothing but the device below. Call this only if [`can_submit_now`] returns true;
    /// or with `nowait`, where the request fails with `EAGAIN` instead of waiting for a tag. A
    /// request of a cgroup other than the root may be delayed even so (`rq_qos_throttle()`), so for
    /// such a request the task must hold no requests that others wait for
    /// ([`task_holds_requests`](super::super::task_holds_requests)). A polled request never waits
    /// for a tag; it may fail with `EOPNOTSUPP` if the device cannot be polled.
    ///
    /// May sleep even with `nowait`: [`Operations::queue_rq`] and [`Operations::queue_rqs`] may
    /// call this only if the tag set has [`TagSetFlag::Blocking`](super::TagSetFlag::Blocking).
    ///
    /// `map` gets the configuration, and a position and a length on the disk in bytes, both
    /// multiples of 512. It returns the extent of as many of these bytes as are contiguous, at
    /// least 512; [`None`] if they cannot be remapped.
    #[inline(always)] // The hottest path.
    pub fn remap(
        self,
        map: impl FnOnce(&T::Config, i64, u32) -> Option<Extent<'_>>,
        nowait: bool,
    ) -> Result<(), Self> {
        self.remap_with(map, |rq, extent| rq.flags_for(extent, nowait))
    }

    /// Remaps like [`remap`](Self::remap), in a worker: also to a device that is stacked on others,
    /// and also a request that is polled, which then is not. Without `nowait` it may wait, also if
    /// it was submitted as one that must not. For the other reasons of `remap` it is given back.
    /// The task must not be submitting a bio (`current->bio_list`). May sleep.
    pub fn remap_in_worker(
        self,
        map: impl FnOnce(&T::Config, i64, u32) -> Option<Extent<'_>>,
        nowait: bool,
    ) -> Result<(), Self> {
        self.remap_with(map, |rq, extent| {
            let bytes = rq.bytes();
            // For `nowait` see `flags_for`.
            let can_be = extent.bytes >= bytes
                && (!nowait || bytes <= extent.bdev.max_bytes() && !extent.bdev.has_integrity());
            let nowait = if nowait { NOWAIT } else { 0 };
            can_be.then(|| nowait | (rq.flags() & KEPT))
        })
    }

    /// See [`remap`](Self::remap); `flags` returns the flags of the bio besides its operation, or
    /// `None` if the request is to be given back.
    #[inline(always)] // As `remap`.
    fn remap_with(
        self,
        map: impl FnOnce(&T::Config, i64, u32) -> Option<Extent<'_>>,
        flags: impl FnOnce(&Self, &Extent<'_>) -> Option<bindings::blk_opf_t>,
    ) -> Result<(), Self> {
        let Some(op) = operation(self.op()) else {
            return Err(self);
        };
        let Some(extent) = map(self.config(), self.pos(), self.bytes()) else {
            return Err(self);
        };
        let rq = self.as_ptr();
        // SAFETY: `self` owns the request.
        let (bio, biotail) = unsafe { ((*rq).bio, (*rq).biotail) };
        if bio.is_null() || bio != biotail {
            return Err(self);
        }
        let pdu = Self::pdu_ptr(rq);
        // SAFETY: By the type invariants the `Pdu` is ours, and `start` wrote `was_polled`.
        if unsafe { (*pdu).was_polled } {
            return Err(self);
        }
        let Some(flags) = flags(&self, &extent) else {
            return Err(self);
        };
        // SAFETY: By the type invariants the `Pdu`, of which `bio` is a field, is ours.
        let clone = Opaque::cast_into(unsafe { &raw const (*pdu).bio });
        // The clone takes over the bio's priority, hints and cgroup.
        //
        // SAFETY: The configuration keeps the device, and the request keeps the configuration until
        // it ends. The bio and its segments, which the clone shares, belong to the request.
        // `remapped` finishes with the clone before the request ends. Nobody uses the clone's
        // memory: an earlier bio there has ended, and its submitter was done with it (`leave`).
        // Tasks that polled it held a reference to its request, which by `was_polled` was another
        // one.
        if !unsafe {
            rust_helper_bio_init_clone(clone, extent.bdev.as_ptr(), bio, op | flags, extent.bottom)
        } {
            if flags & POLLED != 0 {
                self.private().polled().put();
            }
            return Err(self);
        }
        let (pos, sector) = (self.pos(), extent.sector);
        let rq = self.into_raw();
        // One share for this function, one for the bio.
        begin::<T>(rq, 2);
        // SAFETY: The clone is ours until it is submitted. `remapped` gets the ownership of the
        // request, which was given up above.
        unsafe {
            prepare(clone, rq, pos, sector, remapped::<T>);
            if flags & POLLED != 0 {
                (*pdu).was_polled = true;
                (*pdu).polled.set();
            }
            rust_helper_submit_bio_nested(clone);
        }
        // SAFETY: Drops the submitter's share, one of the two that `begin` set.
        unsafe { leave::<T>(rq) };
        Ok(())
    }

    /// The flags of a bio that reads all of the request's data from `extent`, or writes it there.
    /// `None` if the extent is too short or its device not known to be the lowest one, or if the
    /// bio might have to wait and must not. With [`POLLED`] the bio is counted
    /// ([`PolledCount`](super::polled::PolledCount)).
    #[inline]
    fn flags_for(&self, extent: &Extent<'_>, nowait: bool) -> Option<bindings::blk_opf_t> {
        let bytes = self.bytes();
        if extent.bytes < bytes || !extent.bottom {
            return None;
        }
        // Allocating the protection information may wait.
        if nowait && extent.bdev.has_integrity() {
            return None;
        }
        let flags = self.flags();
        let may_poll = flags & POLLED != 0 && extent.bdev.can_poll();
        // A throttled cgroup might wait for requests that end only when this task polls them.
        let polled = match may_poll
            && self.blkcg().is_none()
            && self.private().polled().try_get(self.queue_tags())
        {
            true => POLLED,
            false => 0,
        };
        // A task that polls must not wait for a tag: the tags may belong to requests that end only
        // when it polls them.
        let nowait = match nowait || may_poll {
            true => NOWAIT,
            false => flags & NOWAIT,
        };
        // The block layer fails a `REQ_NOWAIT` bio that it would have to split.
        if nowait != 0 && bytes > extent.bdev.max_bytes() {
            if polled != 0 {
                self.private().polled().put();
            }
            return None;
        }
        Some(nowait | polled | (flags & KEPT))
    }

    /// How many requests the driver can have in flight.
    fn queue_tags(&self) -> u32 {
        // SAFETY: The request keeps its queue in use, and so the tag set.
        unsafe { rust_helper_blk_mq_queue_tags((*self.as_ptr()).q) }
    }
}

/// Begins the remapping of a request, with `parties` shares.
fn begin<T: Operations>(rq: NonNull<bindings::request>, parties: i32) {
    // SAFETY: The caller has just given up the ownership of the request with `into_raw`, so nobody
    // else uses its `Pdu`.
    unsafe {
        (&raw mut (*Request::<T>::pdu_ptr(rq.as_ptr())).remapping).write(Remapping {
            parties: Atomic::new(parties),
            status: Atomic::new(bindings::BLK_STS_OK as i32),
        })
    };
}

/// Fills in a clone, for submission to `sector` of its device, which holds byte `pos` of the
/// request's disk.
///
/// # Safety
///
/// The caller owns the clone, which has a share in the request. `end_io` is `remapped::<T>` if the
/// clone is part of the request, `part_remapped::<T>` if it comes from a set; the request is one of
/// `T`'s.
unsafe fn prepare(
    clone: *mut bindings::bio,
    rq: NonNull<bindings::request>,
    pos: i64,
    sector: u64,
    end_io: unsafe extern "C" fn(*mut bindings::bio),
) {
    // SAFETY: By the safety requirements the clone is the caller's, and its share keeps the
    // request.
    unsafe {
        (*clone).bi_iter.bi_sector = sector;
        (*clone).bi_private = rq.as_ptr().cast();
        (*clone).bi_end_io = Some(end_io);
        rust_helper_trace_bio_remap(clone, rq.as_ptr(), (pos >> bindings::SECTOR_SHIFT) as u64);
    }
}

/// Records a status, if it is the first that is not `BLK_STS_OK`.
///
/// # Safety
///
/// The caller has a share in the request.
unsafe fn set_status<T: Operations>(
    rq: NonNull<bindings::request>,
    status: bindings::blk_status_t,
) {
    if status != bindings::BLK_STS_OK as bindings::blk_status_t {
        // SAFETY: The request does not end before all shares are dropped, and the caller has one.
        let remapping = unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).remapping };
        // Fails if another status was recorded before, which counts. Relaxed: `leave` follows.
        let _ = remapping
            .status
            .cmpxchg(bindings::BLK_STS_OK as i32, i32::from(status), Relaxed);
    }
}

/// Drops a share. The last one passes the request to [`RequestRemapped::remapped`].
///
/// # Safety
///
/// Called once for each share, whose holder does not use `rq` afterwards.
#[inline]
unsafe fn leave<T>(rq: NonNull<bindings::request>)
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    // SAFETY: The request does not end before all shares are dropped, and `begin` set the counter.
    let parties = unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).remapping.parties };
    // Full: pairs with itself. What the others did before they dropped their shares comes before
    // what the last one does next.
    if parties.fetch_sub(1, Full) == 1 {
        // SAFETY: This was the last share.
        unsafe { end::<T>(rq) };
    }
}

/// Passes a request to [`RequestRemapped::remapped`].
///
/// # Safety
///
/// Called once, when all shares are dropped.
unsafe fn end<T>(rq: NonNull<bindings::request>)
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    // Relaxed: `leave` came before.
    //
    // SAFETY: The request has not ended. Others that may have set the status have dropped their
    // shares.
    let status = unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).remapping.status }.load(Relaxed);
    let result = match status as u32 {
        bindings::BLK_STS_OK => Ok(()),
        status => {
            // SAFETY: No requirements.
            let errno = unsafe { bindings::blk_status_to_errno(status as bindings::blk_status_t) };
            to_result(errno)
        }
    };
    // SAFETY: `remap` or `remap_all` gave up the ownership of the request, and nobody else has a
    // share.
    T::RequestData::remapped(unsafe { Request::from_raw(rq) }, result);
}

/// # Safety
///
/// Called by the block layer only, once, for a bio made by [`Request::remap`].
unsafe extern "C" fn remapped<T>(bio: *mut bindings::bio)
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    // SAFETY: `prepare` stored the request in the bio, whose share is not dropped yet.
    let rq = unsafe { bio_ended::<T>(bio) };
    // SAFETY: The bio's share keeps the request; `init_request` initialised `polled`.
    if unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).polled }.clear() {
        // SAFETY: The bio's share keeps the request, which keeps its queue in use. The `queuedata`
        // is a `Private<T>`, which is released only after the queue.
        let private = unsafe { &*(*(*rq.as_ptr()).q).queuedata.cast::<Private<T>>() };
        private.polled().put();
    }
    // SAFETY: `bio_init_clone()` set the bio up, and it has ended.
    unsafe { bindings::bio_uninit(bio) };
    // SAFETY: Drops the bio's share, one of the two that `begin` set.
    unsafe { leave::<T>(rq) };
}

/// Records the status of a bio; returns its request.
///
/// # Safety
///
/// `prepare` stored the request in the bio, whose share is not dropped yet.
#[inline]
unsafe fn bio_ended<T: Operations>(bio: *mut bindings::bio) -> NonNull<bindings::request> {
    // SAFETY: By the safety requirements `bi_private` is the request, which is not null.
    let rq = unsafe { NonNull::new_unchecked((*bio).bi_private.cast::<bindings::request>()) };
    // SAFETY: By the safety requirements the bio's share is not dropped yet.
    unsafe { set_status::<T>(rq, (*bio).bi_status) };
    rq
}
