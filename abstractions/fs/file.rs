// SPDX-License-Identifier: GPL-2.0

//! What a file can do, and what is known about it.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{AddressSpace, FileKind, SuperBlock, WriteAccess};
use crate::abstractions::block::BlockDevice;
use core::{mem::MaybeUninit, ops::Deref, ptr::NonNull};
use kernel::{
    bindings,
    error::{from_err_ptr, to_result},
    fs::File,
    prelude::*,
    sync::aref::ARef,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_file_can_odirect(file: *mut bindings::file) -> bool;
    fn rust_helper_file_times_queried(file: *mut bindings::file) -> bool;
    fn rust_helper_file_path(file: *mut bindings::file) -> *const bindings::path;
    fn rust_helper_vfs_statfs_bsize(file: *mut bindings::file, bytes: *mut c_long) -> c_int;
    fn rust_helper_huge_encode_dev(dev: bindings::dev_t) -> u64;
    fn rust_helper_file_wb_err(file: *mut bindings::file) -> c_int;
}

// Checked against the headers in `helpers/fs.c`.
const FOP_BUFFER_RASYNC: bindings::fop_flags_t = 0x1;
const FMODE_WRITE: u32 = 0x2;
const FMODE_NOWAIT: u32 = 1 << 27;
const FALLOC_FL_KEEP_SIZE: c_int = 0x1;
const FALLOC_FL_PUNCH_HOLE: c_int = 0x2;
const FALLOC_FL_ZERO_RANGE: c_int = 0x10;

/// The block device that an open file is, for who needs it often.
///
/// # Invariants
///
/// `bdev` is that of `_file`, whose mapping, and so its device, is the same from when it is opened until it is let
/// go.
pub struct FileBlockDevice {
    bdev: NonNull<BlockDevice>,
    _file: ARef<File>,
}

// SAFETY: A `File` may be let go, and a `BlockDevice` used, by any task (they are `Send` and `Sync`).
unsafe impl Send for FileBlockDevice {}
// SAFETY: A `BlockDevice` may be used by several tasks at once (it is `Sync`).
unsafe impl Sync for FileBlockDevice {}

impl FileBlockDevice {
    /// `None` if the file is something else.
    pub fn of(file: &ARef<File>) -> Option<Self> {
        match file.mapping().kind() {
            // INVARIANT: As the file says.
            FileKind::Block(bdev) => Some(Self {
                bdev: bdev.into(),
                _file: file.clone(),
            }),
            _ => None,
        }
    }
}

impl Deref for FileBlockDevice {
    type Target = BlockDevice;

    fn deref(&self) -> &BlockDevice {
        // SAFETY: By the type invariants.
        unsafe { self.bdev.as_ref() }
    }
}

/// How a range of a file is changed without data; the size of the file stays (`FALLOC_FL_*`).
#[derive(Clone, Copy)]
pub enum FallocateMode {
    /// Gives the blocks back; the range reads as zeroes (`FALLOC_FL_PUNCH_HOLE`).
    PunchHole,
    /// Keeps the blocks; the range reads as zeroes (`FALLOC_FL_ZERO_RANGE`).
    ZeroRange,
}

/// What `vfs_getattr()` found out.
pub struct Stat(bindings::kstat);

impl Stat {
    /// Size in bytes.
    pub fn size(&self) -> i64 {
        self.0.size
    }

    /// Inode number.
    pub fn inode(&self) -> u64 {
        self.0.ino
    }

    /// The device that the file lies on (`huge_encode_dev()`).
    pub fn device(&self) -> u64 {
        // SAFETY: No requirements.
        unsafe { rust_helper_huge_encode_dev(self.0.dev) }
    }

    /// The device that the file is (`huge_encode_dev()`), or 0.
    pub fn rdevice(&self) -> u64 {
        // SAFETY: No requirements.
        unsafe { rust_helper_huge_encode_dev(self.0.rdev) }
    }

    /// Alignment for direct I/O of the memory and of the position in the file, in bytes; `None` where
    /// the file system does not tell or the file does not allow direct I/O.
    pub fn dio_align(&self) -> Option<(u32, u32)> {
        let told = self.0.result_mask & bindings::STATX_DIOALIGN != 0;
        (told && self.0.dio_mem_align != 0)
            .then_some((self.0.dio_mem_align, self.0.dio_offset_align))
    }

    /// Whether the file system says that the file does not allow direct I/O.
    #[cfg(FILE_EXTENTS)]
    pub fn refuses_dio(&self) -> bool {
        self.0.result_mask & bindings::STATX_DIOALIGN != 0 && self.0.dio_mem_align == 0
    }
}

