// SPDX-License-Identifier: GPL-2.0

//! Values of Kconfig symbols.
//!
//! `#[cfg(CONFIG_FOO)]` says whether a symbol is set. Only the generated header has the number of
//! an `int` or `hex` symbol.
//!
//! C header: `include/generated/autoconf.h`

/// Evaluates to the value of an `int` or `hex` Kconfig symbol, as an [`i32`] constant.
///
/// A symbol that the configuration does not set, or whose value does not fit, does not compile. In
/// the kernel's own tree `rust/bindings/bindings_helper.h` has to name the symbol, so that the
/// bindings are made anew when its value changes.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::kconfig::kconfig_int;
/// const RUSTC_VERSION: i32 = kconfig_int!(CONFIG_RUSTC_VERSION);
///
/// assert!(RUSTC_VERSION >= 1_85_00);
/// ```
macro_rules! kconfig_int {
    ($symbol:ident) => {{
        const WIDE: i64 = ::kernel::bindings::$symbol as i64;
        const VALUE: i32 = WIDE as i32;
        ::core::assert!(VALUE as i64 == WIDE, "Kconfig value does not fit an i32");
        VALUE
    }};
}
pub(crate) use kconfig_int;
