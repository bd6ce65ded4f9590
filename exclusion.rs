// SPDX-License-Identifier: GPL-2.0

//! Orders the read-modify-writes of a device against other writes, and keeps the memory that one of
//! them needs.
//!
//! A write to a part of a block reads the whole block and writes it back with the part changed.
//! That would undo what another request writes to the block in between, so writes that share a
//! block take turns:
//!
//! - A read-modify-write [enters](Exclusion::enter) with the blocks that it writes. It waits in a
//!   list if it shares a block with one that runs, or with one that waits already: one that is
//!   slow, because its cgroup is throttled for instance, holds up no other blocks. No task waits
//!   for it.
//! - Each other write, discard or write-zeroes announces itself
//!   ([`announce_write`](crate::abstractions::block::mq::Request::announce_write)), and then checks
//!   whether a running read-modify-write [excludes](Exclusion::excludes) it. If so, it enters and
//!   becomes a read-modify-write itself.
//! - A read-modify-write that may run looks for writes that were announced before
//!   ([`others_write`](crate::abstractions::block::mq::Request::others_write)). While it finds one,
//!   it tries again later.
//!
//! If a write announces itself while a read-modify-write is let in, at least one of them sees the
//! other: the read-modify-write increases `nr_running` before it looks for announced writes, and
//! the write announces itself before it reads `nr_running`, both with a full barrier in between.
//! `others_write` looks at started requests only, so a write has nothing to undo when it ends.
//!
//! Reads are not excluded: beside the data of its request, a read-modify-write writes what is there
//! already.

use crate::{
    abstractions::{
        block::mq::{Op, Request, RequestList},
        fs::IoBuffer,
    },
    backing::MAX_TRANSFER,
    driver::{DeviceParams, Loop},
};
use core::{
    cmp::{max, min},
    ops::{Deref, DerefMut, Range},
};
use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full},
        Arc, Mutex, MutexGuard, SpinLock,
    },
};

/// Read-modify-writes that may run at once, if the device has as many requests.
const MAX_RUNNING: usize = 1024;
/// Waiting requests that are looked at, at most, while the spinlock is held.
const MAX_SEARCH: usize = 64;

struct Ranges {
    /// The blocks of each read-modify-write that runs. Has room for all of them.
    running: KVec<Range<i64>>,
    waiting: RequestList<Loop>,
}

/// See the head of the file. The spinlock is taken in process context only; under it the lists
/// change, and nothing else happens.
#[pin_data]
pub(crate) struct Exclusion {
    /// The length of `running`.
    nr_running: Atomic<i32>,
    #[pin]
    ranges: SpinLock<Ranges>,
    /// Used when no other memory is free, one by reads and one by writes: reads must not wait for
    /// what a write waits for. The holder waits for the backing file, but not for a thaw.
    #[pin]
    read_reserve: Mutex<IoBuffer>,
    #[pin]
    write_reserve: Mutex<IoBuffer>,
}

/// Memory for a transfer.
pub(crate) enum Buffer<'a> {
    Own(IoBuffer),
    Reserve(MutexGuard<'a, IoBuffer>),
}

fn overlap(a: &Range<i64>, b: &Range<i64>) -> bool {
    a.start < b.end && b.start < a.end
}

impl Ranges {
    fn overlaps(&self, range: &Range<i64>) -> bool {
        self.running.iter().any(|running| overlap(running, range))
    }

    /// Lets a range in, unless it overlaps one that is let in.
    fn try_run(&mut self, range: Range<i64>) -> bool {
        !self.overlaps(&range) && self.running.push_within_capacity(range).is_ok()
    }
}

impl Exclusion {
    pub(crate) fn new(params: &DeviceParams) -> Result<Arc<Self>> {
        let queues = params.nr_hw_queues.saturating_add(params.nr_poll_queues);
        let requests = params.queue_depth.saturating_mul(queues) as usize;
        let ranges = Ranges {
            running: KVec::with_capacity(requests.clamp(1, MAX_RUNNING), GFP_KERNEL)?,
            waiting: RequestList::new(),
        };
        let read_reserve = IoBuffer::new(MAX_TRANSFER as usize)?;
        let write_reserve = IoBuffer::new(MAX_TRANSFER as usize)?;
        Arc::pin_init(
            pin_init!(Self {
                nr_running: Atomic::new(0),
                ranges <- new_spinlock!(ranges, "loop_exclusion"),
                read_reserve <- new_mutex!(read_reserve, "loop_exclusion_read"),
                write_reserve <- new_mutex!(write_reserve, "loop_exclusion_write"),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether a write, which has announced itself, overlaps a running read-modify-write and so has
    /// to enter. Process context.
    #[inline]
    pub(crate) fn excludes(&self, blocks: &Range<i64>) -> bool {
        self.nr_running.load(Acquire) != 0 && self.ranges.lock().overlaps(blocks)
    }

    /// Gives a write back if it may run now; otherwise keeps it until [`leave`](Self::leave)
    /// returns it. `blocks_of` returns the blocks that a request writes, which are not empty.
    /// Process context.
    pub(crate) fn enter(
        &self,
        rq: Request<Loop>,
        blocks_of: impl Fn(&Request<Loop>) -> Range<i64>,
    ) -> Option<Request<Loop>> {
        let mut ranges = self.ranges.lock();
        let blocks = blocks_of(&rq);
        let mut before = ranges.waiting.iter();
        let waits = before
            .by_ref()
            .take(MAX_SEARCH)
            .any(|earlier| overlap(&blocks_of(earlier), &blocks))
            || before.next().is_some();
        drop(before);
        if !waits && ranges.try_run(blocks) {
            self.nr_running.fetch_add(1, Full);
            return Some(rq);
        }
        ranges.waiting.push_back(rq);
        None
    }

    /// Removes a read-modify-write that has run, before its request ends. Returns the requests that
    /// may run now. Process context.
    pub(crate) fn leave(
        &self,
        blocks: &Range<i64>,
        blocks_of: impl Fn(&Request<Loop>) -> Range<i64>,
    ) -> RequestList<Loop> {
        let mut ranges = self.ranges.lock();
        let position = ranges.running.iter().position(|running| running == blocks);
        if position.is_some_and(|position| ranges.running.remove(position).is_ok()) {
            self.nr_running.fetch_sub(1, Full);
        }
        let mut ready = RequestList::new();
        let mut waiting = RequestList::new();
        for searched in 0.. {
            let Some(rq) = ranges.waiting.pop_front() else {
                break;
            };
            let blocks = blocks_of(&rq);
            let waits = searched >= MAX_SEARCH
                || waiting
                    .iter()
                    .any(|earlier| overlap(&blocks_of(earlier), &blocks));
            if !waits && ranges.try_run(blocks) {
                self.nr_running.fetch_add(1, Full);
                ready.push_back(rq);
            } else {
                waiting.push_back(rq);
            }
        }
        ranges.waiting = waiting;
        ready
    }

    /// A buffer of at least `bytes` bytes, or of a part of them that is a multiple of a block, of
    /// `unit` bytes. May sleep until the reserve is free.
    pub(crate) fn buffer(&self, bytes: u64, unit: usize, op: Op) -> Buffer<'_> {
        let bytes = max(min(bytes, u64::from(MAX_TRANSFER)), 1) as usize;
        match IoBuffer::new_nowait(bytes).or_else(|_| IoBuffer::new_nowait(unit)) {
            Ok(buffer) => Buffer::Own(buffer),
            Err(_) if op == Op::Read => Buffer::Reserve(self.read_reserve.lock()),
            Err(_) => Buffer::Reserve(self.write_reserve.lock()),
        }
    }
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
