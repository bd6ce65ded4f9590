// SPDX-License-Identifier: GPL-2.0

//! A mounted file system, for a driver that bypasses it: whether it is read-only, and write access
//! to it, which holds off a freeze.
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

/// A `struct super_block` whose file system is mounted.
///
/// # Invariants
///
/// A reference is to the super block of a mounted file system, which something keeps mounted, for
/// example an open file ([`FileExt::super_block`]).
#[repr(transparent)]
pub struct SuperBlock(Opaque<bindings::super_block>);

impl SuperBlock {
    /// # Safety
    ///
    /// The type invariants hold for `sb` during `'a`.
    pub(super) unsafe fn from_raw<'a>(sb: *mut bindings::super_block) -> &'a Self {
        // SAFETY: By the safety requirement `sb` is valid for `'a`; the type is transparent.
        unsafe { &*sb.cast() }
    }

    /// Whether the file system is read-only now (`sb_rdonly()`), as it also is after an error with
    /// `errors=remount-ro`. Any context.
    #[cfg(FILE_EXTENTS)]
    #[inline]
    pub fn is_read_only(&self) -> bool {
        // SAFETY: The super block is valid. The flags may change at any time.
        let flags = unsafe { (&raw const (*self.0.get()).s_flags).read_volatile() };
        flags & SB_RDONLY != 0
    }

    /// Whether the file system is frozen, or a task that freezes it waits for write accesses to
    /// end. Any context.
    #[inline]
    pub fn is_freezing(&self) -> bool {
        // SAFETY: The super block is valid. The state may change at any time.
        let frozen = unsafe { (&raw const (*self.0.get()).s_writers.frozen).read_volatile() };
        frozen != 0
    }

    /// Whether a freeze has got so far that the file system is synced with all that write accesses
    /// have changed (`SB_FREEZE_FS`). Any context.
    pub fn is_synced_by_freeze(&self) -> bool {
        // SAFETY: The super block is valid. The state may change at any time.
        let frozen = unsafe { (&raw const (*self.0.get()).s_writers.frozen).read_volatile() };
        u32::from(frozen) >= bindings::SB_FREEZE_FS
    }

    /// The largest size of a file in bytes (`s_maxbytes`).
    #[cfg(FILE_EXTENTS)]
    pub fn max_bytes(&self) -> i64 {
        // SAFETY: The super block is valid; `s_maxbytes` does not change.
        unsafe { (*self.0.get()).s_maxbytes }
    }

    /// Gets write access (`sb_start_write()`). Waits while the file system is frozen. May sleep.
    pub fn start_write(&self) -> WriteAccess<'_> {
        // SAFETY: The super block is valid.
        unsafe { rust_helper_sb_start_write(self.0.get()) };
        // INVARIANT: `sb_start_write()` was called above.
        WriteAccess { sb: self }
    }

    /// Gets write access, or `None` if the file system is frozen or being frozen. Any context.
    #[inline]
    pub fn try_start_write(&self) -> Option<WriteAccess<'_>> {
        // SAFETY: The super block is valid.
        let started = unsafe { rust_helper_sb_start_write_trylock(self.0.get()) };
        // INVARIANT: `sb_start_write_trylock()` succeeded above if `started` is true.
        started.then(|| WriteAccess { sb: self })
    }
}

// SAFETY: The methods may be called by any task, at the same time.
unsafe impl Sync for SuperBlock {}

/// Write access to a file system, which is not frozen as long as one exists (`sb_start_write()`).
/// Any task may drop it, in any context.
///
/// # Invariants
///
/// It stands for one `sb_start_write()`, which lockdep does not expect to end in the same task.
#[must_use = "the file system may be frozen at once when unused"]
pub struct WriteAccess<'a> {
    sb: &'a SuperBlock,
}

impl WriteAccess<'_> {
    /// Whether this is to the file system in which the file was opened; for a device file, that of
    /// its node.
    #[inline]
    pub(super) fn is_to(&self, file: &File) -> bool {
        core::ptr::eq(self.sb, file.super_block())
    }

    /// Changes the lifetime to one that the compiler cannot check.
    ///
    /// # Safety
    ///
    /// The file system stays mounted as long as the result exists.
    #[cfg(FILE_EXTENTS)]
    pub(in super::super) unsafe fn extend<'b>(self) -> WriteAccess<'b> {
        let this = core::mem::ManuallyDrop::new(self);
        // INVARIANT: `self` is not dropped.
        WriteAccess {
            // SAFETY: By the safety requirement the file system stays mounted.
            sb: unsafe { SuperBlock::from_raw(this.sb.0.get()) },
        }
    }
}

impl Drop for WriteAccess<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The super block is valid, and by the type invariants this ends one
        // `sb_start_write()`.
        unsafe { rust_helper_sb_end_write(self.sb.0.get()) };
    }
}

/// A file, and at most one [`WriteAccess`] to its file system. Any task may put the access there or
/// take it, in any context.
///
/// # Invariants
///
/// While `is_full` is set, the slot owns a `WriteAccess`.
pub struct WriteAccessSlot {
    file: ARef<File>,
    is_full: Atomic<bool>,
}

impl WriteAccessSlot {
    /// Creates an empty slot.
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

    /// Whether the slot holds an access; may be out of date at once.
    #[inline]
    pub fn is_full(&self) -> bool {
        // Relaxed: with a full barrier of the caller's before it, pairs with that of `take`. Either
        // this returns false, or what the caller did before comes before what the taker does next.
        self.is_full.load(Relaxed)
    }

    /// Stores an access, and returns true. Drops it, and returns false, if the slot holds one
    /// already or if it is to another file system.
    pub fn put(&self, access: WriteAccess<'_>) -> bool {
        // Full: pairs with `take`, which finds what the caller did before.
        let put = access.is_to(&self.file) && self.is_full.cmpxchg(false, true, Full).is_ok();
        if put {
            // INVARIANT: The slot owns `access` now, which is not dropped.
            core::mem::forget(access);
        }
        put
    }

    /// Takes the access out of the slot, if it holds one.
    pub fn take(&self) -> Option<WriteAccess<'_>> {
        // INVARIANT: By the type invariants of the slot, which owned this access until `is_full`
        // was cleared.
        //
        // Full: pairs with `put` and `is_full`.
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
