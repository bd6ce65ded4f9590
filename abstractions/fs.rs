// SPDX-License-Identifier: GPL-2.0

//! Files as a driver that stores its data in one sees them.

mod file;
mod holes;
mod kiocb;
mod mapping;
pub mod page_cache;
mod super_block;
mod swap_file;
mod write;

pub use file::{FallocateMode, FileBlockDevice, FileExt, FileKind, StatMask};
pub use holes::Holes;
pub use kiocb::{IoMode, Kiocb, KiocbOwner, KiocbParams};
pub use mapping::NoFsRecursion;
pub use super_block::{SuperBlock, WriteAccess, WriteAccessSlot};
pub use swap_file::SwapFile;
pub use write::probe_write;
