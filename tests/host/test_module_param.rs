// SPDX-License-Identifier: GPL-2.0

//! `abstractions/module_param.rs`: which values a parameter takes, and the texts that describe it.

use crate::{
    abstractions::module_param::{text, text_len, IntParam, StringParam},
    cases::{edges, Random, CASES},
    prelude::*,
};
use std::ffi::CString;

/// Gives a parameter a value, or none, as the kernel does.
fn give(param: &'static IntParam, value: Option<&CStr>) -> c_int {
    let param = param.kernel_param(b"number\0", core::ptr::null_mut()).0;
    let value = value.map_or(core::ptr::null(), CStr::as_ptr);
    // SAFETY: The operations are a constant's.
    let set = unsafe { &*param.ops }.set.unwrap();
    // SAFETY: The value is a string or null, the parameter was made above.
    unsafe { set(value, &param) }
}

fn new_param(param: IntParam) -> &'static IntParam {
    Box::leak(Box::new(param))
}

#[test]
fn parameter_without_a_value_is_refused() {
    let param = new_param(IntParam::new(7));
    assert_eq!(give(param, None), EINVAL.to_errno());
    assert_eq!((param.get(), param.is_specified()), (7, false));
}

#[test]
fn parameter_takes_ints_from_its_minimum() {
    for minimum in edges() {
        let minimum = minimum as i32;
        for value in edges() {
            let value = value as i64;
            let param = new_param(IntParam::new(7).at_least(minimum));
            let text = CString::new(value.to_string()).unwrap();
            let result = give(param, Some(&text));
            if (i64::from(minimum)..=i64::from(i32::MAX)).contains(&value) {
                assert_eq!((result, param.is_specified()), (0, true));
                assert_eq!(i64::from(param.get()), value);
                // What is refused later changes nothing.
                assert_eq!(give(param, Some(c"")), EINVAL.to_errno());
                assert_eq!(i64::from(param.get()), value);
            } else {
                assert_eq!((result, param.is_specified()), (EINVAL.to_errno(), false));
                assert_eq!(param.get(), 7);
            }
        }
    }
}

#[test]
fn parameter_that_the_module_sets_is_not_specified() {
    for value in edges() {
        let param = new_param(IntParam::new(7).at_least(1));
        param.set(value as i32);
        assert_eq!((param.get(), param.is_specified()), (value as i32, false));
    }
}

#[test]
fn text_is_all_parts() {
    const WHOLE: &str = "parm=größe:Wie viele …?\0";
    const LEN: usize = WHOLE.len();
    let mut random = Random::new();
    for _ in 0..CASES / 10 {
        // Cut into up to nine parts, of which some may be empty.
        let mut parts = Vec::new();
        let mut rest = WHOLE;
        for _ in 0..random.below(9) {
            let (part, after) = rest
                .split_at_checked(random.below(8) as usize)
                .unwrap_or(("", rest));
            parts.push(part);
            rest = after;
        }
        parts.push(rest);
        assert_eq!(text_len(&parts), LEN);
        assert_eq!(&text::<LEN>(&parts), WHOLE.as_bytes());
    }
    assert_eq!((text_len(&[]), text::<0>(&[])), (0, []));
}

#[test]
fn string_is_there_once_the_kernel_has_stored_it() {
    let param: &'static StringParam = Box::leak(Box::new(StringParam::unset()));
    assert_eq!(param.get(), None);
    let arg = param
        .kernel_param(b"path\0", core::ptr::null_mut())
        .0
        .__bindgen_anon_1
        .arg;
    // SAFETY: It is what `param_set_charp()` takes for a `char **`.
    unsafe { *arg.cast::<*const c_char>() = c"/some/path".as_ptr() };
    assert_eq!(param.get(), Some(c"/some/path"));
}
