// SPDX-License-Identifier: GPL-2.0

//! Files whose blocks stay where they are.
//!
//! A swap file has fixed blocks of its own: the file system has reported them (`swap_activate()`),
//! has refused holes and shared, inline or uncommitted extents, and moves none of them. While
//! `S_SWAPFILE` is set, the VFS and the file system refuse to write to the file, to shrink it or
//! change its blocks, to share it, to unlink it, and to map it for writing. The holder of this
//! contract may read and write the blocks directly.
//!
//! C header: [`include/linux/swap.h`](srctree/include/linux/swap.h)

use super::{probe_write, FileExt, FileKind, Holes, InodeLock, StatMask};
use crate::abstractions::{
    block::{BlockDevice, Extent},
    error::{enodata, eopnotsupp},
    task::{cond_resched, fatal_signal_pending},
};
use core::{
    cmp::{max, min},
    ptr::NonNull,
};
use kernel::{
    alloc::flags::__GFP_ZERO,
    bindings, container_of,
    error::to_result,
    fs::File,
    page::{PAGE_SHIFT, PAGE_SIZE},
    prelude::*,
    sync::aref::ARef,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_inode_writers(inode: *const bindings::inode) -> c_int;
    fn rust_helper_swap_has_own_io(info: *const bindings::swap_info_struct) -> bool;
    fn rust_helper_file_lacks_nocow(file: *mut bindings::file) -> bool;
    fn rust_helper_inode_count_extents(
        inode: *mut bindings::inode,
        pos: u64,
        len: u64,
        count: *mut c_uint,
    ) -> c_int;
}

/// Sectors of a page, as a power of two.
const PAGE_SECTORS_SHIFT: usize = PAGE_SHIFT - bindings::SECTOR_SHIFT as usize;

/// Iterations of a long loop after which other tasks may run, and a signal may end it.
const BATCH: u64 = 1024;

/// How often to look again at a block that another task keeps reading.
const TRIES: u32 = 100;

/// Sectors of a file that are contiguous on the device. They start where the previous extent ends.
#[derive(Clone, Copy)]
struct SwapExtent {
    /// The first sector of the file behind this extent.
    end: u64,
    /// The sector on the device minus the sector in the file; wraps.
    shift: u64,
}

/// A file whose inode's lock this task holds.
///
/// # Invariants
///
/// `_lock` is the lock of the inode of `file`.
struct LockedFile<'a> {
    file: &'a File,
    _lock: InodeLock<'a>,
}

impl<'a> LockedFile<'a> {
    /// Takes the lock. May sleep.
    fn new(file: &'a File) -> Self {
        // INVARIANT: The page cache is that of this inode: swap files are regular files.
        Self {
            file,
            _lock: InodeLock::new(file.mapping()),
        }
    }
}

/// A file that its file system treats as a swap file, without being swapped to. Dropping this makes
/// it an ordinary file again; that may sleep, and takes the inode's lock.
///
/// # Invariants
///
/// - `S_SWAPFILE` is set for this, and the file system keeps the blocks of `extents`, which all are
///   on `bdev`, in place and allocated to this file.
/// - `extents` is sorted, and the last extent ends with page `pages`.
pub struct SwapFile {
    file: ARef<File>,
    bdev: NonNull<bindings::block_device>,
    bottom: bool,
    extents: KVVec<SwapExtent>,
    pages: u64,
}

// SAFETY: The file keeps the file system, which keeps the device. Neither has ties to a task.
unsafe impl Send for SwapFile {}
// SAFETY: A shared `SwapFile` is only read.
unsafe impl Sync for SwapFile {}

fn inode(file: &File) -> *mut bindings::inode {
    file.mapping().host()
}

fn a_ops(file: &File) -> &bindings::address_space_operations {
    // SAFETY: The operations of a regular file's mapping are static, and stay the same while the
    // file is open. Those of ext4 depend on how data is journalled and may change, but are static
    // as well.
    unsafe { &*(*file.mapping().as_ptr()).a_ops }
}

