// SPDX-License-Identifier: GPL-2.0

//! Error codes that [`kernel::error::code`] lacks, and results of functions that return a number or
//! an error.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use kernel::{bindings, prelude::*};

/// `ENOSYS`: function not implemented.
pub fn enosys() -> Error {
    Error::from_errno(-(bindings::ENOSYS as c_int))
}

/// `EOPNOTSUPP`: operation not supported.
pub fn eopnotsupp() -> Error {
    Error::from_errno(-(bindings::EOPNOTSUPP as c_int))
}

/// `ENODATA`: no data available.
#[cfg(FILE_EXTENTS)]
pub fn enodata() -> Error {
    Error::from_errno(-(bindings::ENODATA as c_int))
}

/// `ECANCELED`: operation canceled.
#[cfg(FILE_EXTENTS)]
pub fn ecanceled() -> Error {
    Error::from_errno(-(bindings::ECANCELED as c_int))
}

/// The result of a function that returns a number, or a negative errno (`ssize_t`, `loff_t`).
pub fn to_count(ret: i64) -> Result<i64> {
    match c_int::try_from(ret) {
        _ if ret >= 0 => Ok(ret),
        Ok(errno) => Err(Error::from_errno(errno)),
        Err(_) => Err(EIO),
    }
}
