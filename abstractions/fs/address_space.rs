// SPDX-License-Identifier: GPL-2.0

//! The page cache of a file (`struct address_space`), and the inode behind it.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h)

use crate::abstractions::block::{BlockDevice, DeviceLimits};
use kernel::{bindings, error::to_result, page::PAGE_SHIFT, prelude::*, sync::rcu, types::Opaque};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_mapping_is_dirty(mapping: *mut bindings::address_space) -> bool;
    fn rust_helper_mapping_stable_writes(mapping: *mut bindings::address_space) -> bool;
    fn rust_helper_mapping_restore_error(mapping: *mut bindings::address_space, err: c_int);
    #[cfg(FILE_EXTENTS)]
    fn rust_helper_mapping_set_error(mapping: *mut bindings::address_space, err: c_int);
    fn rust_helper_inode_blkbits(inode: *const bindings::inode) -> c_uint;
    fn rust_helper_i_size_read(inode: *const bindings::inode) -> bindings::loff_t;
    fn rust_helper_filemap_range_has_page(
        mapping: *mut bindings::address_space,
        pos: bindings::loff_t,
        len: c_uint,
    ) -> bool;
}

/// The type of the inode behind a page cache.
pub enum FileKind<'a> {
    /// A regular file.
    Regular,
    /// A block device.
    Block(&'a BlockDevice),
    /// Anything else.
    Other,
}

/// A `struct address_space`, for example of an open file
/// ([`FileExt::mapping`](super::FileExt::mapping)).
///
/// # Invariants
///
/// A reference is to a valid mapping with a valid host, whose file system is mounted.
#[repr(transparent)]
pub struct AddressSpace(Opaque<bindings::address_space>);

// SAFETY: Any task may call the methods, also at the same time as others.
unsafe impl Sync for AddressSpace {}