impl SwapFile {
    /// Makes a swap file of a regular file. May sleep, for as long as the file system takes. Writes
    /// of others fail from some point in this call on, also if it fails in the end.
    ///
    /// All of the file must have been written: a block that is only allocated would show old
    /// contents of the device. This writes the file's dirty pages, and drops its page cache.
    ///
    /// `holes` is of the same file. The caller opens it, because opening a file may wait for
    /// userspace (fanotify), which a caller that holds off writes or a freeze must not.
    ///
    /// Fails with
    /// - `EINVAL` if the file is not regular, was not opened for writing, does not consist of whole
    ///   pages and blocks, or is encrypted, verified, journalled, or DAX; or if the file system
    ///   refuses it, which most log;
    /// - `EOPNOTSUPP` if the file system has no swap files, does not name the device, does not keep
    ///   its promise, or sets up swap files in a way that is not known here;
    /// - `EFBIG` if the file has more than `u32::MAX` pages;
    /// - `ERANGE` if blocks smaller than a page do not form whole pages on the device;
    /// - `EBUSY` if the file is a swap file already, or others may write to it;
    /// - `EAGAIN` if an operation of the file system excludes this (btrfs: balance, or a change of
    ///   devices);
    /// - `ENODATA` if not all of the file was written;
    /// - `EINTR` if the task is killed, `ENOMEM`, or the error of writing the dirty pages now, or
    ///   of earlier writeback that was not reported yet.
    pub fn new(file: &File, holes: &Holes) -> Result<Self> {
        let FileKind::Regular = file.mapping().kind() else {
            return Err(EINVAL);
        };
        // SAFETY: The inode is valid.
        let flags = unsafe { (*inode(file)).i_flags };
        if file.mapping().is_encrypted() || flags & (bindings::S_VERITY | bindings::S_DAX) != 0 {
            return Err(EINVAL);
        }
        if !file.is_writable() || !core::ptr::eq(inode(file), inode(holes.file())) {
            return Err(EINVAL);
        }
        Self::check_supported(file)?;
        let activate = a_ops(file).swap_activate.ok_or_else(eopnotsupp)?;
        let size = u64::try_from(file.mapping().size())?;
        // The file may still grow, and the file system then writes a last, partial block as a
        // whole.
        let unit = max(PAGE_SIZE as u64, 1 << block_bits(file));
        if size == 0 || size % unit != 0 {
            return Err(EINVAL);
        }
        let pages = u32::try_from(size >> PAGE_SHIFT).map_err(|_| EFBIG)?;

        // Another open file, so that the next sync of `file` still reports the errors of writeback
        // found here.
        let other = holes.file();
        claim(&LockedFile::new(file))?;
        // Commits all of the inode's metadata, of which the file system by itself commits only the
        // part that leads to the data. XFS takes extents for uncommitted as long as any uncommitted
        // transaction has the inode.
        let committed = other.fsync();
        let lock = LockedFile::new(file);
        let this = match committed.and_then(|()| Self::activate(&lock, other, activate, pages)) {
            Ok(this) => this,
            Err(e) => {
                unclaim(&lock);
                return Err(e);
            }
        };
        drop(lock);
        // After unlocking, since some file systems take the lock for this. If it fails, dropping
        // `this` undoes everything.
        check_claimed(file)?;
        this.check_written(holes)?;
        // btrfs has written the data by now, but not the metadata that leads to it. Without the
        // metadata a crash would lose all that is written to the blocks from now on.
        other.fsync()?;
        Ok(this)
    }

    /// `EOPNOTSUPP` if the file system of a regular file has no swap files, or is not known to keep
    /// the blocks in place.
    pub fn check_supported(file: &File) -> Result {
        // f2fs is not among these: it lets the blocks move again when anybody who may read the file
        // asks for it (`F2FS_IOC_SET_PIN_FILE`), and when garbage collection has met the file often
        // enough. With several devices it also numbers the blocks on from one device to the next.
        const KNOWN: [c_ulong; 3] = [
            bindings::EXT4_SUPER_MAGIC as c_ulong,
            bindings::XFS_SUPER_MAGIC as c_ulong,
            bindings::BTRFS_SUPER_MAGIC as c_ulong,
        ];
        match a_ops(file).swap_activate {
            Some(_) if KNOWN.contains(&file.mapping().fs_magic()) => Ok(()),
            _ => Err(eopnotsupp()),
        }
    }

