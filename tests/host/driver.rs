// SPDX-License-Identifier: GPL-2.0

//! Stands in for `driver.rs`, as far as the tested files use it.

use crate::sync::Mutex;

pub(crate) struct Loop;

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) chain: Mutex<()>,
}
