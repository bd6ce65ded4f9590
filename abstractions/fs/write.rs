// SPDX-License-Identifier: GPL-2.0

//! Writing to a file's page cache, whatever the file was opened for.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{kiocb::IOCB_NOWAIT, FileExt, WriteAccess};
use crate::abstractions::error::to_count;
use core::mem::MaybeUninit;
use kernel::{bindings, fs::File, prelude::*};

/// Writes some of `bytes` to a file, from byte `pos` on. Returns how many were written, at least one. May sleep, not to
/// wait for a thaw.
pub(super) fn write_at(
    file: &File,
    access: &WriteAccess<'_>,
    pos: i64,
    bytes: &[u8],
) -> Result<usize> {
    if !access.is_to(file) {
        return Err(EINVAL);
    }
    match write_iter(file, pos, bytes, 0)? {
        0 => Err(EIO),
        done => Ok(done),
    }
}

/// Tries to write behind all that a file may have (`s_maxbytes`), where nothing can be. File systems look at their own
/// state first, so this fails with what they say of that, and with `EFBIG`, or `EINVAL`, if that is all.
///
/// May sleep, for the lock of the inode unless `nowait` is set, in which case `EAGAIN` and `EOPNOTSUPP` say nothing
/// either. Does not wait for a thaw.
pub fn probe_write(file: &File, nowait: bool) -> Result {
    static NOTHING: [u8; 512] = [0; 512];

    let flags = if nowait { IOCB_NOWAIT } else { 0 };
    write_iter(file, file.super_block().max_bytes(), &NOTHING, flags).map(|_| ())
}

/// Calls a file's `write_iter`, with these `IOCB_*` flags.
fn write_iter(file: &File, pos: i64, bytes: &[u8], flags: u32) -> Result<usize> {
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
