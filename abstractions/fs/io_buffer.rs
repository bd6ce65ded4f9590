// SPDX-License-Identifier: GPL-2.0

//! Memory for reading and writing a file: past its page cache, through it, or past the file system.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{FileExt, IoMode, KiocbParams, WriteAccess};
#[cfg(FILE_EXTENTS)]
use crate::abstractions::block::Extent;
use crate::abstractions::{
    error::to_count,
    iov::{BvecIter, Direction},
};
use core::{
    ops::{Deref, DerefMut, Range},
    ptr::NonNull,
};
#[cfg(FILE_EXTENTS)]
use kernel::error::to_result;
use kernel::{bindings, page::PAGE_SIZE, prelude::*};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_alloc_io_pages(order: c_uint, wait: bool) -> *mut u8;
    fn rust_helper_free_io_pages(addr: *mut u8, order: c_uint);
    fn rust_helper_io_page(addr: *const u8) -> *mut bindings::page;
}

/// A power of two of contiguous pages, which are zeroed when they are allocated.
///
/// # Invariants
///
/// `addr` is the address of `PAGE_SIZE << order` bytes of the page allocator, which `self` owns.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::fs::IoBuffer;
/// use kernel::page::PAGE_SIZE;
///
/// let mut buffer = IoBuffer::new(PAGE_SIZE * 3)?;
///
/// assert_eq!(buffer.len(), PAGE_SIZE * 4);
/// assert!(buffer.iter().all(|byte| *byte == 0));
/// buffer[..4].copy_from_slice(b"head");
/// assert_eq!(&buffer[..5], b"head\0");
///
/// assert_eq!(IoBuffer::new(usize::MAX).err(), Some(ENOMEM));
/// # Ok::<(), Error>(())
/// ```
pub struct IoBuffer {
    addr: NonNull<u8>,
    order: u32,
}

// SAFETY: The memory has no ties to a task.
unsafe impl Send for IoBuffer {}
// SAFETY: A shared buffer is only read.
unsafe impl Sync for IoBuffer {}

impl IoBuffer {
    /// Allocates at least `bytes` bytes. May sleep. Fails with `ENOMEM`.
    pub fn new(bytes: usize) -> Result<Self> {
        Self::alloc(bytes, true)
    }

    /// Allocates like [`new`](Self::new), but does not sleep: fails with `ENOMEM` instead of
    /// waiting for memory.
    pub fn new_nowait(bytes: usize) -> Result<Self> {
        Self::alloc(bytes, false)
    }

    fn alloc(bytes: usize, wait: bool) -> Result<Self> {
        let pages = bytes
            .div_ceil(PAGE_SIZE)
            .checked_next_power_of_two()
            .ok_or(ENOMEM)?;
        let order = pages.trailing_zeros();
        // SAFETY: No requirements.
        let addr = unsafe { rust_helper_alloc_io_pages(order, wait) };
        // INVARIANT: The helper returned `PAGE_SIZE << order` bytes, or null.
        Ok(Self {
            addr: NonNull::new(addr).ok_or(ENOMEM)?,
            order,
        })
    }

