// SPDX-License-Identifier: GPL-2.0

//! Remapping requests of any shape, in bios from a set.

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
    /// Remaps a read or write like [`remap`](Self::remap), but also one of several bios, in several
    /// extents, on any device. Reports every failure to [`RequestRemapped::remapped`]: the error of
    /// a device, `EIO` if `map` does not map all of the request or `bios` returns no set, `ENOMEM`
    /// if an encrypted bio cannot be cloned, and `EOPNOTSUPP` for other operations.
    ///
    /// `bios` returns the set that bios are allocated from. It has a reserve, and no device below
    /// this one uses it. May sleep, also until a bio of the reserve is free. The task must not be
    /// submitting a bio (`current->bio_list`), as this one's would wait behind it.
    pub fn remap_all(
        self,
        map: impl Fn(&T::Config, i64, u32) -> Option<Extent<'_>>,
        bios: impl FnOnce(&T::Config) -> Option<&BioSet>,
    ) {
        let op = operation(self.op());
        let kept = self.flags() & KEPT;
        let mut pos = self.pos();
        let rq = self.into_raw();
        // One share for this function. Until it is dropped, the request, its bios and its
        // configuration stay.
        begin::<T>(rq, 1);
        // SAFETY: The request stays until this function drops its share; nothing borrowed here is
        // used after that.
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
                    // SAFETY: The bio is one of the request's, which stay until this function drops
                    // its share.
                    let bytes = unsafe { (*bio).bi_iter.bi_size };
                    // SAFETY: This function's share keeps the request with its bios, and the
                    // configuration with `bios`.
                    result = unsafe { Self::remap_bio(rq, config, &map, bios, bio, pos, opf) };
                    pos = pos.saturating_add(i64::from(bytes));
                    // SAFETY: The bio is one of the request's, as above.
                    bio = unsafe { (*bio).bi_next };
                }
                result
            }
            (None, _) => Err(eopnotsupp()),
            (_, None) => Err(EIO),
        };
        // SAFETY: Drops the submitter's share, the one that `begin` set.
        unsafe {
            if let Err(e) = result {
                set_status::<T>(rq, bindings::errno_to_blk_status(e.to_errno()));
            }
            leave::<T>(rq);
        }
    }

    /// Submits bios for one bio of a request, which starts at byte `pos` of the disk. `EIO` if not
    /// all of it is mapped, `ENOMEM` if it cannot be cloned.
    ///
    /// # Safety
    ///
    /// `rq` stays, with `config`, `bios` and `bio`, until a share is dropped that this function did
    /// not add.
    unsafe fn remap_bio(
        rq: NonNull<bindings::request>,
        config: &T::Config,
        map: impl Fn(&T::Config, i64, u32) -> Option<Extent<'_>>,
        bios: &BioSet,
        bio: *mut bindings::bio,
        pos: i64,
        flags: bindings::blk_opf_t,
    ) -> Result {
        // SAFETY: By the safety requirements `bio` stays.
        let bytes = unsafe { (*bio).bi_iter.bi_size };
        let mut done = 0;
        while done < bytes {
            let start = pos.checked_add(i64::from(done)).ok_or(EIO)?;
            let extent = map(config, start, bytes - done).ok_or(EIO)?;
            let part = extent.bytes & !(bindings::SECTOR_SIZE - 1);
            if part == 0 {
                return Err(EIO);
            }
            // SAFETY: As in `remap`: the configuration keeps the device, and the clone shares the
            // bio's segments. The part lies within the bio. An allocation that waits for the
            // reserve succeeds: bios of this set end without help from this task.
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
            // Relaxed: the caller's share keeps the counter above 0, and the bio is submitted after
            // this.
            //
            // SAFETY: The caller's share keeps the request. The bio gets a share of its own.
            unsafe {
                (*Self::pdu_ptr(rq.as_ptr()))
                    .remapping
                    .parties
                    .fetch_add(1, Relaxed);
                // `bio_put()` needs this flag: it says that the bio came from a per-CPU cache.
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
    // SAFETY: `prepare` stored the request in the bio, whose share is not dropped yet.
    let rq = unsafe { bio_ended::<T>(bio) };
    // SAFETY: This puts the only reference; nobody uses the bio afterwards.
    unsafe { bindings::bio_put(bio) };
    // SAFETY: Drops the bio's share, which `remap_bio` added.
    unsafe { leave::<T>(rq) };
}