impl AddressSpace {
    /// # Safety
    ///
    /// The type invariants hold for `mapping` during `'a`.
    #[inline]
    pub(in crate::abstractions) unsafe fn from_raw<'a>(
        mapping: *mut bindings::address_space,
    ) -> &'a Self {
        // SAFETY: By the safety requirement `mapping` is valid during `'a`; the type is
        // transparent.
        unsafe { &*mapping.cast() }
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::address_space {
        self.0.get()
    }

    /// The inode behind the page cache: for a device file, the inode of the device, not of the
    /// node.
    #[inline]
    pub(super) fn host(&self) -> *mut bindings::inode {
        // SAFETY: By the type invariants the mapping is valid; its host stays the same.
        unsafe { (*self.as_ptr()).host }
    }

    /// The magic number of the file system (`s_magic`).
    pub(super) fn fs_magic(&self) -> c_ulong {
        // SAFETY: By the type invariants the host is valid, and its file system mounted.
        unsafe { (*(*self.host()).i_sb).s_magic }
    }

    /// The type of the inode. Any context.
    pub fn kind(&self) -> FileKind<'_> {
        let inode = self.host();
        // SAFETY: By the type invariants the host is valid; the type in `i_mode` never changes.
        match u32::from(unsafe { (*inode).i_mode }) & bindings::S_IFMT {
            bindings::S_IFREG => FileKind::Regular,
            bindings::S_IFBLK => {
                // SAFETY: A page cache whose host is a block special file is that of a block
                // device, which lives as long as its page cache.
                FileKind::Block(unsafe { BlockDevice::from_raw(bindings::I_BDEV(inode)) })
            }
            _ => FileKind::Other,
        }
    }

    /// Size in bytes of the inode (`i_size_read()`). Any context.
    #[inline]
    pub fn size(&self) -> i64 {
        // SAFETY: By the type invariants the host is valid.
        unsafe { rust_helper_i_size_read(self.host()) }
    }

    /// Size in bytes of a block (`i_blocksize()`), at least 512.
    pub fn block_size(&self) -> u32 {
        // SAFETY: By the type invariants the host is valid.
        1 << unsafe { rust_helper_inode_blkbits(self.host()) }
    }

    /// Whether the file system encrypts the data (`S_ENCRYPTED`).
    #[cfg(FILE_EXTENTS)]
    pub fn is_encrypted(&self) -> bool {
        // SAFETY: By the type invariants the host is valid. `S_ENCRYPTED` is set when a file is
        // made, or never.
        unsafe { (*self.host()).i_flags & bindings::S_ENCRYPTED != 0 }
    }

    /// Whether data must not be modified while it is written (`mapping_stable_writes()`).
    pub fn needs_stable_writes(&self) -> bool {
        // SAFETY: By the type invariants the mapping is valid.
        unsafe { rust_helper_mapping_stable_writes(self.as_ptr()) }
    }

    /// Calls `f` with the block device that the file system is on (`s_bdev`); `None` if there is
    /// none. Some file systems (btrfs) may replace the device, and close it, at any time, so `f`
    /// must not sleep.
    pub fn with_sb_block_device<R>(&self, f: impl FnOnce(&DeviceLimits) -> R) -> Option<R> {
        let _guard = rcu::read_lock();
        // SAFETY: By the type invariants the host is valid, and its file system mounted. `s_bdev`
        // may change at any time.
        let bdev = unsafe { (&raw const (*(*self.host()).i_sb).s_bdev).read_volatile() };
        if bdev.is_null() {
            return None;
        }
        // SAFETY: A file system takes a device out of `s_bdev` before it closes it. The device, and
        // its queue, are freed an RCU grace period later at the earliest, and the RCU read lock is
        // held since the device was found.
        Some(f(unsafe { DeviceLimits::from_raw(bdev) }))
    }

    /// Whether pages are dirty or under writeback; may change at once. Any context.
    pub fn is_dirty(&self) -> bool {
        // SAFETY: By the type invariants the mapping is valid.
        unsafe { rust_helper_mapping_is_dirty(self.as_ptr()) }
    }

    /// Writes dirty pages, and waits until they are written. May sleep.
    ///
    /// Fails only if writing cannot be started (`filemap_fdatawrite()`). An error of writeback is
    /// kept for the next sync of the file, or of the file system on the block device
    /// (`filemap_fdatawait_keep_errors()`).
    pub fn write_dirty(&self) -> Result {
        // SAFETY: By the type invariants the mapping is valid.
        let result = to_result(unsafe { bindings::filemap_fdatawrite(self.as_ptr()) });
        // This also returns an error of writeback, perhaps an old one.
        let _ = self.wait_written();
        result
    }

    /// Waits for pages under writeback (`filemap_fdatawait_keep_errors()`). Returns, and keeps, the
    /// error of writeback that `filemap_check_errors()` would consume. May sleep.
    fn wait_written(&self) -> Result {
        // SAFETY: By the type invariants the mapping is valid.
        to_result(unsafe { bindings::filemap_fdatawait_keep_errors(self.as_ptr()) })
    }

    /// Calls `f`, which writes dirty pages and consumes the error of writeback
    /// (`filemap_write_and_wait()`), and puts that error back: it is for the next sync of the file
    /// system on the block device. May sleep.
    pub(in crate::abstractions) fn keep_error<R>(&self, f: impl FnOnce() -> R) -> R {
        // Written before, so that `f` has nothing to write that could fail.
        let _ = self.write_dirty();
        let error = self.wait_written();
        let result = f();
        if let Err(e) = error {
            // SAFETY: By the type invariants the mapping is valid.
            unsafe { rust_helper_mapping_restore_error(self.as_ptr(), e.to_errno()) };
        }
        result
    }

    /// Records an error of writeback, which the next `fsync` of each open file reports
    /// (`mapping_set_error()`). Does not sleep.
    #[cfg(FILE_EXTENTS)]
    pub fn set_error(&self, e: Error) {
        // SAFETY: By the type invariants the mapping is valid.
        unsafe { rust_helper_mapping_set_error(self.as_ptr(), e.to_errno()) };
    }

    /// Whether the page cache has a page in a range of bytes, which begins at `pos` and is not
    /// empty (`filemap_range_has_page()`). Any context.
    #[inline]
    pub fn is_cached(&self, pos: i64, len: u32) -> bool {
        // SAFETY: By the type invariants the mapping is valid.
        unsafe { rust_helper_filemap_range_has_page(self.as_ptr(), pos, len) }
    }

    /// Drops the pages in a range of bytes, which begins at `pos` and is not empty, after the range
    /// was written past them (`invalidate_inode_pages2_range()`). Waits for reads of the pages. May
    /// sleep.
    pub fn invalidate(&self, pos: i64, len: u32) {
        let last = pos.saturating_add(i64::from(len)) - 1;
        // A page in use may stay. Its users then see the old data, as after any direct write.
        //
        // SAFETY: By the type invariants the mapping is valid.
        unsafe {
            bindings::invalidate_inode_pages2_range(
                self.as_ptr(),
                (pos >> PAGE_SHIFT) as c_ulong,
                (last >> PAGE_SHIFT) as c_ulong,
            )
        };
    }
}
