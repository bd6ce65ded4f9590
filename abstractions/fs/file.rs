// SPDX-License-Identifier: GPL-2.0

//! Capabilities, attributes and operations of an open file.
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
    fn rust_helper_file_data_mapping(file: *mut bindings::file) -> *mut bindings::address_space;
    fn rust_helper_file_wb_err(file: *mut bindings::file) -> c_int;
}

// Checked against the headers in `helpers/fs.c`.
const FOP_BUFFER_RASYNC: bindings::fop_flags_t = 0x1;
const FMODE_WRITE: u32 = 0x2;
const FMODE_NOWAIT: u32 = 1 << 27;
const FALLOC_FL_KEEP_SIZE: c_int = 0x1;
const FALLOC_FL_PUNCH_HOLE: c_int = 0x2;
const FALLOC_FL_ZERO_RANGE: c_int = 0x10;

/// Opens a file of any size by its path as the current task sees it, with that task's credentials.
/// `flags` are those of [`kernel::fs::file::flags`]; no file is created. May sleep.
///
/// C: `filp_open()`
#[allow(dead_code)] // A driver may get its files from userspace.
pub fn open(path: &CStr, flags: u32) -> Result<ARef<File>> {
    use kernel::fs::file::flags::{O_CREAT, O_DIRECTORY, O_LARGEFILE, O_TMPFILE};

    let creates = O_CREAT | (O_TMPFILE & !O_DIRECTORY);
    let flags = ((flags | O_LARGEFILE) & !creates) as c_int;
    // SAFETY: `path` is a NUL-terminated string.
    let file = from_err_ptr(unsafe { bindings::filp_open(path.as_char_ptr(), flags, 0) })?;
    let file = NonNull::new(file).ok_or(ENOENT)?;
    // SAFETY: `filp_open()` returned this reference, and nobody else knows the file yet.
    Ok(unsafe { ARef::from_raw(file.cast::<File>()) })
}

/// The block device behind an open device file, for frequent use.
///
/// # Invariants
///
/// `bdev` is the block device of the mapping of `_file`, which stays the same from open to release.
pub struct FileBlockDevice {
    bdev: NonNull<BlockDevice>,
    _file: ARef<File>,
}

// SAFETY: Any task may put a `File` and use a `BlockDevice`, which are `Send` and `Sync`.
unsafe impl Send for FileBlockDevice {}
// SAFETY: Several tasks may use a `BlockDevice` at once, which is `Sync`.
unsafe impl Sync for FileBlockDevice {}

impl FileBlockDevice {
    /// Looks up the device of `file`; `None` if it is not a block device.
    pub fn of(file: &ARef<File>) -> Option<Self> {
        match file.mapping().kind() {
            // INVARIANT: `bdev` is the device of the file's mapping.
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
        // SAFETY: By the type invariants `_file` keeps the device.
        unsafe { self.bdev.as_ref() }
    }
}

/// How [`FileExt::fallocate`] changes a range of a file, whose size stays (`FALLOC_FL_*`).
#[derive(Clone, Copy)]
pub enum FallocateMode {
    /// Frees the blocks; the range reads as zeroes (`FALLOC_FL_PUNCH_HOLE`).
    PunchHole,
    /// Keeps the blocks; the range reads as zeroes (`FALLOC_FL_ZERO_RANGE`).
    ZeroRange,
}

/// The result of `vfs_getattr()`.
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

    /// Number of the device that the file is stored on (`huge_encode_dev()`).
    pub fn device(&self) -> u64 {
        // SAFETY: No requirements.
        unsafe { rust_helper_huge_encode_dev(self.0.dev) }
    }

    /// Number of the device that a device file stands for (`huge_encode_dev()`), or 0.
    pub fn rdevice(&self) -> u64 {
        // SAFETY: No requirements.
        unsafe { rust_helper_huge_encode_dev(self.0.rdev) }
    }

    /// Alignment of the memory and of the position in the file for direct I/O, in bytes. `None` if
    /// the file system does not report it, or the file does not allow direct I/O.
    pub fn dio_align(&self) -> Option<(u32, u32)> {
        let told = self.0.result_mask & bindings::STATX_DIOALIGN != 0;
        (told && self.0.dio_mem_align != 0)
            .then_some((self.0.dio_mem_align, self.0.dio_offset_align))
    }

    /// Whether the file system reports that the file does not allow direct I/O.
    #[cfg(FILE_EXTENTS)]
    pub fn refuses_dio(&self) -> bool {
        self.0.result_mask & bindings::STATX_DIOALIGN != 0 && self.0.dio_mem_align == 0
    }
}

