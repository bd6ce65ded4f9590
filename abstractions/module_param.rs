// SPDX-License-Identifier: GPL-2.0

//! Module parameters that are shown in sysfs and may be changed by the module.
//!
//! The `params` field of `module!` declares parameters that user space cannot read back, and that
//! never change after the module was loaded. The parameters here appear as
//! `/sys/module/<module>/parameters/<name>` with mode 0444, show the value that the module uses,
//! and record whether they were specified.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::{cell::UnsafeCell, ffi::c_void};
use kernel::{
    bindings,
    error::to_result,
    module_param::KernelParam,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Builds the C description of a parameter with mode 0444. `arg` is what `ops` expects there.
///
/// `name` has to end with a NUL and to contain no other one, else this does not compile.
const fn describe(
    name: &'static [u8],
    module: *mut bindings::module,
    ops: *const bindings::kernel_param_ops,
    arg: *mut c_void,
) -> KernelParam {
    assert!(CStr::from_bytes_with_nul(name).is_ok());

    KernelParam::new(bindings::kernel_param {
        name: name.as_ptr().cast(),
        mod_: module,
        ops,
        perm: 0o444,
        level: -1,
        flags: 0,
        __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 { arg },
    })
}

/// An `int` module parameter.
///
/// The text is parsed as C's `param_set_int()` does: by `kstrtoint()` with base 0, so that decimal,
/// `0x` and `0` prefixes are understood. It is shown as `param_get_int()` does.
///
/// An [`IntParam`] becomes a parameter when it is declared by [`module_params!`].
pub struct IntParam {
    // Relaxed throughout: the kernel sets parameters before it calls the module's init, and later
    // values stand for themselves.
    value: Atomic<i32>,
    specified: Atomic<bool>,
    minimum: i32,
}

impl IntParam {
    /// Creates a parameter that has the value `default` until another one is given.
    pub const fn new(default: i32) -> Self {
        Self {
            value: Atomic::new(default),
            specified: Atomic::new(false),
            minimum: i32::MIN,
        }
    }

    /// Refuses values below `minimum`: loading the module with one fails with [`EINVAL`].
    ///
    /// Neither the default nor [`Self::set`] are checked.
    pub const fn at_least(self, minimum: i32) -> Self {
        Self { minimum, ..self }
    }

    /// Returns the value. May be called in any context.
    #[inline]
    pub fn get(&self) -> i32 {
        self.value.load(Relaxed)
    }

    /// Replaces the value, and with it what sysfs shows. May be called in any context.
    ///
    /// For modules that have to adjust a value that was given. It does not make the parameter
    /// [specified](Self::is_specified).
    #[inline]
    pub fn set(&self, value: i32) {
        self.value.store(value, Relaxed);
    }

    /// Returns whether the value was given when the module was loaded (or, if it is built in, on
    /// the kernel's command line). May be called in any context.
    #[inline]
    pub fn is_specified(&self) -> bool {
        self.specified.load(Relaxed)
    }

    /// The operations of `int` parameters.
    const OPS: &'static bindings::kernel_param_ops = &bindings::kernel_param_ops {
        // Not `KERNEL_PARAM_OPS_FL_NOARG`: a parameter without a value is an error.
        flags: 0,
        set: Some(Self::set_callback),
        get: Some(Self::get_callback),
        free: None,
    };

    /// Builds the C description of this parameter.
    ///
    /// `name` has to end with a NUL and to contain no other one, else this does not compile.
    #[doc(hidden)]
    pub const fn kernel_param(
        &'static self,
        name: &'static [u8],
        module: *mut bindings::module,
    ) -> KernelParam {
        describe(
            name,
            module,
            Self::OPS,
            core::ptr::from_ref(self).cast_mut().cast(),
        )
    }

    /// Parses a value. Called in process context, with the module's parameters locked.
    ///
    /// # Safety
    ///
    /// - `val` is null, or points to a NUL-terminated string that is valid for the call.
    /// - `param` points to the structure that [`Self::kernel_param`] built.
    unsafe extern "C" fn set_callback(
        val: *const c_char,
        param: *const bindings::kernel_param,
    ) -> c_int {
        // SAFETY: `param` is valid by the safety requirements, and `kernel_param()` set `arg` to a
        // `&'static Self`.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };

        if val.is_null() {
            return EINVAL.to_errno();
        }

        let mut value = 0;
        // SAFETY: `val` is a string by the safety requirements, and `value` is a local variable.
        if let Err(e) = to_result(unsafe { bindings::kstrtoint(val, 0, &mut value) }) {
            return e.to_errno();
        }

        if value < this.minimum {
            return EINVAL.to_errno();
        }

        this.value.store(value, Relaxed);
        this.specified.store(true, Relaxed);
        0
    }

    /// Shows the value, and returns the number of bytes written. Called in process context.
    ///
    /// # Safety
    ///
    /// - `buffer` is valid for writes of `PAGE_SIZE` bytes.
    /// - `param` points to the structure that [`Self::kernel_param`] built.
    unsafe extern "C" fn get_callback(
        buffer: *mut c_char,
        param: *const bindings::kernel_param,
    ) -> c_int {
        // SAFETY: `param` is valid by the safety requirements, and `kernel_param()` set `arg` to a
        // `&'static Self`.
        let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Self>() };

        // SAFETY: `buffer` has `PAGE_SIZE` bytes by the safety requirements, and `%i` takes the one
        // `int` that follows.
        unsafe {
            bindings::scnprintf(
                buffer,
                kernel::page::PAGE_SIZE,
                c"%i\n".as_char_ptr(),
                this.get(),
            )
        }
    }
}

