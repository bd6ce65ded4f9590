// SPDX-License-Identifier: GPL-2.0

//! The memory that requests of parts of blocks are carried out with.

use crate::{
    abstractions::{block::mq::Op, fs::IoBuffer},
    backing::MAX_TRANSFER,
};
use core::{
    cmp::{max, min},
    ops::{Deref, DerefMut},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Mutex, MutexGuard},
};

/// Buffers that are used when no other memory is free: one by reads and one by writes, since reads
/// must not wait for what a write waits for. Their holders wait for the backing file, but not for a
/// thaw.
#[pin_data]
pub(crate) struct Reserve {
    #[pin]
    read: Mutex<IoBuffer>,
    #[pin]
    write: Mutex<IoBuffer>,
}

impl Reserve {
    pub(crate) fn new() -> Result<impl PinInit<Self>> {
        let read = IoBuffer::new(MAX_TRANSFER as usize)?;
        let write = IoBuffer::new(MAX_TRANSFER as usize)?;
        Ok(pin_init!(Self {
            read <- new_mutex!(read, "loop_reserve_read"),
            write <- new_mutex!(write, "loop_reserve_write"),
        }))
    }

    /// A buffer of `bytes` bytes, at most [`MAX_TRANSFER`]. Where memory is short, one of a block
    /// (`unit` bytes), or else the reserve, for which this may sleep.
    pub(crate) fn buffer(&self, bytes: u64, unit: usize, op: Op) -> Buffer<'_> {
        let bytes = max(min(bytes, u64::from(MAX_TRANSFER)), 1) as usize;
        match IoBuffer::new_nowait(bytes).or_else(|_| IoBuffer::new_nowait(unit)) {
            Ok(buffer) => Buffer::Own(buffer),
            Err(_) if op == Op::Read => Buffer::Reserve(self.read.lock()),
            Err(_) => Buffer::Reserve(self.write.lock()),
        }
    }
}

/// Memory for a transfer.
pub(crate) enum Buffer<'a> {
    Own(IoBuffer),
    Reserve(MutexGuard<'a, IoBuffer>),
}

impl Deref for Buffer<'_> {
    type Target = IoBuffer;

    fn deref(&self) -> &IoBuffer {
        match self {
            Self::Own(buffer) => buffer,
            Self::Reserve(buffer) => buffer,
        }
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut IoBuffer {
        match self {
            Self::Own(buffer) => buffer,
            Self::Reserve(buffer) => buffer,
        }
    }
}
