// SPDX-License-Identifier: GPL-2.0

//! Stands in for `pinned/` where that is left out (`LOOP_PINNED=n`): no file is ever pinned.
//!
//! Whoever asks for a pinned file gets `None`, a constant, so that the compiler drops all that would follow.

use crate::abstractions::block::Extent;
use core::convert::Infallible;

/// There is none.
pub(crate) struct Pinned(Infallible);

impl Pinned {
    pub(crate) fn map(&self, _pos: i64, _bytes: u32) -> Option<Extent<'_>> {
        match self.0 {}
    }

    pub(crate) fn is_on_bottom(&self) -> bool {
        match self.0 {}
    }
}

/// Where a binding would have its [`Pinned`].
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

/// An attempt to pin a file: nobody makes one.
pub(crate) struct Pinning;

impl Pinning {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn cancel(&self) {}
}

pub(crate) mod issue {
    use crate::{abstractions::block::mq::Request, driver::Loop};
    use kernel::prelude::*;

    /// Begins a write to a block device that its submitter remaps. Process context.
    #[inline(always)] // As `LoopCmd::submit`.
    pub(crate) fn try_begin_write(rq: &mut Request<Loop>) -> Result {
        rq.config().begin_device_write();
        Ok(())
    }

    pub(crate) fn end_write(_rq: &mut Request<Loop>) {}

    pub(crate) fn begin(_rq: &mut Request<Loop>, _wait: bool) -> Option<Result> {
        None
    }

    /// Not called: nothing has begun. A request that is dropped fails.
    pub(crate) fn remap_all(_rq: Request<Loop>) {}
}

pub(crate) mod switch {
    use super::NotPinned;
    use crate::{
        abstractions::block::disk::{Disk, DiskGuard},
        driver::Loop,
    };

    pub(crate) fn pin_by_default(_disk: &Disk<Loop>) {}

    pub(crate) fn unpin_unsuitable(_guard: &mut DiskGuard<'_, Loop>, _offset: i64, _sectors: u64) {}

    pub(crate) fn unpin(_guard: &mut DiskGuard<'_, Loop>, _reason: NotPinned) {}
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
