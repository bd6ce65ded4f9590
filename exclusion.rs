// SPDX-License-Identifier: GPL-2.0

//! Orders the read-modify-writes of a device against other writes, and keeps the memory that one of
//! them needs.
//!
//! A write to a part of a block reads the whole block and writes it back with the part changed.
//! That would undo what another request writes to the block in between, so writes that share a
//! block take turns:
//!
//! - A read-modify-write [enters](Exclusion::enter) with the blocks that it writes. It waits in a
//!   list if it shares a block with one that runs, if others wait already, or if [`MAX_RUNNING`] of
//!   them run. No task waits for it.
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
        block::mq::{Request, RequestList},
        fs::IoBuffer,
    },
    backing::MAX_TRANSFER,
    driver::Loop,
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

/// Read-modify-writes that may run at once.
const MAX_RUNNING: usize = 16;

struct Ranges {
    /// The blocks of each read-modify-write that runs; unused entries are empty.
    running: [Range<i64>; MAX_RUNNING],
    waiting: RequestList<Loop>,
}

/// See the head of the file. The spinlock is taken in process context only; under it the lists
/// change, and nothing else happens.
#[pin_data]
pub(crate) struct Exclusion {
    /// Entries of `running` in use.
    nr_running: Atomic<i32>,
    #[pin]
    ranges: SpinLock<Ranges>,
    /// Used when no other memory is free. Its holder waits for the backing file only.
    #[pin]
    reserve: Mutex<IoBuffer>,
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

    /// Adds a range to `running`. False if it overlaps another one, or `running` is full.
    fn try_run(&mut self, range: Range<i64>) -> bool {
        if self.overlaps(&range) {
            return false;
        }
        match self.running.iter_mut().find(|running| running.is_empty()) {
            Some(free) => {
                *free = range;
                true
            }
            None => false,
        }
    }
}

impl Exclusion {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let reserve = IoBuffer::new(MAX_TRANSFER as usize)?;
        let ranges = Ranges {
            running: [const { 0..0 }; MAX_RUNNING],
            waiting: RequestList::new(),
        };
        Arc::pin_init(
            pin_init!(Self {
                nr_running: Atomic::new(0),
                ranges <- new_spinlock!(ranges, "loop_exclusion"),
                reserve <- new_mutex!(reserve, "loop_exclusion_reserve"),
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
        if ranges.waiting.is_empty() && ranges.try_run(blocks_of(&rq)) {
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
        if let Some(running) = ranges.running.iter_mut().find(|running| *running == blocks) {
            *running = 0..0;
            self.nr_running.fetch_sub(1, Full);
        }
        let mut ready = RequestList::new();
        while let Some(first) = ranges.waiting.first() {
            let blocks = blocks_of(first);
            if !ranges.try_run(blocks) {
                break;
            }
            self.nr_running.fetch_add(1, Full);
            if let Some(rq) = ranges.waiting.pop_front() {
                ready.push_back(rq);
            }
        }
        ready
    }

    /// A buffer of at least `bytes` bytes, or of [`MAX_TRANSFER`] if that is less. May sleep until
    /// the reserve is free.
    pub(crate) fn buffer(&self, bytes: u64) -> Buffer<'_> {
        let bytes = max(min(bytes, u64::from(MAX_TRANSFER)), 1) as usize;
        match IoBuffer::new_nowait(bytes) {
            Ok(buffer) => Buffer::Own(buffer),
            Err(_) => Buffer::Reserve(self.reserve.lock()),
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
