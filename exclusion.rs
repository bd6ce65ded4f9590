// SPDX-License-Identifier: GPL-2.0

//! Which read-modify-writes of a device may run, and the memory that they need at least.
//!
//! A write of a part of a block reads the block, and writes it with what was there before. What others write to that
//! block meanwhile would be lost. So there is an order for writes that share a block:
//!
//! - Read-modify-writes [enter](Exclusion::enter) with the blocks they write to. Those that share one with another that
//!   was let in, or come behind one that waits, wait in a list; no task waits for them.
//! - All other writes, discards and write-zeroes announce themselves
//!   ([`announce_write`](crate::abstractions::block::mq::Request::announce_write)), and then look whether they are
//!   [excluded](Exclusion::excludes). One that is excluded enters, too, and is carried out as a read-modify-write.
//! - A read-modify-write that was let in looks for those that have announced themselves before
//!   ([`others_write`](crate::abstractions::block::mq::Request::others_write)), and tries again later if there is one.
//!
//! Of a write that announces itself and a read-modify-write that is let in at the same time, at least one sees the other:
//! `nr_running` is increased before the one looks, and read after the other has announced itself, with a full barrier in
//! between for both. A write that has ended is not found any more, so nothing has to be done at its end.
//!
//! Reads exclude nothing: what is written beside the data of a write is what was there before.

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

/// How many may run at once.
const MAX_RUNNING: usize = 16;

struct Ranges {
    /// Those that run; the others are empty.
    running: [Range<i64>; MAX_RUNNING],
    waiting: RequestList<Loop>,
}

/// See the head of the file. The spinlock is taken in process context only, and nothing is done under it.
#[pin_data]
pub(crate) struct Exclusion {
    /// How many run.
    nr_running: Atomic<i32>,
    #[pin]
    ranges: SpinLock<Ranges>,
    /// For when there is no other memory. Whoever has it waits for the backing file only.
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

    /// Lets a range in, if there is room, and no other that it overlaps.
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

    /// Whether a write that has announced itself has to enter. Process context.
    #[inline]
    pub(crate) fn excludes(&self, blocks: &Range<i64>) -> bool {
        self.nr_running.load(Acquire) != 0 && self.ranges.lock().overlaps(blocks)
    }

    /// Gives a write back if it may run now; otherwise [`leave`](Self::leave) of another one does. `blocks_of` says which
    /// blocks it writes to, not empty. Process context.
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

    /// Ends one that has run, before its request ends. Returns those that may run now. Process context.
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

    /// Memory for a transfer of so many bytes, or for a part of it of at least [`MAX_TRANSFER`]. May sleep until others
    /// are done with the reserve.
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
