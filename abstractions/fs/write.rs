// SPDX-License-Identifier: GPL-2.0

//! Writing to a file's page cache, even if the file was opened for direct I/O.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{kiocb::IOCB_NOWAIT, FileExt, WriteAccess};
use crate::abstractions::error::to_count;
use core::mem::MaybeUninit;
use kernel::{bindings, fs::File, prelude::*};

/// Writes some of `bytes` to a file, from byte `pos` on. Returns how many were written, at least
/// one. `EINVAL` if `access` is to another file system, `EIO` if nothing was written, or the error
/// of the write. May sleep, but not to wait for a thaw.
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

/// Tries to write behind the largest size of a file (`s_maxbytes`), where no write succeeds. File
/// systems check their own state first: this fails with the error for that state, or with `EFBIG`
/// or `EINVAL` if the state allows writes.
///
/// May sleep, for the inode's lock unless `nowait` is set; then `EAGAIN` and `EOPNOTSUPP` say
/// nothing about the state either. Does not wait for a thaw.
pub fn probe_write(file: &File, nowait: bool) -> Result {
    static NOTHING: [u8; 512] = [0; 512];

    let flags = if nowait { IOCB_NOWAIT } else { 0 };
    write_iter(file, file.super_block().max_bytes(), &NOTHING, flags).map(|_| ())
}

/// Calls a file's `write_iter` with the given `IOCB_*` flags.
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
    // SAFETY: `iter` is memory for an iterator over `kvec`, which lives as long. The bytes are only
    // read. The operation belongs to the file. The I/O is over when it returns, as there is no
    // callback.
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