    /// Whether a file of a copy-on-write file system (btrfs) lacks the attribute that forbids
    /// copying (`FS_NOCOW_FL`), as a compressed file does. False if that is not known. May sleep.
    pub fn is_copied_on_write(file: &File) -> bool {
        if file.mapping().fs_magic() != bindings::BTRFS_SUPER_MAGIC as c_ulong {
            return false;
        }
        // SAFETY: The file is valid, and keeps its path.
        unsafe { rust_helper_file_lacks_nocow(file.as_ptr()) }
    }

    /// Asks the file system for the blocks of a claimed file. If this fails, the file is not
    /// activated. Most file systems sync the file that they get: `other`, the same file opened once
    /// more.
    fn activate(
        lock: &LockedFile<'_>,
        other: &File,
        activate: unsafe extern "C" fn(
            *mut bindings::swap_info_struct,
            *mut bindings::file,
            *mut bindings::sector_t,
        ) -> c_int,
        pages: u32,
    ) -> Result<Self> {
        let file = lock.file;
        check_not_journalled(file)?;
        file.mapping().write_dirty()?;
        // Drops the page cache. Pages that stay are dropped with the `SwapFile`, whose holder does
        // not read them.
        //
        // SAFETY: The mapping is valid.
        unsafe { bindings::invalidate_inode_pages2(file.mapping().as_ptr()) };

        let mut info = new_info(file, pages)?;
        let mut span = 0;
        // SAFETY: The operation belongs to the file, whose inode is locked, as in `swapon()`.
        let ret = unsafe { activate(&raw mut *info, other.as_ptr(), &raw mut span) };
        // Also after an error, because this frees the extents.
        let extents = take_extents(&mut info);
        if ret < 0 {
            return Err(match to_result(ret) {
                // `EBUSY` means that the file is in use.
                Err(EBUSY) => EAGAIN,
                Err(e) => e,
                Ok(()) => EIO,
            });
        }
        let result = extents.and_then(|(extents, found)| {
            let bdev = check_info(&mut info)?;
            // The file system leaves out partial pages, and moves the pages behind them forward.
            if found != u64::from(pages) {
                return Err(ERANGE);
            }
            Ok((bdev, extents))
        });
        match result {
            // INVARIANT: The caller claimed the file, and the file system has just promised to keep
            // these extents.
            Ok((bdev, extents)) => Ok(Self {
                file: file.into(),
                bdev,
                // SAFETY: The file keeps the file system, which keeps the device.
                bottom: unsafe { BlockDevice::from_raw(bdev.as_ptr()) }.is_bottom(),
                extents,
                pages: u64::from(pages),
            }),
            Err(e) => {
                deactivate(lock);
                Err(e)
            }
        }
    }

    /// `ENODATA` unless all of the file was written; `EINVAL` if that is unknown. The inode's lock
    /// must not be held.
    fn check_written(&self, holes: &Holes) -> Result {
        if a_ops(&self.file).bmap.is_none() {
            // A file system without `bmap` (btrfs) finds holes by extents only. Others also look at
            // the page cache, whose pages make unwritten blocks pass for data.
            return match holes.next(0)? {
                Some(_) => Err(enodata()),
                None => Ok(()),
            };
        }
        // An extent is written as a whole or not at all, and there are no holes between extents. So
        // it is enough to look at one block of each: at both ends of ranges that touch two extents
        // at most.
        let blocks = (self.pages << PAGE_SHIFT) >> block_bits(&self.file);
        let (mut block, mut len, mut calls) = (0, blocks, 0);
        while block < blocks {
            len = min(len, blocks - block);
            let mut was_shorter = false;
            while len > 2 && self.count_extents(block, len)? > 2 {
                len /= 2;
                was_shorter = true;
            }
            self.check_mapped(block, holes)?;
            self.check_mapped(block + (len - 1), holes)?;
            block += len;
            // Only after a range that was not shortened: short extents shall not make every range
            // start too long.
            if !was_shorter {
                len = len.saturating_mul(2);
            }
            calls += 1;
            if calls % BATCH == 0 {
                cond_resched();
                if fatal_signal_pending() {
                    return Err(EINTR);
                }
            }
        }
        Ok(())
    }

