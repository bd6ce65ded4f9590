// SPDX-License-Identifier: GPL-2.0

//! Passing a request's data on to another block device.

use super::{super::BioSet, Op, Operations, Request};
use crate::abstractions::fs::{FileExt, FileKind};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    prelude::*,
    sync::atomic::{Atomic, Full},
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
unsafe extern "C" {
    fn rust_helper_bio_clone_nowait(
        bdev: *mut bindings::block_device,
        bio: *mut bindings::bio,
        bios: *mut bindings::bio_set,
    ) -> *mut bindings::bio;
    fn rust_helper_submit_bio_nested(bio: *mut bindings::bio);

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
const KEPT: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_META)
    | flag(bindings::req_flag_bits___REQ_PRIO)
    | flag(bindings::req_flag_bits___REQ_SWAP);
const ALLOC_CACHE: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_ALLOC_CACHE);

/// The two who are at work on a request that is passed on: the task that submits the bio, which may still be
/// in the driver below, and the end of the bio. Until both are done the device below has to stay.
///
/// It is written anew for each use.
pub(super) struct Forwarding {
    parties: Atomic<i32>,
    status: bindings::blk_status_t,
}

/// Gets the result of [`Request::forward`]; implemented by the request's private data.
pub trait RequestForwarded<T: Operations> {
    /// All of the request's data was read or written; or it failed, with `EAGAIN` where the request was not
    /// to wait.
    ///
    /// May be called from any context, also hard irq: must not sleep.
    fn forwarded(rq: Request<T>, result: Result);
}

/// Whether the current task is submitting a bio, and has no plug: then it holds no request back that
/// somebody else, or the task itself, may have to wait for.
///
/// Not so in kblockd, which must not be made to wait, nor while a plug is being emptied, to which nothing
/// may be added.
#[inline]
pub fn may_forward() -> bool {
    c_may_nest_bio()
}

impl<T> Request<T>
where
    T: Operations,
    T::DiskData: AsRef<BioSet>,
    T::Config: AsRef<File>,
    T::RequestData: RequestForwarded<T>,
{
    /// Reads the request's data from the block device that the file of its configuration is, or writes
    /// it there, from byte `pos` on, a multiple of 512, and past the page cache.
    /// [`RequestForwarded::forwarded`] is called once, perhaps before this returns.
    ///
    /// Gives the request back if it is neither read nor write, consists of several bios, must not wait
    /// although it is larger than the device takes, if the file is no block device with requests of its own
    /// ([`BlockDevice::is_bottom`]), or if there is no memory.
    ///
    /// What was being submitted by the task waits meanwhile, so that the request waits for nothing but that
    /// device. To be called only if [`may_forward`] says so. May sleep: may be called by
    /// [`Operations::queue_rq`] only where the tag set is one of
    /// [`TagSetFlags::BLOCKING`](super::TagSetFlags::BLOCKING).
    ///
    /// [`BlockDevice::is_bottom`]: super::super::BlockDevice::is_bottom
    pub fn forward(self, pos: i64) -> Result<(), Self> {
        let op = match self.op() {
            Op::Read => READ,
            Op::Write => WRITE,
            _ => return Err(self),
        };
        let Some(FileKind::Block(bdev)) = self.config().map(|config| config.as_ref().kind()) else {
            return Err(self);
        };
        if !bdev.is_bottom() {
            return Err(self);
        }
        let flags = self.flags();
        let nowait = flags & NOWAIT;
        // What has to be split is refused.
        if nowait != 0 && self.bytes() > bdev.max_bytes() {
            return Err(self);
        }
        let rq = self.as_ptr();
        // SAFETY: `self` owns the request.
        let (bio, biotail) = unsafe { ((*rq).bio, (*rq).biotail) };
        if bio.is_null() || bio != biotail {
            return Err(self);
        }
        let bios: &BioSet = self.disk().as_ref();
        // Its priority, hints and cgroup come with the clone, its flags are replaced below.
        //
        // SAFETY: The device and the set are parts of the configuration and of the private data of the
        // disk, which the request keeps until it ends. The bio is the request's, and so are its
        // segments, which the clone shares. It is put in `forwarded`, before the request ends.
        let clone = unsafe { rust_helper_bio_clone_nowait(bdev.as_ptr(), bio, bios.as_ptr()) };
        let Some(clone) = NonNull::new(clone) else {
            return Err(self);
        };
        let rq = self.into_raw();
        // SAFETY: The clone is ours until it is submitted. `forwarded` gets the ownership of the request,
        // which was given up above.
        unsafe {
            let clone = clone.as_ptr();
            // That says where it was allocated.
            let cached = (*clone).bi_opf & ALLOC_CACHE;
            (*clone).bi_opf = op | nowait | cached | (flags & KEPT);
            (*clone).bi_iter.bi_sector = (pos >> bindings::SECTOR_SHIFT) as bindings::sector_t;
            (*clone).bi_private = rq.as_ptr().cast();
            (*clone).bi_end_io = Some(forwarded::<T>);
            (&raw mut (*Self::pdu_ptr(rq.as_ptr())).forwarding).write(Forwarding {
                parties: Atomic::new(2),
                status: bindings::BLK_STS_OK as bindings::blk_status_t,
            });
            rust_helper_submit_bio_nested(clone);
        }
        // SAFETY: This is the party of the submitter.
        unsafe { leave::<T>(rq) };
        Ok(())
    }
}

/// One of the two parties is done. The last one gives the request back to its owner.
///
/// # Safety
///
/// Called once by each party, which does not use `rq` afterwards.
unsafe fn leave<T>(rq: NonNull<bindings::request>)
where
    T: Operations,
    T::RequestData: RequestForwarded<T>,
{
    // SAFETY: The request does not end before both parties have left, and this was set up in `forward`.
    let forwarding = unsafe { &raw const (*Request::<T>::pdu_ptr(rq.as_ptr())).forwarding };
    // Orders what the first party did before what the second does next.
    //
    // SAFETY: As above.
    if unsafe { (*forwarding).parties.fetch_sub(1, Full) } != 1 {
        return;
    }
    // SAFETY: As above; the other party, which may have set the status, has left.
    let result = to_result(unsafe { bindings::blk_status_to_errno((*forwarding).status) });
    // SAFETY: `forward` gave the ownership of the request up for this.
    T::RequestData::forwarded(unsafe { Request::from_raw(rq) }, result);
}

/// # Safety
///
/// Called by the block layer only, once, for a bio made by [`Request::forward`].
unsafe extern "C" fn forwarded<T>(bio: *mut bindings::bio)
where
    T: Operations,
    T::RequestData: RequestForwarded<T>,
{
    // SAFETY: `forward` stored the request there.
    let rq = unsafe { NonNull::new_unchecked((*bio).bi_private.cast::<bindings::request>()) };
    // SAFETY: The request has not ended, since this party has not left; the other one does not look at the
    // status before that.
    unsafe { (*Request::<T>::pdu_ptr(rq.as_ptr())).forwarding.status = (*bio).bi_status };
    // SAFETY: This puts the only reference, and nobody uses the bio afterwards.
    unsafe { bindings::bio_put(bio) };
    // SAFETY: This is the party of the bio.
    unsafe { leave::<T>(rq) };
}
