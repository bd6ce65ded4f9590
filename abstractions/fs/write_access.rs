// SPDX-License-Identifier: GPL-2.0

//! Whether a file system lets anything be written, for those who write past it.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::kiocb::IOCB_NOWAIT;
use crate::abstractions::error::{eopnotsupp, to_count};
use core::mem::MaybeUninit;
use kernel::{
    bindings,
    fs::File,
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_file_start_write(file: *mut bindings::file);
    fn rust_helper_file_start_write_trylock(file: *mut bindings::file) -> bool;
    fn rust_helper_file_end_write(file: *mut bindings::file);
}

/// Checked against the header in `helpers/fs.c`.
const SB_RDONLY: c_ulong = 0x1;

/// A hold on a file system: as long as there is one it is not frozen (`sb_start_write()`).
///
/// It is given up with [`end`](Self::end), by any task and in any context; until then somebody has to keep a file
/// of the file system open. One that is dropped holds for good.
#[must_use = "the file system cannot be frozen before it is ended"]
pub struct WriteAccess {
    /// The address of the super block, to be compared.
    sb: usize,
}

impl WriteAccess {
    /// Gets hold of a file's file system. Waits while that is frozen. May sleep.
    pub fn start(file: &File) -> Self {
        // SAFETY: The file is valid.
        unsafe { rust_helper_file_start_write(file.as_ptr()) };
        Self { sb: sb_addr(file) }
    }

    /// The same, but `None` where it is frozen.
    pub fn try_start(file: &File) -> Option<Self> {
        // SAFETY: The file is valid.
        let started = unsafe { rust_helper_file_start_write_trylock(file.as_ptr()) };
        started.then(|| Self { sb: sb_addr(file) })
    }

    /// Gives it up. `file` is one of the same file system. Any context.
    pub fn end(self, file: &File) {
        if !kernel::warn_on!(self.sb != sb_addr(file)) {
            // SAFETY: The file is valid, and keeps its file system mounted.
            unsafe { rust_helper_file_end_write(file.as_ptr()) };
        }
    }
}

/// Holds at most one [`WriteAccess`]. Any task may put it there or take it, in any context.
pub struct WriteAccessSlot {
    /// [`WriteAccess::sb`], or 0.
    sb: Atomic<usize>,
}

impl WriteAccessSlot {
    /// An empty one.
    pub fn new() -> Self {
        Self { sb: Atomic::new(0) }
    }

    /// Whether there is one; may be out of date at once.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.sb.load(Relaxed) != 0
    }

    /// Gives it back if there is one already.
    pub fn put(&self, access: WriteAccess) -> Result<(), WriteAccess> {
        let result = self.sb.cmpxchg(0, access.sb, Full);
        result.map(|_| ()).map_err(|_| access)
    }

    /// Takes it out.
    pub fn take(&self) -> Option<WriteAccess> {
        match self.sb.xchg(0, Full) {
            0 => None,
            sb => Some(WriteAccess { sb }),
        }
    }
}

fn sb_addr(file: &File) -> usize {
    // SAFETY: A file has an inode, and this a super block, for as long as it is open.
    unsafe { (*(*file.as_ptr()).f_inode).i_sb }.addr()
}

/// Whether the file system of a file is read-only now (`sb_rdonly()`), as it also is after an error where it was
/// told so (`errors=remount-ro`). Any context.
#[inline]
pub fn is_read_only(file: &File) -> bool {
    // SAFETY: The file is valid, and keeps its file system mounted. The flags may change at any time.
    let flags = unsafe {
        let sb = (*(*file.as_ptr()).f_inode).i_sb;
        (&raw const (*sb).s_flags).read_volatile()
    };
    flags & SB_RDONLY != 0
}

/// Asks the file system whether it lets anything be written: not if it was shut down, or was made read-only,
/// by somebody or because of an error. Of these states only some can be seen from outside, so this is a write
/// without waiting that cannot succeed, behind all that a file may have; file systems look at their state first.
///
/// Fails with what the file system says. May sleep for a short lock.
pub fn check_writable(file: &File, _access: &WriteAccess) -> Result {
    if is_read_only(file) {
        return Err(EROFS);
    }
    match write_beyond_end(file, IOCB_NOWAIT) {
        // It would have to wait, or does not know how not to; it is a swap file; there is no such place.
        Err(e) if e == EAGAIN || e == eopnotsupp() || e == ETXTBSY || e == EFBIG || e == EINVAL => {
            Ok(())
        }
        result => result,
    }
}

/// `EOPNOTSUPP` unless the file system refuses to write to a file because it is claimed as a swap file. Its lock
/// must not be held. May sleep.
pub(super) fn check_claimed(file: &File) -> Result {
    match write_beyond_end(file, 0) {
        Err(ETXTBSY) => Ok(()),
        // It lets nothing be written.
        Err(e) if e == EIO || e == EROFS => Err(e),
        _ => Err(eopnotsupp()),
    }
}

/// Writes behind all that a file may have (`s_maxbytes`), where nothing can be. Fails with what the file system says,
/// `EFBIG` if that is all. May sleep, for the lock of the inode unless `IOCB_NOWAIT` is set.
fn write_beyond_end(file: &File, flags: u32) -> Result {
    static NOTHING: [u8; 512] = [0; 512];

    // SAFETY: The file is valid, and keeps its file system mounted.
    let limit = unsafe { (*(*(*file.as_ptr()).f_inode).i_sb).s_maxbytes };
    write(file, limit, &NOTHING, flags).map(|_| ())
}

/// Writes to a file's page cache, whatever the file was opened for. Returns how many bytes were written, at least one.
/// May sleep, not to wait for a thaw.
pub fn write_cached(file: &File, _access: &WriteAccess, pos: i64, bytes: &[u8]) -> Result<usize> {
    match write(file, pos, bytes, 0)? {
        0 => Err(EIO),
        done => Ok(done),
    }
}

/// Calls a file's `write_iter`, with these `IOCB_*` flags.
fn write(file: &File, pos: i64, bytes: &[u8], flags: u32) -> Result<usize> {
    let file = file.as_ptr();
    // SAFETY: A file's operations are set when it is opened and live as long as it does.
    let write_iter = unsafe { (*(*file).f_op).write_iter }.ok_or(EINVAL)?;
    // SAFETY: All zeroes are valid for a kiocb.
    let mut iocb: bindings::kiocb = unsafe { core::mem::zeroed() };
    iocb.ki_filp = file;
    iocb.ki_pos = pos;
    iocb.ki_flags = flags as c_int;
    let kvec = bindings::kvec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut iter = MaybeUninit::<bindings::iov_iter>::uninit();
    // SAFETY: `iter` is memory for an iterator, over a vector that lives as long. The memory is read only.
    // The operation belongs to the file; the I/O is over when it returns, as there is no callback.
    let ret = unsafe {
        bindings::iov_iter_kvec(
            iter.as_mut_ptr(),
            bindings::ITER_SOURCE,
            &raw const kvec,
            1,
            bytes.len(),
        );
        write_iter(&raw mut iocb, iter.as_mut_ptr())
    };
    to_count(ret as i64).map(|bytes| bytes as usize)
}