    /// Reads from a file to `part` of the buffer, or writes `part` to the file, and waits. Returns
    /// the number of bytes, which may be less than `part` has. May sleep, not to wait for a thaw: a
    /// write needs `access` to the file's file system.
    ///
    /// Fails with `EINVAL` without that; if the mode is non-blocking, or one that the file has not;
    /// or if `part` is empty or not within the buffer.
    pub fn transfer(
        &mut self,
        part: Range<usize>,
        params: &KiocbParams<'_>,
        access: Option<&WriteAccess<'_>>,
    ) -> Result<usize> {
        let flags = match params.mode {
            IoMode::Buffered { nowait: false } => 0,
            IoMode::Direct { nowait: false } if params.file.can_odirect() => bindings::IOCB_DIRECT,
            _ => return Err(EINVAL),
        };
        let memory = self
            .get_mut(part)
            .filter(|memory| !memory.is_empty())
            .ok_or(EINVAL)?;
        let bvec = bindings::bio_vec {
            // SAFETY: By the type invariants `memory` is part of the page allocator's memory.
            bv_page: unsafe { rust_helper_io_page(memory.as_ptr()) },
            bv_len: u32::try_from(memory.len())?,
            bv_offset: (memory.as_ptr().addr() % PAGE_SIZE) as u32,
        };
        // SAFETY: The segment holds `memory.len()` bytes, which are borrowed mutably until this
        // returns.
        let mut iter =
            unsafe { BvecIter::new(params.direction, &raw const bvec, 1, 0, memory.len()) };

        let file = params.file.as_ptr();
        // SAFETY: All zeroes are valid for a kiocb.
        let mut iocb: bindings::kiocb = unsafe { core::mem::zeroed() };
        iocb.ki_filp = file;
        iocb.ki_pos = params.pos;
        iocb.ki_flags = flags as c_int;
        iocb.ki_ioprio = params.ioprio;
        // SAFETY: A file's operations are set when it is opened and live as long as it does.
        let f_op = unsafe { &*(*file).f_op };
        let ret = match params.direction {
            Direction::Dest => {
                let read_iter = f_op.read_iter.ok_or(EINVAL)?;
                // SAFETY: The operation belongs to this file; kiocb and iterator are filled in. The
                // I/O is over when the operation returns, as there is no callback.
                unsafe { read_iter(&raw mut iocb, iter.as_mut_ptr()) }
            }
            Direction::Source => {
                let write_iter = f_op.write_iter.ok_or(EINVAL)?;
                if !access.is_some_and(|access| access.is_to(params.file)) {
                    return Err(EINVAL);
                }
                // SAFETY: As for `read_iter`: the operation belongs to this file, and has no
                // callback.
                unsafe { write_iter(&raw mut iocb, iter.as_mut_ptr()) }
            }
        };
        to_count(ret as i64).map(|bytes| bytes as usize)
    }

    /// Reads an extent to the buffer, from byte `at` of the buffer on, or writes it from there, and
    /// waits (`bdev_rw_virt()`). The extent consists of whole blocks of its device. Allocates
    /// nothing. Fails with `EINVAL` if the extent does not fit into the buffer. May sleep.
    #[cfg(FILE_EXTENTS)]
    pub fn transfer_extent(
        &mut self,
        at: usize,
        extent: &Extent<'_>,
        direction: Direction,
    ) -> Result {
        let end = at.checked_add(extent.bytes as usize).ok_or(EINVAL)?;
        let memory = self.get_mut(at..end).ok_or(EINVAL)?;
        let op = match direction {
            Direction::Dest => bindings::req_op_REQ_OP_READ,
            Direction::Source => bindings::req_op_REQ_OP_WRITE,
        };
        // SAFETY: The extent keeps its device. The memory comes from the page allocator, has that
        // length, and is borrowed mutably until this returns, when the I/O is over.
        to_result(unsafe {
            bindings::bdev_rw_virt(
                extent.bdev.as_ptr(),
                extent.sector,
                memory.as_mut_ptr().cast(),
                memory.len(),
                op,
            )
        })
    }
}

impl Deref for IoBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariants `addr` has that many bytes, which were zeroed when
        // allocated.
        unsafe { core::slice::from_raw_parts(self.addr.as_ptr(), PAGE_SIZE << self.order) }
    }
}

impl DerefMut for IoBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: As in `deref`, `addr` has that many bytes; `self` is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.addr.as_ptr(), PAGE_SIZE << self.order) }
    }
}

impl Drop for IoBuffer {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the pages are of that order, and `self` owns them.
        unsafe { rust_helper_free_io_pages(self.addr.as_ptr(), self.order) };
    }
}