    /// How many extents a range of blocks touches; the number of blocks if the file system does not
    /// report extents.
    fn count_extents(&self, block: u64, len: u64) -> Result<u64> {
        let bits = block_bits(&self.file);
        let mut count = 0;
        // SAFETY: The inode is valid, and `count` is a local variable.
        let ret = unsafe {
            rust_helper_inode_count_extents(
                inode(&self.file),
                block << bits,
                len << bits,
                &raw mut count,
            )
        };
        match to_result(ret) {
            Ok(()) => Ok(count.into()),
            Err(e) if e == eopnotsupp() => Ok(len),
            Err(e) => Err(e),
        }
    }

    /// Fails unless a block is mapped, as only a written one is.
    fn check_mapped(&self, block: u64, holes: &Holes) -> Result {
        let mut place = block;
        // SAFETY: The inode is valid.
        to_result(unsafe { bindings::bmap(inode(&self.file), &raw mut place) })?;
        match place {
            0 => Err(self.why_not_mapped(block, holes)?),
            _ => Ok(()),
        }
    }

    /// The error for a block that is not mapped: `ENODATA` if it is a hole, else `EINVAL`. XFS maps
    /// no block of a real-time file, nor of one that shares blocks or once did.
    fn why_not_mapped(&self, block: u64, holes: &Holes) -> Result<Error> {
        let pos = i64::try_from(block << block_bits(&self.file))?;
        for _ in 0..TRIES {
            // A page in the page cache would pass for data.
            self.file.mapping().invalidate(pos, 1);
            if holes.next(pos)?.is_some_and(|hole| hole.start <= pos) {
                return Ok(enodata());
            }
            // Look again only if another task has read the page once more.
            if !self.file.mapping().is_cached(pos, 1) {
                break;
            }
        }
        Ok(EINVAL)
    }

    /// Size of the file in bytes, when this was made.
    pub fn size(&self) -> i64 {
        // Fits: there are less than 2^32 pages.
        (self.pages << PAGE_SHIFT) as i64
    }

    /// The device that the blocks lie on.
    pub fn bdev(&self) -> &BlockDevice {
        // SAFETY: By the type invariants the file system keeps the device. The file keeps the file
        // system.
        unsafe { BlockDevice::from_raw(self.bdev.as_ptr()) }
    }

    /// Whether that device was the lowest one when this was made ([`BlockDevice::is_bottom`]).
    pub fn is_on_bottom(&self) -> bool {
        self.bottom
    }

    /// Maps `bytes` bytes of the file from byte `pos` on, both multiples of 512, to the extent of
    /// as many of them as are contiguous. `None` beyond the end of the file.
    #[inline]
    pub fn map(&self, pos: i64, bytes: u32) -> Option<Extent<'_>> {
        // A negative position becomes one beyond any end.
        let sector = pos as u64 >> bindings::SECTOR_SHIFT;
        let extent = self.extent_of(sector)?;
        let sectors = extent.end.checked_sub(sector)?;
        let left = sectors.saturating_mul(u64::from(bindings::SECTOR_SIZE));
        Some(Extent {
            bdev: self.bdev(),
            sector: sector.wrapping_add(extent.shift),
            bytes: u32::try_from(left).map_or(bytes, |left| min(bytes, left)),
            bottom: self.bottom,
        })
    }

    /// The extent that contains a sector of the file.
    fn extent_of(&self, sector: u64) -> Option<&SwapExtent> {
        match self.extents.first()? {
            first if sector < first.end => Some(first),
            _ => {
                let index = self.extents.partition_point(|extent| extent.end <= sector);
                self.extents.get(index)
            }
        }
    }

    /// Flushes the device. The file system knows nothing of the direct writes, so a later sync
    /// through it might not flush them. Records a failure for the next `fsync` of each open file.
    /// May sleep.
    pub fn flush_for_file_system(&self) {
        if let Err(e) = self.bdev().flush() {
            self.file.mapping().set_error(e);
        }
    }

    /// How many extents the file has.
    pub fn extents(&self) -> usize {
        self.extents.len()
    }
}

