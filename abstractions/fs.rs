// SPDX-License-Identifier: GPL-2.0

//! Files as a driver that stores its data in one sees them.

mod address_space;
mod file;
mod gfp_mask;
mod holes;
mod io_buffer;
mod kiocb;
pub(super) mod page_cache;
mod super_block;
mod swap_file;
mod write;

pub use address_space::{AddressSpace, FileKind};
pub use file::{FallocateMode, FileBlockDevice, FileExt, StatMask};
pub use gfp_mask::NoFsRecursion;
pub use holes::Holes;
pub use io_buffer::IoBuffer;
pub use kiocb::{IoMode, Kiocb, KiocbOwner, KiocbParams};
pub use super_block::{SuperBlock, WriteAccess, WriteAccessSlot};
pub use swap_file::SwapFile;
pub use write::probe_write;
