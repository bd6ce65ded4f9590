// SPDX-License-Identifier: GPL-2.0

//! Passing a request's data on to another block device.

use super::{super::Extent, Op, Operations, Request};
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
    ) -> bool;
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

/// As direct writes to a block device's file are marked: not to be held back in favour of others.
const WRITE: bindings::blk_opf_t = bindings::req_op_REQ_OP_WRITE
    | flag(bindings::req_flag_bits___REQ_SYNC)
    | flag(bindings::req_flag_bits___REQ_IDLE);
const READ: bindings::blk_opf_t = bindings::req_op_REQ_OP_READ;
const NOWAIT: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_NOWAIT);
/// Who submits these must not be held back for the sake of others.
///
/// And what has to be on the medium when it is done, which is so only on a disk that says it can
/// (`BLK_FEAT_FUA`).
const KEPT: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_META)
    | flag(bindings::req_flag_bits___REQ_PRIO)
    | flag(bindings::req_flag_bits___REQ_SWAP)
    | flag(bindings::req_flag_bits___REQ_FUA);
/// It ends only when somebody polls for it.
const POLLED: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_POLLED);

/// Those who are at work on a request that is passed on: the task that submits the bios, which may still be
/// in the driver below, and the end of each bio. Until all are done the device below has to stay.
///
/// It is written anew for each use.
pub(super) struct Remapping {
    parties: Atomic<i32>,
    /// The first status of a bio that was not `BLK_STS_OK`.
    status: Atomic<i32>,
}

/// Gets the result of [`Request::remap`] and [`Request::remap_all`]; implemented by the request's private data.
pub trait RequestRemapped<T: Operations> {
    /// All of the request's data was read or written; or it failed, with `EAGAIN` where the request was not
    /// to wait.
    ///
    /// May be called from any context, also hard irq: must not sleep.
    fn remapped(rq: Request<T>, result: Result);
}

/// Whether the current task is submitting a bio, and has no plug: then it holds no request back that
/// somebody else, or the task itself, may have to wait for.
///
/// Not so in kblockd, which must not be made to wait, nor while a plug is being emptied, to which nothing
/// may be added.
#[inline]
pub fn can_submit_now() -> bool {
    c_may_nest_bio()
}

/// The operation of the bios that a request is passed on as, if it is read or write.
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
    /// Reads the request's data from where `map` says, or writes it there, past any page cache.
    /// [`RequestRemapped::remapped`] is called once, perhaps before this returns.
    ///
    /// Gives the request back if it is neither read nor write, consists of several bios, does not lie
    /// in one place, must not wait although it is larger than the device takes, if the device is not known to
    /// be the lowest one ([`Extent::bottom`]), or if this was done before since the request was started. The bio is
    /// a part of the request: it needs memory only where it is encrypted.
    ///
    /// What was being submitted by the task waits meanwhile, so that the request waits for nothing but that
    /// device: to be called only if [`can_submit_now`] says so; or with `nowait`, where it fails with `EAGAIN`
    /// instead of waiting for a tag. That of a cgroup but the root one may be held back all the same
    /// (`rq_qos_throttle()`), so there the task must hold nothing that others wait for
    /// ([`task_holds_requests`](super::super::task_holds_requests)). One that is polled for never waits for a
    /// tag; where it cannot be polled for it may fail with `EOPNOTSUPP`. May sleep even so: may be called by [`Operations::queue_rq`] and
    /// [`Operations::queue_rqs`] only where the tag set is one of
    /// [`TagSetFlag::Blocking`](super::TagSetFlag::Blocking).
    ///
    /// `map` is given the configuration, and a position and a length on the disk in bytes, both multiples of 512. It
    /// says where they lie: as many of them as lie next to each other, at least 512; [`None`] if they cannot be passed
    /// on.
    pub fn remap(
        self,
        map: impl FnOnce(&T::Config, i64, u32) -> Option<Extent<'_>>,
        nowait: bool,
    ) -> Result<(), Self> {
        let Some(op) = operation(self.op()) else {
            return Err(self);
        };
        let bytes = self.bytes();
        let Some(extent) = map(self.config(), self.pos(), bytes) else {
            return Err(self);
        };
        if extent.bytes < bytes || !extent.bottom {
            return Err(self);
        }
        // Its buffers may have to be waited for.
        if nowait && extent.bdev.has_integrity() {
            return Err(self);
        }
        let flags = self.flags();
        // A cgroup might have to wait for requests that end only when this task polls for them.
        let polled = match flags & POLLED {
            POLLED if extent.bdev.can_poll() && self.blkcg().is_none() => POLLED,
            _ => 0,
        };
        // The tags that a polled one may have to wait for are perhaps those of others that this task is to
        // poll for.
        let nowait = match nowait || polled != 0 {
            true => NOWAIT,
            false => flags & NOWAIT,
        };
        // What has to be split is refused.
        if nowait != 0 && bytes > extent.bdev.max_bytes() {
            return Err(self);
        }
        let rq = self.as_ptr();
        // SAFETY: `self` owns the request.
        let (bio, biotail) = unsafe { ((*rq).bio, (*rq).biotail) };
        if bio.is_null() || bio != biotail {
            return Err(self);
        }
        let opf = op | nowait | polled | (flags & KEPT);
        let pdu = Self::pdu_ptr(rq);
        // SAFETY: What is behind the request is ours, and was written when it was started.
        if unsafe { (*pdu).was_remapped } {
            return Err(self);
        }
        // SAFETY: As above.
        let clone = Opaque::cast_into(unsafe { &raw const (*pdu).bio });
        // Its priority, hints and cgroup come with the clone.
        //
        // SAFETY: The device is kept by the configuration, which the request keeps until it ends. The bio is the
        // request's, and so are its segments, which the clone shares. It is done with in `remapped`, before the
        // request ends. Nobody uses the clone's memory: its last use has ended with an earlier request there, also
        // for those who polled, since they had a reference to that.
        if !unsafe { rust_helper_bio_init_clone(clone, extent.bdev.as_ptr(), bio, opf) } {
            return Err(self);
        }
        let (pos, sector) = (self.pos(), extent.sector);
        let rq = self.into_raw();
        // One for this function, one for the bio.
        begin::<T>(rq, 2);
        // SAFETY: The clone is ours until it is submitted. `remapped` gets the ownership of the request,
        // which was given up above.
        unsafe {
            (*pdu).was_remapped = true;
            prepare(clone, rq, pos, sector, remapped::<T>);
            if polled != 0 {
                (*pdu).polled.set();
            }
            rust_helper_submit_bio_nested(clone);
        }
        // SAFETY: This is the party of the submitter.
        unsafe { leave::<T>(rq) };
        Ok(())
    }
}