/// What [`File`] does not offer yet.
///
/// The methods that ask the file system may sleep, for as long as it takes.
pub trait FileExt {
    /// Whether the file has a `read_iter` operation.
    fn has_read_iter(&self) -> bool;
    /// Whether the file has a `write_iter` operation.
    fn has_write_iter(&self) -> bool;
    /// Whether the file has an `fsync` operation.
    fn has_fsync(&self) -> bool;
    /// Whether the file has a `fallocate` operation which may know more than to allocate blocks. The file system of a
    /// file is not asked, as it would write its times, wait for a thaw, and tell those who watch it. Those are known
    /// that can neither punch holes nor zero ranges, whatever the file is: FAT and exFAT.
    fn has_deallocate(&self) -> bool;
    /// Whether the file was opened for writing (`FMODE_WRITE`).
    fn is_writable(&self) -> bool;
    /// Whether the file allows direct I/O (`FMODE_CAN_ODIRECT`).
    fn can_odirect(&self) -> bool;
    /// Whether the file understands `IOCB_NOWAIT` (`FMODE_NOWAIT`).
    fn can_nowait(&self) -> bool;
    /// Whether a buffered read can be waited for by a callback (`FOP_BUFFER_RASYNC`), which is `filemap_read()` then.
    fn has_buffer_rasync(&self) -> bool;
    /// What the file stores its data in.
    fn mapping(&self) -> &AddressSpace;
    /// The super block of the file system that the file is opened in; for a device file, that of its node.
    fn super_block(&self) -> &SuperBlock;
    /// `vfs_getattr()` for the given `STATX_*` fields.
    fn stat(&self, mask: StatMask) -> Result<Stat>;
    /// Block size of the file system in bytes (`vfs_statfs()`).
    fn fs_block_size(&self) -> Result<u32>;
    /// `vfs_fsync()`, metadata included. An error of writeback is reported once to each open file: this is for those
    /// who tell it to whoever wrote, and others are to use what follows.
    fn fsync(&self) -> Result;
    /// The error of writeback that the next [`fsync`](Self::fsync) reports, and no more so after this
    /// (`file_check_and_advance_wb_err()`). Does not sleep.
    #[cfg(FILE_EXTENTS)]
    fn take_error(&self) -> Result;
    /// The same, but leaves it there. Does not sleep.
    fn check_error(&self) -> Result;
    /// Opens the file once more, for reading. May sleep.
    #[cfg(FILE_EXTENTS)]
    fn reopen(&self) -> Result<ARef<File>>;
    /// `vfs_fallocate()` with `FALLOC_FL_KEEP_SIZE`; `pos` and `len` in bytes.
    ///
    /// Unlike the file's own operation this waits while the file system is frozen, and fails where
    /// the file must not be changed (immutable, append-only, swap), or where the security module does
    /// not let the current task, which may be a worker, write to it.
    fn fallocate(&self, mode: FallocateMode, pos: i64, len: i64) -> Result;
    /// Sets mtime and ctime to now and increments the change counter, as a write does (`file_update_time()`); for a
    /// device file, those of its node. Does nothing if the clock has not moved and nobody queried them. May sleep.
    fn update_times(&self, access: &WriteAccess<'_>) -> Result;
    /// Whether ctime or change counter were queried since they were set (multigrain timestamps). True if the file
    /// system does not track it. Any context.
    fn times_were_queried(&self) -> bool;
    /// The path as seen from the current root (`file_path()`), written to the end of `buf`.
    /// `ENAMETOOLONG` where it does not fit.
    fn path<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8]>;
}

/// Which fields [`FileExt::stat`] asks for.
#[derive(Clone, Copy)]
pub enum StatMask {
    /// `STATX_SIZE`, with `vfs_getattr_nosec()`.
    Size,
    /// `STATX_INO`, and the device numbers that come with it.
    Inode,
    /// `STATX_DIOALIGN`
    DioAlign,
}

fn f_op(file: &File) -> &bindings::file_operations {
    // SAFETY: A file's operations are set when it is opened and live as long as it does.
    unsafe { &*(*file.as_ptr()).f_op }
}

fn f_mode(file: &File) -> u32 {
    // SAFETY: The bits that are asked for here do not change once a file is open.
    unsafe { (*file.as_ptr()).f_mode }
}

impl FileExt for File {
    fn has_read_iter(&self) -> bool {
        f_op(self).read_iter.is_some()
    }

    fn has_write_iter(&self) -> bool {
        f_op(self).write_iter.is_some()
    }

    fn has_fsync(&self) -> bool {
        f_op(self).fsync.is_some()
    }

    fn has_deallocate(&self) -> bool {
        const ALLOCATE_ONLY: [c_ulong; 2] = [
            bindings::MSDOS_SUPER_MAGIC as c_ulong,
            bindings::EXFAT_SUPER_MAGIC as c_ulong,
        ];
        f_op(self).fallocate.is_some() && !ALLOCATE_ONLY.contains(&self.mapping().fs_magic())
    }

    fn is_writable(&self) -> bool {
        f_mode(self) & FMODE_WRITE != 0
    }

    fn can_odirect(&self) -> bool {
        // SAFETY: The file is valid.
        unsafe { rust_helper_file_can_odirect(self.as_ptr()) }
    }

    fn can_nowait(&self) -> bool {
        f_mode(self) & FMODE_NOWAIT != 0
    }

