// SPDX-License-Identifier: GPL-2.0

//! Stands in for `device.rs`, as far as the tested files use it.

use crate::backing::BackingFile;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Unbound,
    Bound,
}

pub(crate) struct LoopDevice {
    pub(crate) phase: Phase,
}

impl LoopDevice {
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }
}

pub(crate) struct Binding {
    pub(crate) backing: BackingFile,
}