/// Begins the remapping of a request with so many parties.
fn begin<T: Operations>(rq: NonNull<bindings::request>, parties: i32) {
    // SAFETY: Whoever calls this has just had the ownership of the request, and so of what is behind it.
    unsafe {
        (&raw mut (*Request::<T>::pdu_ptr(rq.as_ptr())).remapping).write(Remapping {
            parties: Atomic::new(parties),
            status: Atomic::new(bindings::BLK_STS_OK as i32),
        })
    };
}

/// Makes a clone ready to be submitted, to do what the request asks for from byte `pos` of its disk on.
///
/// # Safety
///
/// The clone is the caller's, and a party of the request's remapping. `end_io` is `remapped::<T>` if the clone is
/// a part of the request, `part_remapped::<T>` if it comes from a set; the request is one of `T`'s.
unsafe fn prepare(
    clone: *mut bindings::bio,
    rq: NonNull<bindings::request>,
    pos: i64,
    sector: u64,
    end_io: unsafe extern "C" fn(*mut bindings::bio),
) {
    // SAFETY: By the safety requirements.
    unsafe {
        (*clone).bi_iter.bi_sector = sector;
        (*clone).bi_private = rq.as_ptr().cast();
        (*clone).bi_end_io = Some(end_io);
        rust_helper_trace_bio_remap(clone, rq.as_ptr(), (pos >> bindings::SECTOR_SHIFT) as u64);
    }
}

/// Notes how one party fared.
///
/// # Safety
///
/// Called by a party that has not left yet.
unsafe fn set_status<T: Operations>(
    rq: NonNull<bindings::request>,
    status: bindings::blk_status_t,
) {
    if status != bindings::BLK_STS_OK as bindings::blk_status_t {
        // SAFETY: The request does not end before all parties have left.
        let remapping = unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).remapping };
        // The first one counts.
        let _ = remapping
            .status
            .cmpxchg(bindings::BLK_STS_OK as i32, i32::from(status), Relaxed);
    }
}

/// One of the parties is done. The last one gives the request back to its owner.
///
/// # Safety
///
/// Called once by each party, which does not use `rq` afterwards.
#[inline]
unsafe fn leave<T>(rq: NonNull<bindings::request>)
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    // SAFETY: The request does not end before all parties have left, and this was set up by `begin`.
    let parties = unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).remapping.parties };
    // Orders what the others did before what the last one does next.
    if parties.fetch_sub(1, Full) == 1 {
        // SAFETY: All have left.
        unsafe { end::<T>(rq) };
    }
}

/// Gives a request back to its owner, by its private data.
///
/// # Safety
///
/// Called once, when all parties have left.
unsafe fn end<T>(rq: NonNull<bindings::request>)
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    // SAFETY: The request has not ended; the others, which may have set the status, have left.
    let status = unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).remapping.status }.load(Relaxed);
    let result = match status as u32 {
        bindings::BLK_STS_OK => Ok(()),
        status => {
            // SAFETY: No requirements.
            let errno = unsafe { bindings::blk_status_to_errno(status as bindings::blk_status_t) };
            to_result(errno)
        }
    };
    // SAFETY: The ownership of the request was given up for this.
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
    // SAFETY: `prepare` stored the request there. It has not ended, since this party has not left.
    let rq = unsafe { bio_ended::<T>(bio) };
    // SAFETY: As above.
    unsafe { &(*Request::<T>::pdu_ptr(rq.as_ptr())).polled }.clear();
    // SAFETY: It was set up by `bio_init_clone()`, and ended here.
    unsafe { bindings::bio_uninit(bio) };
    // SAFETY: This is the party of the bio.
    unsafe { leave::<T>(rq) };
}

/// Notes how a bio fared; returns the request that it belongs to.
///
/// # Safety
///
/// `prepare` got the bio, and that request, which has not ended.
#[inline]
unsafe fn bio_ended<T: Operations>(bio: *mut bindings::bio) -> NonNull<bindings::request> {
    // SAFETY: `prepare` stored a pointer that is not null.
    let rq = unsafe { NonNull::new_unchecked((*bio).bi_private.cast::<bindings::request>()) };
    // SAFETY: By the safety requirements; the bio's party has not left.
    unsafe { set_status::<T>(rq, (*bio).bi_status) };
    rq
}
