// SPDX-License-Identifier: GPL-2.0

//! What `route.rs` decides by: the facts of a request, its binding, and the moment.

use crate::{
    abstractions::{
        block::mq::{Op, Request},
        fs::FileExt,
    },
    backing::DioUnit,
    driver::Loop,
    rmw::bytes_of,
    route::{DataPath, Facts},
};

/// The largest read that the submitter copies out of the page cache, in bytes. Such a copy takes
/// less time than waking another task; a larger one is better done in parallel to the submitter.
const MAX_COPY: u32 = 32 << 10;

impl Facts for Request<Loop> {
    fn op(&self) -> Op {
        Request::op(self)
    }

    fn path(&self) -> DataPath {
        let binding = self.config();
        if binding.backing.is_block() {
            DataPath::BlockDevice
        } else if binding.pinned().is_some() {
            DataPath::Pinned
        } else {
            DataPath::File
        }
    }

    fn is_direct(&self) -> bool {
        self.config().direct
    }

    fn is_read_only(&self) -> bool {
        self.config().read_only
    }

    #[inline]
    fn needs_rmw(&self) -> bool {
        self.config().dio_unit.mask != 0 && needs_rmw(self)
    }

    fn in_cgroup(&self) -> bool {
        self.blkcg().is_some()
    }

    fn is_flush_step(&self) -> bool {
        Request::is_flush_step(self)
    }

    fn is_ordered(&self) -> bool {
        self.config().ordered.is_some()
    }

    fn are_writes_blocked(&self) -> bool {
        self.disk().write_barrier.is_blocking()
    }

    fn has_blocking_writes(&self) -> bool {
        self.config().has_blocking_writes()
    }

    fn is_on_bottom(&self) -> bool {
        self.config().backing.is_on_bottom()
    }

    fn can_remap(&self) -> bool {
        can_remap(self)
    }

    fn can_copy(&self) -> bool {
        self.bytes() <= MAX_COPY && self.config().can_read_cached()
    }

    fn can_try(&self) -> bool {
        let binding = self.config();
        let backing = &binding.backing;
        match (self.op(), binding.direct) {
            (op @ Op::Read, true) => backing.can_try_direct(op, self.bytes()),
            (op @ Op::Write, true) => {
                backing.can_try_direct(op, self.bytes())
                    && (backing.is_block() || binding.write_backoff.should_try())
            }
            (Op::Read, false) => backing.can_try_buffered(),
            _ => false,
        }
    }

    fn reads_ahead(&self) -> bool {
        self.config().backing.reads_from_cache()
    }
}

/// Whether direct I/O on the file, whose blocks are larger than the device's, does not take the
/// request as it is, or a running read-modify-write excludes it. Each segment has to consist of
/// whole blocks too: the device below may split a request between segments.
fn needs_rmw(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    let DioUnit { mask, memory, .. } = binding.dio_unit;
    if rq.op() == Op::Flush {
        return false;
    }
    let is_transfer = matches!(rq.op(), Op::Read | Op::Write);
    (rq.pos() & i64::from(mask)) | i64::from(rq.bytes() & mask) != 0
        || (is_transfer && !rq.has_whole_blocks(mask, memory))
        || (rq.op().is_write()
            && binding
                .exclusion()
                .is_some_and(|exclusion| exclusion.excludes(&bytes_of(rq))))
}

/// Whether bios to the backing block device would do what direct I/O on its file does.
fn can_remap(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    let Some(bdev) = binding.backing.block_device() else {
        return false;
    };
    match rq.op() {
        Op::Read => (),
        Op::Write if binding.ordered.is_none() && bdev.takes_writes() => (),
        _ => return false,
    }
    // If the device has shrunk, the file has to refuse a range beyond the end.
    let Some((pos, end)) = binding
        .file_pos(rq.pos())
        .ok()
        .and_then(|pos| Some((pos, pos.checked_add(i64::from(rq.bytes()))?)))
    else {
        return false;
    };
    let mapping = binding.backing.file().mapping();
    end <= mapping.size() && !mapping.is_cached(pos, rq.bytes())
}