impl Drop for SwapFile {
    fn drop(&mut self) {
        self.flush_for_file_system();
        let lock = LockedFile::new(&self.file);
        // Before anybody can write to the file: a page with old data would be written back as a
        // whole.
        //
        // SAFETY: The mapping is valid.
        if unsafe { bindings::invalidate_inode_pages2(self.file.mapping().as_ptr()) } != 0 {
            pr_warn!("old data of a swap file is still in the page cache\n");
        }
        deactivate(&lock);
        unclaim(&lock);
    }
}

/// Sets `S_SWAPFILE`. `EBUSY` if it is set already, or others have the file open for writing.
fn claim(lock: &LockedFile<'_>) -> Result {
    let inode = inode(lock.file);
    // SAFETY: The inode is valid. Its flags change only under its lock, which `lock` holds.
    unsafe {
        if (*inode).i_flags & bindings::S_SWAPFILE != 0 {
            return Err(EBUSY);
        }
        (*inode).i_flags |= bindings::S_SWAPFILE;
    }
    // After setting the flag, so that nobody who opens the file from now on can write to it. A
    // mapping cannot either: it gets no further writable pages, and one that has some belongs to a
    // file open for writing, which is found here.
    if has_other_writers(lock.file) {
        unclaim(lock);
        return Err(EBUSY);
    }
    // Waits for direct writes that began before.
    //
    // SAFETY: The inode is valid, and `lock` holds its lock.
    unsafe { bindings::inode_dio_wait(inode) };
    Ok(())
}

/// Whether others have the file open for writing. `file` itself is open for writing.
pub(super) fn has_other_writers(file: &File) -> bool {
    // SAFETY: The inode is valid.
    unsafe { rust_helper_inode_writers(inode(file)) != 1 }
}

/// Clears `S_SWAPFILE` of a claimed file that is not activated, or not any more.
fn unclaim(lock: &LockedFile<'_>) {
    // SAFETY: The inode is valid, and `lock` holds its lock.
    unsafe { (*inode(lock.file)).i_flags &= !bindings::S_SWAPFILE };
}

/// Undoes the activation of a file.
fn deactivate(lock: &LockedFile<'_>) {
    if let Some(deactivate) = a_ops(lock.file).swap_deactivate {
        // SAFETY: The operation belongs to the file. Each call of this undoes one activation.
        unsafe { deactivate(lock.file.as_ptr()) };
    }
}

/// `EOPNOTSUPP` unless the file system refuses to write to a claimed file. The inode's lock must
/// not be held. May sleep.
fn check_claimed(file: &File) -> Result {
    match probe_write(file, false) {
        Err(ETXTBSY) => Ok(()),
        // The file system refuses all writes.
        Err(e) if e == EIO || e == EROFS => Err(e),
        _ => Err(eopnotsupp()),
    }
}

/// `EINVAL` if the file's data goes through a journal (ext4 with `data=journal`, or with that
/// attribute), which would write old data over the data written to the blocks since. Such a file
/// has no direct I/O.
fn check_not_journalled(file: &File) -> Result {
    match file.stat(StatMask::DioAlign)?.refuses_dio() {
        true => Err(EINVAL),
        false => Ok(()),
    }
}

/// Block size of the file system, as a power of two.
fn block_bits(file: &File) -> u32 {
    file.mapping().block_size().trailing_zeros()
}

