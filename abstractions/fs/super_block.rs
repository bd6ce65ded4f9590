// SPDX-License-Identifier: GPL-2.0

//! A mounted file system, as a driver that bypasses it sees it: whether it is read-only, and a hold against freezing.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::FileExt;
use kernel::{
    bindings,
    fs::File,
    sync::{
        aref::ARef,
        atomic::{Atomic, Full, Relaxed},
    },
    types::Opaque,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_sb_start_write(sb: *mut bindings::super_block);
    fn rust_helper_sb_start_write_trylock(sb: *mut bindings::super_block) -> bool;
    fn rust_helper_sb_end_write(sb: *mut bindings::super_block);
}

// Checked against the header in `helpers/fs.c`.
#[cfg(FILE_EXTENTS)]
const SB_RDONLY: kernel::ffi::c_ulong = 0x1;

/// A `struct super_block`, as long as its file system is mounted.
///
/// # Invariants
///
/// A reference to one is a mounted file system's, and something keeps that mounted: an open file does
/// ([`FileExt::super_block`]).
#[repr(transparent)]
pub struct SuperBlock(Opaque<bindings::super_block>);

impl SuperBlock {
    /// # Safety
    ///
    /// The type invariants hold for `sb` during `'a`.
    pub(super) unsafe fn from_raw<'a>(sb: *mut bindings::super_block) -> &'a Self {
        // SAFETY: By the safety requirement; the type is transparent.
        unsafe { &*sb.cast() }
    }

    /// Whether it is read-only now (`sb_rdonly()`), as it also is after an error where it was told so
    /// (`errors=remount-ro`). Any context.
    #[cfg(FILE_EXTENTS)]
    #[inline]
    pub fn is_read_only(&self) -> bool {
        // SAFETY: The super block is valid. The flags may change at any time.
        let flags = unsafe { (&raw const (*self.0.get()).s_flags).read_volatile() };
        flags & SB_RDONLY != 0
    }

    /// Whether it is frozen, or somebody is about to freeze it and waits for those who have a hold on it. Any context.
    #[inline]
    pub fn is_freezing(&self) -> bool {
        // SAFETY: The super block is valid. The state may change at any time.
        let frozen = unsafe { (&raw const (*self.0.get()).s_writers.frozen).read_volatile() };
        frozen != 0
    }

    /// The position behind all that a file may have, in bytes (`s_maxbytes`).
    #[cfg(FILE_EXTENTS)]
    pub fn max_bytes(&self) -> i64 {
        // SAFETY: The super block is valid; this does not change.
        unsafe { (*self.0.get()).s_maxbytes }
    }

    /// Gets hold of the file system. Waits while it is frozen. May sleep.
    pub fn start_write(&self) -> WriteAccess<'_> {
        // SAFETY: The super block is valid.
        unsafe { rust_helper_sb_start_write(self.0.get()) };
        // INVARIANT: Started above.
        WriteAccess { sb: self }
    }

    /// The same, but `None` where it is frozen. Any context.
    #[inline]
    pub fn try_start_write(&self) -> Option<WriteAccess<'_>> {
        // SAFETY: The super block is valid.
        let started = unsafe { rust_helper_sb_start_write_trylock(self.0.get()) };
        // INVARIANT: Started above, where it was.
        started.then(|| WriteAccess { sb: self })
    }
}

// SAFETY: The methods may be called by any task, at the same time.
unsafe impl Sync for SuperBlock {}

/// A hold on a file system: as long as there is one it is not frozen (`sb_start_write()`). It may be dropped by any
/// task, in any context.
///
/// # Invariants
///
/// It stands for one `sb_start_write()`, for which lockdep does not look for the end in the same task.
#[must_use = "the file system may be frozen at once when unused"]
pub struct WriteAccess<'a> {
    sb: &'a SuperBlock,
}

impl WriteAccess<'_> {
    /// Whether it is one to the file system of the file's node.
    #[inline]
    pub(super) fn is_to(&self, file: &File) -> bool {
        core::ptr::eq(self.sb, file.super_block())
    }

    /// The same for a lifetime that is not known to the compiler.
    ///
    /// # Safety
    ///
    /// The file system stays mounted as long as the result exists.
    #[cfg(FILE_EXTENTS)]
    pub(in super::super) unsafe fn extend<'b>(self) -> WriteAccess<'b> {
        let this = core::mem::ManuallyDrop::new(self);
        // INVARIANT: `self` is not dropped.
        WriteAccess {
            // SAFETY: By the safety requirement.
            sb: unsafe { SuperBlock::from_raw(this.sb.0.get()) },
        }
    }
}

impl Drop for WriteAccess<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The super block is valid, and the type invariants say that it was started.
        unsafe { rust_helper_sb_end_write(self.sb.0.get()) };
    }
}

/// A file, and at most one [`WriteAccess`] to its file system. Any task may put it there or take it, in any context.
///
/// # Invariants
///
/// While `is_full` is set it owns a `WriteAccess`.
pub struct WriteAccessSlot {
    file: ARef<File>,
    is_full: Atomic<bool>,
}

impl WriteAccessSlot {
    /// An empty one.
    pub fn new(file: ARef<File>) -> Self {
        Self {
            file,
            is_full: Atomic::new(false),
        }
    }

    /// The file.
    pub fn file(&self) -> &ARef<File> {
        &self.file
    }

    /// Whether there is one; may be out of date at once.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    /// Takes it over, and returns true. Drops it if there is one already, or if it is another file system's.
    pub fn put(&self, access: WriteAccess<'_>) -> bool {
        let put = access.is_to(&self.file) && self.is_full.cmpxchg(false, true, Full).is_ok();
        if put {
            // INVARIANT: It is this one's now.
            core::mem::forget(access);
        }
        put
    }

    /// Takes it out.
    pub fn take(&self) -> Option<WriteAccess<'_>> {
        // INVARIANT: By those of the slot, which gives it up.
        self.is_full.xchg(false, Full).then(|| WriteAccess {
            sb: self.file.super_block(),
        })
    }
}

impl Drop for WriteAccessSlot {
    fn drop(&mut self) {
        drop(self.take());
    }
}