    fn has_buffer_rasync(&self) -> bool {
        f_op(self).fop_flags & FOP_BUFFER_RASYNC != 0
    }

    #[inline]
    fn mapping(&self) -> &AddressSpace {
        // SAFETY: `f_mapping` is set when the file is opened, and stays valid and the same, with its host, until it is
        // closed. The file keeps the host's file system mounted; that of block devices always is.
        unsafe { AddressSpace::from_raw((*self.as_ptr()).f_mapping) }
    }

    #[inline]
    fn super_block(&self) -> &SuperBlock {
        // SAFETY: A file has an inode, and this a super block, which stay the same, and mounted, as long as the file is
        // open.
        unsafe { SuperBlock::from_raw((*(*self.as_ptr()).f_inode).i_sb) }
    }

    fn stat(&self, mask: StatMask) -> Result<Stat> {
        let mut stat = MaybeUninit::<bindings::kstat>::zeroed();
        // SAFETY: The file is valid, and its path is valid as long as it is.
        let path = unsafe { rust_helper_file_path(self.as_ptr()) };
        let flags = bindings::AT_STATX_SYNC_AS_STAT;
        // SAFETY: `path` is valid, `stat` is memory for a `kstat`.
        to_result(unsafe {
            match mask {
                StatMask::Size => bindings::vfs_getattr_nosec(
                    path,
                    stat.as_mut_ptr(),
                    bindings::STATX_SIZE,
                    flags,
                ),
                StatMask::Inode => {
                    bindings::vfs_getattr(path, stat.as_mut_ptr(), bindings::STATX_INO, flags)
                }
                StatMask::DioAlign => {
                    bindings::vfs_getattr(path, stat.as_mut_ptr(), bindings::STATX_DIOALIGN, flags)
                }
            }
        })?;
        // SAFETY: All zeroes are valid for a `kstat`, and it was filled in.
        Ok(Stat(unsafe { stat.assume_init() }))
    }

    fn fs_block_size(&self) -> Result<u32> {
        let mut bytes = 0;
        // SAFETY: The file is valid.
        to_result(unsafe { rust_helper_vfs_statfs_bsize(self.as_ptr(), &mut bytes) })?;
        Ok(u32::try_from(bytes)?)
    }

    fn fsync(&self) -> Result {
        // SAFETY: The file is valid.
        to_result(unsafe { bindings::vfs_fsync(self.as_ptr(), 0) })
    }

    #[cfg(FILE_EXTENTS)]
    fn take_error(&self) -> Result {
        // SAFETY: The file is valid.
        to_result(unsafe { bindings::file_check_and_advance_wb_err(self.as_ptr()) })
    }

    fn check_error(&self) -> Result {
        // SAFETY: The file is valid.
        to_result(unsafe { rust_helper_file_wb_err(self.as_ptr()) })
    }

    #[cfg(FILE_EXTENTS)]
    fn reopen(&self) -> Result<ARef<File>> {
        // SAFETY: The file is valid, and keeps its path. The credentials of the current task are not changed
        // by others.
        let file = from_err_ptr(unsafe {
            bindings::dentry_open(
                rust_helper_file_path(self.as_ptr()),
                (bindings::O_RDONLY | kernel::fs::file::flags::O_LARGEFILE) as c_int,
                (*bindings::get_current()).cred,
            )
        })?;
        let file = NonNull::new(file).ok_or(ENOENT)?;
        // SAFETY: This reference was just made, and nobody else knows the file.
        Ok(unsafe { ARef::from_raw(file.cast::<File>()) })
    }

    fn fallocate(&self, mode: FallocateMode, pos: i64, len: i64) -> Result {
        let mode = FALLOC_FL_KEEP_SIZE
            | match mode {
                FallocateMode::PunchHole => FALLOC_FL_PUNCH_HOLE,
                FallocateMode::ZeroRange => FALLOC_FL_ZERO_RANGE,
            };
        // SAFETY: The file is valid; the rest is checked by the callee.
        to_result(unsafe { bindings::vfs_fallocate(self.as_ptr(), mode, pos, len) })
    }

    fn update_times(&self, access: &WriteAccess<'_>) -> Result {
        if !access.is_to(self) {
            return Err(EINVAL);
        }
        // SAFETY: The file is valid, and its file system may be written to.
        to_result(unsafe { bindings::file_update_time(self.as_ptr()) })
    }

    fn times_were_queried(&self) -> bool {
        // SAFETY: The file is valid.
        unsafe { rust_helper_file_times_queried(self.as_ptr()) }
    }

    fn path<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8]> {
        let len = c_int::try_from(buf.len())?;
        // SAFETY: The file is valid, `buf` is memory for `len` bytes.
        let path = from_err_ptr(unsafe {
            bindings::file_path(self.as_ptr(), buf.as_mut_ptr().cast(), len)
        })?;
        // SAFETY: On success `path` is a C string inside `buf`.
        Ok(unsafe { CStr::from_char_ptr(path) }.to_bytes())
    }
}
