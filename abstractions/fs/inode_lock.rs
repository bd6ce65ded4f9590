// SPDX-License-Identifier: GPL-2.0

//! The lock of an inode (`i_rwsem`).
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::AddressSpace;
use kernel::{bindings, error::to_result, prelude::*, types::NotThreadSafe};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    #[cfg(FILE_EXTENTS)]
    fn rust_helper_inode_lock(inode: *mut bindings::inode);
    fn rust_helper_inode_lock_killable(inode: *mut bindings::inode) -> c_int;
    fn rust_helper_inode_unlock(inode: *mut bindings::inode);
}

/// The lock of the inode behind a page cache, held exclusively.
///
/// # Invariants
///
/// This task took the lock, and holds it as long as this exists.
pub struct InodeLock<'a> {
    mapping: &'a AddressSpace,
    _not_send: NotThreadSafe,
}

impl<'a> InodeLock<'a> {
    /// Takes the lock (`inode_lock()`). May sleep.
    #[cfg(FILE_EXTENTS)]
    pub(super) fn new(mapping: &'a AddressSpace) -> Self {
        // SAFETY: The mapping has a valid host.
        unsafe { rust_helper_inode_lock(mapping.host()) };
        // INVARIANT: The lock was taken above.
        Self {
            mapping,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the lock, or fails with `EINTR` if the task is killed (`inode_lock_killable()`). May
    /// sleep.
    pub fn new_killable(mapping: &'a AddressSpace) -> Result<Self> {
        // SAFETY: The mapping has a valid host.
        to_result(unsafe { rust_helper_inode_lock_killable(mapping.host()) })?;
        // INVARIANT: The lock was taken above.
        Ok(Self {
            mapping,
            _not_send: NotThreadSafe,
        })
    }
}

impl Drop for InodeLock<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this task holds the lock.
        unsafe { rust_helper_inode_unlock(self.mapping.host()) };
    }
}
