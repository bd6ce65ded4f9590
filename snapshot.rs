// SPDX-License-Identifier: GPL-2.0

//! A copy of what the sysfs attributes show, so that a reader need not wait for a task that changes
//! the device.

use crate::{abstractions::block::disk::DiskGuard, backing::NoDio, driver::Loop};
use kernel::{fs::File, sync::aref::ARef};

/// What the attributes show of a bound device.
pub(crate) struct SysfsSnapshot {
    pub(crate) file: ARef<File>,
    pub(crate) offset: i64,
    pub(crate) size_limit: i64,
    pub(crate) autoclear: bool,
    pub(crate) partscan: bool,
    pub(crate) direct: bool,
    pub(crate) no_dio: NoDio,
    /// Why the file is not pinned; `None` if it is.
    #[cfg(LOOP_PINNED)]
    pub(crate) not_pinned: Option<crate::pinned::NotPinned>,
}

/// Takes a snapshot of the device. Returns the previous one; if that holds another file, the caller
/// drops it under no lock.
pub(crate) fn update(guard: &DiskGuard<'_, Loop>) -> Option<SysfsSnapshot> {
    let snapshot = guard.config().map(|binding| SysfsSnapshot {
        file: binding.backing.file().clone(),
        offset: binding.offset,
        size_limit: guard.size_limit,
        autoclear: guard.autoclear,
        partscan: guard.partscan,
        direct: binding.direct,
        no_dio: guard.no_dio,
        #[cfg(LOOP_PINNED)]
        not_pinned: match binding.pinned() {
            Some(_) => None,
            None => Some(guard.pinned.reason()),
        },
    });
    core::mem::replace(&mut *guard.disk().data().snapshot.lock(), snapshot)
}
