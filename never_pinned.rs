// SPDX-License-Identifier: GPL-2.0

//! Stands in for `pinned/` where that is left out (`LOOP_PINNED=n`): no file is ever pinned.
//!
//! [`Slot::get`] and [`issue::begin`] return the constant `None`, so the compiler drops the
//! callers' code for a pinned file.

use crate::abstractions::{
    block::{limits::QueueLimits, Extent},
    fs::IoBuffer,
    iov::Direction,
};
use core::{convert::Infallible, ops::Range};
use kernel::prelude::*;

/// A pinned file, of which there is none.
pub(crate) struct Pinned(Infallible);

impl Pinned {
    pub(crate) fn map(&self, _pos: i64, _bytes: u32) -> Option<Extent<'_>> {
        match self.0 {}
    }

    pub(crate) fn is_on_bottom(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn transfer(
        &self,
        _buffer: &mut IoBuffer,
        _at: Range<usize>,
        _direction: Direction,
        _pos: i64,
    ) -> Result {
        match self.0 {}
    }

    pub(crate) fn has_discard(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn set_discard_limits(&self, _limits: &mut QueueLimits) {
        match self.0 {}
    }
}

/// Where a binding would keep its [`Pinned`].
#[derive(Default)]
pub(crate) struct Slot;

impl Slot {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn get(&self) -> Option<&Pinned> {
        None
    }
}

/// Why a device is not pinned any more.
pub(crate) enum NotPinned {
    Changed,
}

/// An attempt to pin a file, of which there is none.
pub(crate) struct Pinning;

impl Pinning {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn cancel(&self) {}
}

pub(crate) mod issue {
    use crate::{abstractions::block::mq::Request, driver::Loop};
    use core::ops::Range;
    use kernel::prelude::*;

    /// Begins a write to a block device that is remapped. Process context.
    #[inline(always)] // As `LoopCmd::submit`.
    pub(crate) fn try_begin_write(rq: &mut Request<Loop>) -> Result {
        rq.config().begin_device_write();
        Ok(())
    }

    pub(crate) fn end_write(_rq: &mut Request<Loop>) {}

    pub(crate) fn begin(_rq: &mut Request<Loop>, _wait: bool) -> Option<Result> {
        None
    }

    pub(crate) fn zero_blocks(_rq: &Request<Loop>, _blocks: &Range<i64>) -> Option<Result> {
        None
    }

    pub(crate) fn write_blocks(
        _rq: &Request<Loop>,
        _blocks: &Range<i64>,
        write: impl FnOnce() -> Result,
    ) -> Result {
        write()
    }

    /// Never called, since [`begin`] returns `None`. Dropping a request fails it.
    pub(crate) fn remap_all(_rq: Request<Loop>) {}
}

pub(crate) mod switch {
    use super::NotPinned;
    use crate::{
        abstractions::block::disk::{Disk, DiskGuard},
        driver::Loop,
    };
    use kernel::{prelude::*, time::Jiffies};

    pub(crate) fn prepare_unpin(_disk: &Disk<Loop>) -> Result {
        Ok(())
    }

    pub(crate) fn pin_by_default(_disk: &Disk<Loop>) {}

    pub(crate) fn unpin_unsuitable(
        _guard: &mut DiskGuard<'_, Loop>,
        _offset: i64,
        _sectors: u64,
        _step: Jiffies,
    ) -> bool {
        true
    }

    pub(crate) fn unpin(
        _guard: &mut DiskGuard<'_, Loop>,
        _reason: NotPinned,
        _step: Jiffies,
    ) -> bool {
        true
    }
}

pub(crate) mod write_barrier {
    use kernel::prelude::*;

    /// Writes are never blocked.
    pub(crate) struct WriteBarrier;

    impl WriteBarrier {
        pub(crate) const fn new() -> Self {
            Self
        }

        pub(crate) fn is_blocking(&self) -> bool {
            false
        }

        pub(crate) fn wait(&self) {}

        pub(crate) fn wait_killable(&self) -> Result {
            Ok(())
        }
    }
}
