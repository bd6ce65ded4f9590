// SPDX-License-Identifier: GPL-2.0

//! Passing on requests of any shape, in bios from a set.

use super::{
    super::super::{BioSet, Extent},
    begin, bio_ended, flag, leave, operation, prepare, set_status, Operations, Request,
    RequestRemapped, KEPT,
};
use crate::abstractions::error::eopnotsupp;
use core::ptr::NonNull;
use kernel::{bindings, prelude::*, sync::atomic::Relaxed};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_bio_clone_part(
        bdev: *mut bindings::block_device,
        bio: *mut bindings::bio,
        bios: *mut bindings::bio_set,
        offset: bindings::sector_t,
        sectors: bindings::sector_t,
    ) -> *mut bindings::bio;
}

const ALLOC_CACHE: bindings::blk_opf_t = flag(bindings::req_flag_bits___REQ_ALLOC_CACHE);

impl<T> Request<T>
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    /// The same as [`remap`](Self::remap) for whatever reads and writes: several bios, several places, any device.
    /// Fails, by [`RequestRemapped::remapped`], only as the devices do, with `EIO` where there is no place, and with
    /// `EOPNOTSUPP` for what is neither read nor write.
    ///
    /// `bios` says where bios are allocated: a set with a reserve, which no other device uses that this one may lie
    /// upon. May sleep, also for memory, of which the reserve is enough. The task must not be submitting a bio.
    pub fn remap_all(
        self,
        map: impl Fn(&T::Config, i64, u32) -> Option<Extent<'_>>,
        bios: impl FnOnce(&T::Config) -> Option<&BioSet>,
    ) {
        let op = operation(self.op());
        let kept = self.flags() & KEPT;
        let mut pos = self.pos();
        let rq = self.into_raw();
        // One for this function. Until it leaves, the request, its bios and its configuration stay.
        begin::<T>(rq, 1);
        // SAFETY: As just said; what is borrowed is not used after that.
        let (this, mut bio) = unsafe {
            (
                core::mem::ManuallyDrop::new(Self::from_raw(rq)),
                (*rq.as_ptr()).bio,
            )
        };
        let config = this.config();
        let result = match (op, bios(config)) {
            (Some(op), Some(bios)) => {
                let opf = op | kept;
                let mut result = Ok(());
                while !bio.is_null() && result.is_ok() {
                    // SAFETY: The bio is one of the request's, which stay as they are until it ends.
                    let bytes = unsafe { (*bio).bi_iter.bi_size };
                    // SAFETY: As above; the configuration says where.
                    result = unsafe { Self::remap_bio(rq, config, &map, bios, bio, pos, opf) };
                    pos = pos.saturating_add(i64::from(bytes));
                    // SAFETY: As above.
                    bio = unsafe { (*bio).bi_next };
                }
                result
            }
            (None, _) => Err(eopnotsupp()),
            (_, None) => Err(EIO),
        };
        // SAFETY: The party of the submitter has not left yet, and leaves here.
        unsafe {
            if let Err(e) = result {
                set_status::<T>(rq, bindings::errno_to_blk_status(e.to_errno()));
            }
            leave::<T>(rq);
        }
    }

    /// Submits one bio of a request, of which byte `pos` of the disk is the first. `EIO` if there is no place
    /// for all of it.
    ///
    /// # Safety
    ///
    /// `rq` stays, with `config`, `bios` and `bio`, until a party leaves that is not one of this function's.
    unsafe fn remap_bio(
        rq: NonNull<bindings::request>,
        config: &T::Config,
        map: impl Fn(&T::Config, i64, u32) -> Option<Extent<'_>>,
        bios: &BioSet,
        bio: *mut bindings::bio,
        pos: i64,
        flags: bindings::blk_opf_t,
    ) -> Result {
        // SAFETY: By the safety requirements.
        let bytes = unsafe { (*bio).bi_iter.bi_size };
        let mut done = 0;
        while done < bytes {
            let start = pos.checked_add(i64::from(done)).ok_or(EIO)?;
            let extent = map(config, start, bytes - done).ok_or(EIO)?;
            let part = extent.bytes & !(bindings::SECTOR_SIZE - 1);
            if part == 0 {
                return Err(EIO);
            }
            // SAFETY: As in `remap`; the part lies within the bio. Where it has to wait for memory it
            // gets some: bios that this set was used for end by themselves.
            let clone = unsafe {
                rust_helper_bio_clone_part(
                    extent.bdev.as_ptr(),
                    bio,
                    bios.as_ptr(),
                    u64::from(done >> bindings::SECTOR_SHIFT),
                    u64::from(part >> bindings::SECTOR_SHIFT),
                )
            };
            if clone.is_null() {
                return Err(ENOMEM);
            }
            // SAFETY: The request has not ended. The bio is a party of its own.
            unsafe {
                (*Self::pdu_ptr(rq.as_ptr()))
                    .remapping
                    .parties
                    .fetch_add(1, Relaxed);
                // That says where it was allocated.
                let cached = (*clone).bi_opf & ALLOC_CACHE;
                (*clone).bi_opf = flags | cached;
                prepare(clone, rq, start, extent.sector, part_remapped::<T>);
                bindings::submit_bio_noacct(clone);
            }
            done += part;
        }
        Ok(())
    }
}

/// # Safety
///
/// Called by the block layer only, once, for a bio made by [`Request::remap_all`].
unsafe extern "C" fn part_remapped<T>(bio: *mut bindings::bio)
where
    T: Operations,
    T::RequestData: RequestRemapped<T>,
{
    // SAFETY: `prepare` stored the request there. It has not ended, since this party has not left.
    let rq = unsafe { bio_ended::<T>(bio) };
    // SAFETY: This puts the only reference, and nobody uses the bio afterwards.
    unsafe { bindings::bio_put(bio) };
    // SAFETY: This is the party of the bio.
    unsafe { leave::<T>(rq) };
}