/// What [`File`] does not offer yet.
///
/// The methods that query the file system may sleep, for as long as it takes.
pub trait FileExt {
    /// Whether the file has a `read_iter` operation.
    fn has_read_iter(&self) -> bool;
    /// Whether the file has a `write_iter` operation.
    fn has_write_iter(&self) -> bool;
    /// Whether the file has an `fsync` operation.
    fn has_fsync(&self) -> bool;
    /// Whether the file has a `fallocate` operation that may be able to do more than allocate
    /// blocks. This does not try it: a trial would update the file's times, wait for a thaw, and
    /// notify watchers. FAT and exFAT are known to support neither `FallocateMode`, for any file.
    fn has_deallocate(&self) -> bool;
    /// Whether the file was opened for writing (`FMODE_WRITE`).
    fn is_writable(&self) -> bool;
    /// Whether the file allows direct I/O (`FMODE_CAN_ODIRECT`).
    fn can_odirect(&self) -> bool;
    /// Whether the file understands `IOCB_NOWAIT` (`FMODE_NOWAIT`).
    fn can_nowait(&self) -> bool;
    /// Whether a callback can wait for the end of a buffered read (`FOP_BUFFER_RASYNC`), which
    /// `filemap_read()` carries out then.
    fn has_buffer_rasync(&self) -> bool;
    /// The page cache of the file's data, and its inode (`f_mapping`).
    fn mapping(&self) -> &AddressSpace;
    /// The same, but for a stacked file (overlayfs) the page cache of the file below, which has the
    /// data (`d_real_inode()`).
    fn data_mapping(&self) -> &AddressSpace;
    /// The super block of the file system in which the file was opened; for a device file, the one
    /// of its node.
    fn super_block(&self) -> &SuperBlock;
    /// `vfs_getattr()` for the given `STATX_*` fields.
    fn stat(&self, mask: StatMask) -> Result<Stat>;
    /// Block size of the file system in bytes (`vfs_statfs()`).
    fn fs_block_size(&self) -> Result<u32>;
    /// `vfs_fsync()` of data and metadata. It consumes the error of writeback, which each open file
    /// reports once. So it is for callers that pass the error on to the writer; others use
    /// [`check_error`](Self::check_error).
    fn fsync(&self) -> Result;
    /// Returns and consumes the error of writeback that the next [`fsync`](Self::fsync) would
    /// report (`file_check_and_advance_wb_err()`). Does not sleep.
    #[cfg(FILE_EXTENTS)]
    fn take_error(&self) -> Result;
    /// Returns that error without consuming it. Of a stacked file (overlayfs), the error of the
    /// file below, unless somebody has seen it. Does not sleep.
    fn check_error(&self) -> Result;
    /// Opens the file once more, for reading. May sleep.
    #[cfg(FILE_EXTENTS)]
    fn reopen(&self) -> Result<ARef<File>>;
    /// `vfs_fallocate()` with `FALLOC_FL_KEEP_SIZE`; `pos` and `len` in bytes.
    ///
    /// Unlike the file's own operation this waits while the file system is frozen. It fails if the
    /// file must not be changed (immutable, append-only, swap), or if the security module does not
    /// let the current task, which may be a worker, write to it.
    fn fallocate(&self, mode: FallocateMode, pos: i64, len: i64) -> Result;
    /// Sets mtime and ctime to now and increments the change counter, as a write does
    /// (`file_update_time()`); for a device file, those of its node. Does nothing if the clock has
    /// not advanced and nobody has queried them since. `EINVAL` if `access` is to another file
    /// system. May sleep.
    fn update_times(&self, access: &WriteAccess<'_>) -> Result;
    /// Whether ctime or the change counter were queried since they were set (multigrain
    /// timestamps). True if the file system does not track queries. An acquire: if false, the
    /// caller sees what was done before they were set. Any context.
    fn times_were_queried(&self) -> bool;
    /// The path as seen from the current root (`file_path()`), written to the end of `buf`.
    /// `ENAMETOOLONG` if it does not fit.
    fn path<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8]>;
}

/// The fields that [`FileExt::stat`] queries.
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
    // SAFETY: The bits that are tested here do not change once a file is open.
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
        // SAFETY: `f_mapping` is set when the file is opened, and stays valid and the same, with
        // its host, until release. The file keeps the host's file system mounted; that of block
        // devices always is.
        unsafe { AddressSpace::from_raw((*self.as_ptr()).f_mapping) }
    }

    fn data_mapping(&self) -> &AddressSpace {
        // SAFETY: The file is valid. It keeps its dentry, which keeps the file below with its
        // mapping, and that file's file system mounted.
        unsafe { AddressSpace::from_raw(rust_helper_file_data_mapping(self.as_ptr())) }
    }

    #[inline]
    fn super_block(&self) -> &SuperBlock {
        // SAFETY: An open file keeps its inode, the inode's super block stays the same, and the
        // file keeps it mounted.
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
        // SAFETY: The file is valid, and keeps its path. Only the current task changes its
        // credentials.
        let file = from_err_ptr(unsafe {
            bindings::dentry_open(
                rust_helper_file_path(self.as_ptr()),
                (bindings::O_RDONLY | kernel::fs::file::flags::O_LARGEFILE) as c_int,
                (*bindings::get_current()).cred,
            )
        })?;
        let file = NonNull::new(file).ok_or(ENOENT)?;
        // SAFETY: `dentry_open()` returned this reference, and nobody else knows the file yet.
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
        // SAFETY: The file is valid, and `access` is to its file system, as checked above.
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
