// SPDX-License-Identifier: GPL-2.0

//! Orders the read-modify-writes of a device against other writes.
//!
//! A write to a part of a block reads the whole block and writes it back with the part changed.
//! That would undo what another request writes to the block in between, so writes that share a
//! block take turns:
//!
//! - A read-modify-write [enters](Exclusion::enter) with the range that it may rewrite: whole pages
//!   and blocks of the file system (`blocks_of()` in `rmw.rs`). It waits in a list if it shares a
//!   block with one that runs, or with one that waits already. So one that is slow, because its
//!   cgroup is throttled for instance, holds up no other blocks, unless more than [`MAX_SEARCH`]
//!   wait or [`MAX_RUNNING`] run. No task waits for it.
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
//! Reads are not excluded: a read-modify-write rewrites the rest of a block with the same content.

use crate::{
    abstractions::block::mq::{Request, RequestList},
    driver::{DeviceParams, Loop},
    rmw_buffer::Reserve,
};
use core::ops::Range;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full},
        Arc, SpinLock,
    },
};

/// The most read-modify-writes that run at once; fewer if the device has fewer requests.
const MAX_RUNNING: usize = 1024;
/// How far the list of waiting requests is searched for conflicts. A request further behind waits.
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
    /// The length of `running`. Changed under the lock, with `Full`: see the head of the file.
    nr_running: Atomic<i32>,
    #[pin]
    ranges: SpinLock<Ranges>,
    #[pin]
    pub(crate) reserve: Reserve,
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
        let requests = params.queue_depth as usize;
        let ranges = Ranges {
            running: KVec::with_capacity(requests.clamp(1, MAX_RUNNING), GFP_KERNEL)?,
            waiting: RequestList::new(),
        };
        let reserve = Reserve::new()?;
        Arc::pin_init(
            pin_init!(Self {
                nr_running: Atomic::new(0),
                ranges <- new_spinlock!(ranges, "loop_exclusion"),
                reserve <- reserve,
            }),
            GFP_KERNEL,
        )
    }

    /// Whether a write, which has announced itself, overlaps a running read-modify-write and so has
    /// to enter. Process context.
    #[inline]
    pub(crate) fn excludes(&self, bytes: &Range<i64>) -> bool {
        // Acquire: pairs with `leave`. A read-modify-write that is not counted any more has written
        // its blocks. One that is counted is in `ranges`, as both change under the lock.
        self.nr_running.load(Acquire) != 0 && self.ranges.lock().overlaps(bytes)
    }

    /// Gives a write back if it may run now; otherwise keeps it until [`leave`](Self::leave)
    /// returns it. `range_of` returns the bytes of the whole blocks that a request may rewrite; the
    /// range is not empty. Process context.
    pub(crate) fn enter(
        &self,
        rq: Request<Loop>,
        range_of: impl Fn(&Request<Loop>) -> Range<i64>,
    ) -> Option<Request<Loop>> {
        let mut ranges = self.ranges.lock();
        let blocks = range_of(&rq);
        let mut before = ranges.waiting.iter();
        let waits = before
            .by_ref()
            .take(MAX_SEARCH)
            .any(|earlier| overlap(&range_of(earlier), &blocks))
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
        range_of: impl Fn(&Request<Loop>) -> Range<i64>,
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
            let blocks = range_of(&rq);
            let waits = searched >= MAX_SEARCH
                || waiting
                    .iter()
                    .any(|earlier| overlap(&range_of(earlier), &blocks));
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
}