/// A string as a module parameter, of at most 1024 bytes (`param_ops_charp`).
///
/// A [`StringParam`] becomes a parameter when it is declared by [`module_params!`].
///
/// # Invariants
///
/// `value` is null, or a NUL-terminated string that stays until the module is gone.
#[allow(dead_code)] // Not every driver has one.
pub struct StringParam {
    value: UnsafeCell<*mut c_char>,
}

// SAFETY: The kernel writes the value before it calls the module's init, and frees the string after
// the module's exit. In between it is only read, since the parameter's mode is 0444.
unsafe impl Sync for StringParam {}

#[allow(dead_code)] // As the type.
impl StringParam {
    /// Creates a parameter without a value.
    pub const fn unset() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            value: UnsafeCell::new(core::ptr::null_mut()),
        }
    }

    /// Returns the value, if one was given. May be called in any context.
    pub fn get(&'static self) -> Option<&'static CStr> {
        // SAFETY: Nobody writes while the module's code runs; see the `impl` of `Sync`.
        let value = unsafe { *self.value.get() };
        // SAFETY: By the type invariants a value that is not null is a string, and it stays.
        (!value.is_null()).then(|| unsafe { CStr::from_char_ptr(value) })
    }

    /// Builds the C description of this parameter, as [`IntParam::kernel_param`] does.
    #[doc(hidden)]
    pub const fn kernel_param(
        &'static self,
        name: &'static [u8],
        module: *mut bindings::module,
    ) -> KernelParam {
        // INVARIANT: `param_set_charp()` stores a copy of the string, which `param_free_charp()`
        // frees when the module is gone.
        let ops = &raw const bindings::param_ops_charp;
        describe(name, module, ops, self.value.get().cast())
    }
}

/// Returns the bytes of a string that consists of several parts.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::module_param::{text, text_len};
/// const PARTS: &[&str] = &["parm=", "nodes", ":", "How many\0"];
/// static INFO: [u8; text_len(PARTS)] = text(PARTS);
///
/// assert_eq!(&INFO, b"parm=nodes:How many\0");
/// ```
#[doc(hidden)]
pub const fn text<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut end = 0;
    let mut part = 0;

    while part < parts.len() {
        let from = parts[part].as_bytes();
        let mut i = 0;

        while i < from.len() {
            bytes[end] = from[i];
            end += 1;
            i += 1;
        }
        part += 1;
    }

    bytes
}

/// The number of bytes [`text`] needs.
#[doc(hidden)]
pub const fn text_len(parts: &[&str]) -> usize {
    let mut len = 0;
    let mut part = 0;

    while part < parts.len() {
        len += parts[part].len();
        part += 1;
    }

    len
}

/// Declares module parameters.
///
/// For loadable modules only: a built-in parameter would need the module's name in front of its
/// own, and no owner. Each parameter consists of a static of type [`IntParam`] or [`StringParam`]
/// and, in parentheses,
///
/// - `name`: the name of the parameter, a string,
/// - `description`: the text that `modinfo` shows, a string, as for C's `MODULE_PARM_DESC()`,
/// - `parmtype` (optional): the type that `modinfo` shows. C's `module_param()` gives the type,
///   `"int"` or `"charp"`; C's `module_param_cb()` does not.
///
/// All the strings may be constant expressions. Attributes apply to the static and the parameter,
/// so that `#[cfg]` can choose between two declarations.
///
/// # Examples
///
/// ```ignore
/// module_params! {
///     /// How many devices are created when the module is loaded.
///     pub(crate) static DEVICES: IntParam = IntParam::new(8) => (
///         name: "devices",
///         description: "Number of devices",
///         parmtype: "int",
///     );
///
///     /// How many requests a queue holds.
///     static DEPTH: IntParam = IntParam::new(128).at_least(1) => (
///         name: "depth",
///         description: "Queue depth. Default: 128",
///     );
/// }
/// ```
#[allow(clippy::crate_in_macro_def)] // The prefix of the module that uses the macro.
macro_rules! module_params {
    (
        $(
            $(#[$attribute:meta])*
            $vis:vis static $ident:ident: $kind:ident = $init:expr => (
                name: $name:expr,
                description: $description:expr
                $(, parmtype: $parmtype:expr)? $(,)?
            );
        )*
    ) => {
        $(
            $(#[$attribute])*
            $vis static $ident: $crate::abstractions::module_param::$kind = $init;

            // `link_section` counts as unsafe code. The kernel expects these types in these
            // sections.
            $(#[$attribute])*
            #[allow(unsafe_code)]
            const _: () = {
                use $crate::abstractions::module_param::{text, text_len};

                const NAME: &[&str] = &[$name, "\0"];
                static NAME_TEXT: [u8; text_len(NAME)] = text(NAME);

                #[link_section = "__param"]
                #[used(compiler)]
                static PARAM: ::kernel::module_param::KernelParam =
                    $ident.kernel_param(&NAME_TEXT, &raw mut ::kernel::bindings::__this_module);

                const DESCRIPTION: &[&str] = &["parm=", $name, ":", $description, "\0"];
                #[link_section = ".modinfo"]
                #[used(compiler)]
                static DESCRIPTION_TEXT: [u8; text_len(DESCRIPTION)] = text(DESCRIPTION);

                $(
                    const PARMTYPE: &[&str] = &["parmtype=", $name, ":", $parmtype, "\0"];
                    #[link_section = ".modinfo"]
                    #[used(compiler)]
                    static PARMTYPE_TEXT: [u8; text_len(PARMTYPE)] = text(PARMTYPE);
                )?
            };
        )*
    };
}
pub(crate) use module_params;
