// SPDX-License-Identifier: GPL-2.0

//! Files, for a driver that stores its data in one.

mod address_space;
mod file;
mod gfp_mask;
#[cfg(FILE_EXTENTS)]
mod holes;
mod inode_lock;
mod io_buffer;
mod kiocb;
pub(super) mod page_cache;
mod super_block;
#[cfg(FILE_EXTENTS)]
mod swap_file;
#[cfg(FILE_EXTENTS)]
mod write;

pub use address_space::{AddressSpace, FileKind};
#[allow(unused_imports)] // A driver may get its files from userspace.
pub use file::open;
pub use file::{FallocateMode, FileBlockDevice, FileExt, StatMask};
pub use gfp_mask::NoFsRecursion;
#[cfg(FILE_EXTENTS)]
pub use holes::Holes;
pub use inode_lock::InodeLock;
pub use io_buffer::IoBuffer;
pub use kiocb::{IoMode, Kiocb, KiocbOwner, KiocbParams};
pub use super_block::{SuperBlock, WriteAccess, WriteAccessSlot};
#[cfg(FILE_EXTENTS)]
pub use swap_file::SwapFile;
#[cfg(FILE_EXTENTS)]
pub use write::probe_write;