/// Makes the structure that a file system gets when it activates a file of `pages` pages, at least
/// one. It reads the fields that are set here, and adds extents. The other fields matter only for
/// swapping, and are zeroes.
fn new_info(file: &File, pages: u32) -> Result<KBox<bindings::swap_info_struct>> {
    let info = KBox::<bindings::swap_info_struct>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: The structure consists of pointers, numbers, and locks that nobody takes, which may
    // be zeroes; the memory is zeroed.
    let mut info = unsafe { info.assume_init() };
    info.max = pages;
    info.pages = pages - 1;
    // SAFETY: The file keeps its file system mounted.
    info.bdev = unsafe { (*(*inode(file)).i_sb).s_bdev };
    Ok(info)
}

/// The device that a file system has named in `info`, from which the extents were taken out.
/// `EOPNOTSUPP` if there is none, or if the file system expects more than I/O to the extents.
/// Clears known fields.
fn check_info(info: &mut bindings::swap_info_struct) -> Result<NonNull<bindings::block_device>> {
    let bdev = NonNull::new(info.bdev).ok_or_else(eopnotsupp)?;
    // Swap I/O of such a file goes through the file system, as with NFS.
    //
    // SAFETY: `info` is valid; the file system filled it in.
    if unsafe { rust_helper_swap_has_own_io(info) } || has_unknown(info) {
        return Err(eopnotsupp());
    }
    Ok(bdev)
}

/// Whether a file system has set a field of `info` that is not known here, and so expects more than
/// swapping as it is known. The extents were taken out before; clears the other known fields.
fn has_unknown(info: &mut bindings::swap_info_struct) -> bool {
    info.max = 0;
    info.pages = 0;
    info.bdev = core::ptr::null_mut();
    let len = size_of::<bindings::swap_info_struct>();
    // SAFETY: All bytes of the structure, including padding, were zeroed in place. Nobody else uses
    // it.
    let bytes = unsafe { core::slice::from_raw_parts(core::ptr::from_mut(info).cast::<u8>(), len) };
    bytes.iter().any(|&byte| byte != 0)
}

/// Takes out the extents that a file system added, in order. Returns them with the number of their
/// pages.
fn take_extents(info: &mut bindings::swap_info_struct) -> Result<(KVVec<SwapExtent>, u64)> {
    let root = &raw mut info.swap_extent_root;
    let mut taken = Ok((KVVec::new(), 0));
    // SAFETY: The tree is valid, and nobody else uses it.
    while let Some(node) = NonNull::new(unsafe { bindings::rb_first(root) }) {
        // SAFETY: Each node of the tree is part of an extent, which `add_swap_extent()` allocated
        // with `kmalloc()`. After `rb_erase()` nobody else refers to it.
        let extent = unsafe {
            let place = container_of!(node.as_ptr(), bindings::swap_extent, rb_node);
            let extent = place.read();
            bindings::rb_erase(node.as_ptr(), root);
            bindings::kfree(place.cast_const().cast());
            extent
        };
        // After an error this still frees the other extents.
        taken = taken.and_then(|(extents, pages)| push_extent(extents, pages, extent));
    }
    taken
}

/// Appends an extent to `extents`, which have `pages` pages together.
fn push_extent(
    mut extents: KVVec<SwapExtent>,
    pages: u64,
    extent: bindings::swap_extent,
) -> Result<(KVVec<SwapExtent>, u64)> {
    // Names all fields, so that a kernel with another one does not compile.
    let bindings::swap_extent {
        rb_node: _,
        start_page,
        nr_pages,
        start_block,
    } = extent;
    // The file system adds extents in order, without gaps.
    if start_page as u64 != pages {
        return Err(eopnotsupp());
    }
    let end = pages + nr_pages as u64;
    let extent = SwapExtent {
        end: end << PAGE_SECTORS_SHIFT,
        shift: (start_block << PAGE_SECTORS_SHIFT).wrapping_sub(pages << PAGE_SECTORS_SHIFT),
    };
    extents.push(extent, GFP_KERNEL)?;
    Ok((extents, end))
}
