// SPDX-License-Identifier: GPL-2.0

//! Error codes that [`kernel::error::code`] lacks, and results of functions that return a number or
//! an error.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use kernel::prelude::*;

/// A code that the crate of 7.3 has, and that of 7.2 lacks.
macro_rules! code {
    ($name:ident) => {{
        #[cfg(KERNEL_7_3)]
        let error = kernel::error::code::$name;
        #[cfg(not(KERNEL_7_3))]
        let error = Error::from_errno(-(kernel::bindings::$name as c_int));
        error
    }};
}

/// `ENOSYS`: function not implemented.
pub fn enosys() -> Error {
    code!(ENOSYS)
}

/// `EOPNOTSUPP`: operation not supported.
pub fn eopnotsupp() -> Error {
    code!(EOPNOTSUPP)
}

/// `ENODATA`: no data available.
#[cfg(FILE_EXTENTS)]
pub fn enodata() -> Error {
    code!(ENODATA)
}

/// `ECANCELED`: operation canceled.
#[cfg(FILE_EXTENTS)]
pub fn ecanceled() -> Error {
    code!(ECANCELED)
}

/// The result of a function that returns a number, or a negative errno (`ssize_t`, `loff_t`).
///
/// # Examples
///
/// ```
/// # use crate::abstractions::error::to_count;
/// assert_eq!(to_count(0), Ok(0));
/// assert_eq!(to_count(i64::MAX), Ok(i64::MAX));
/// assert_eq!(to_count(i64::from(ENOMEM.to_errno())), Err(ENOMEM));
///
/// // Not an errno.
/// assert_eq!(to_count(i64::MIN), Err(EIO));
/// ```
pub fn to_count(ret: i64) -> Result<i64> {
    match c_int::try_from(ret) {
        _ if ret >= 0 => Ok(ret),
        Ok(errno) => Err(Error::from_errno(errno)),
        Err(_) => Err(EIO),
    }
}
