// SPDX-License-Identifier: GPL-2.0

//! Stands in for the `kernel` crate, as far as the tested files use it.

/// `kernel::prelude`
pub(crate) mod prelude {
    pub(crate) use core::ffi::{c_char, c_int, CStr};
    pub(crate) use zerocopy::{FromBytes, IntoBytes};
    pub(crate) use zerocopy_derive::{FromBytes, IntoBytes};

    /// An error; `kernel::error::Error` holds the same number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Error(i32);

    impl Error {
        pub(crate) fn to_errno(self) -> c_int {
            self.0
        }
    }

    pub(crate) type Result<T = (), E = Error> = core::result::Result<T, E>;

    pub(crate) const EBADF: Error = Error(-9);
    pub(crate) const EINTR: Error = Error(-4);
    pub(crate) const EINVAL: Error = Error(-22);
    pub(crate) const EIO: Error = Error(-5);
    pub(crate) const EOVERFLOW: Error = Error(-75);

    pub(crate) fn to_result(errno: c_int) -> Result {
        match errno {
            0.. => Ok(()),
            errno => Err(Error(errno)),
        }
    }

    pub(crate) trait CStrExt {
        fn as_char_ptr(&self) -> *const c_char;

        /// # Safety
        ///
        /// `text` is a C string for `'a`.
        unsafe fn from_char_ptr<'a>(text: *const c_char) -> &'a Self;
    }

    impl CStrExt for CStr {
        fn as_char_ptr(&self) -> *const c_char {
            self.as_ptr()
        }

        unsafe fn from_char_ptr<'a>(text: *const c_char) -> &'a Self {
            // SAFETY: By the safety requirement.
            unsafe { CStr::from_ptr(text) }
        }
    }
}

pub(crate) use crate::pr_warn_once;

/// Messages are of no interest here.
#[macro_export]
macro_rules! pr_warn_once {
    ($($arg:tt)*) => {
        let _ = format_args!($($arg)*);
    };
}

/// `kernel::page`
pub(crate) mod page {
    pub(crate) const PAGE_SIZE: usize = 4096;
}

/// `kernel::fs`
pub(crate) mod fs {
    pub(crate) use crate::abstractions::fs::File;

    pub(crate) mod file {
        pub(crate) mod flags {
            pub(crate) const O_DIRECT: u32 = 0o40000;
        }
    }
}

/// `kernel::sync`
pub(crate) mod sync {
    pub(crate) use std::sync::{Mutex, MutexGuard};

    pub(crate) mod aref {
        pub(crate) use std::sync::Arc as ARef;
    }

    pub(crate) mod atomic {
        use std::sync::Mutex;

        pub(crate) struct Relaxed;

        pub(crate) struct Atomic<T>(Mutex<T>);

        impl<T: Copy> Atomic<T> {
            pub(crate) const fn new(value: T) -> Self {
                Self(Mutex::new(value))
            }

            pub(crate) fn load(&self, _order: Relaxed) -> T {
                *self.0.lock().unwrap()
            }

            pub(crate) fn store(&self, value: T, _order: Relaxed) {
                *self.0.lock().unwrap() = value;
            }
        }
    }
}

/// `kernel::error`
pub(crate) mod error {
    pub(crate) use super::prelude::to_result;
}

/// `kernel::module_param`
pub(crate) mod module_param {
    pub(crate) struct KernelParam(pub(crate) super::bindings::kernel_param);

    impl KernelParam {
        pub(crate) const fn new(param: super::bindings::kernel_param) -> Self {
            Self(param)
        }
    }
}

/// `kernel::bindings`
#[allow(non_camel_case_types, non_upper_case_globals)]
pub(crate) mod bindings {
    use super::prelude::*;

    pub(crate) struct module;

    type Set = unsafe extern "C" fn(*const c_char, *const kernel_param) -> c_int;
    type Get = unsafe extern "C" fn(*mut c_char, *const kernel_param) -> c_int;

    pub(crate) struct kernel_param_ops {
        pub(crate) flags: u32,
        pub(crate) set: Option<Set>,
        pub(crate) get: Option<Get>,
        pub(crate) free: Option<()>,
    }

    /// Only its address is taken.
    pub(crate) static param_ops_charp: kernel_param_ops = kernel_param_ops {
        flags: 0,
        set: None,
        get: None,
        free: None,
    };

    pub(crate) struct kernel_param__bindgen_ty_1 {
        pub(crate) arg: *mut core::ffi::c_void,
    }

    pub(crate) struct kernel_param {
        pub(crate) name: *const c_char,
        pub(crate) mod_: *mut module,
        pub(crate) ops: *const kernel_param_ops,
        pub(crate) perm: u16,
        pub(crate) level: i8,
        pub(crate) flags: u8,
        pub(crate) __bindgen_anon_1: kernel_param__bindgen_ty_1,
    }

    /// Takes decimal numbers.
    ///
    /// # Safety
    ///
    /// `text` is a C string.
    pub(crate) unsafe fn kstrtoint(text: *const c_char, _base: u32, value: &mut c_int) -> c_int {
        // SAFETY: By the safety requirement.
        match unsafe { CStr::from_ptr(text) }.to_str().map(str::parse) {
            Ok(Ok(parsed)) => {
                *value = parsed;
                0
            }
            _ => EINVAL.to_errno(),
        }
    }

    /// Not called.
    ///
    /// # Safety
    ///
    /// None.
    pub(crate) unsafe fn scnprintf(
        _buf: *mut c_char,
        _size: usize,
        _format: *const c_char,
        _value: c_int,
    ) -> c_int {
        0
    }
}
