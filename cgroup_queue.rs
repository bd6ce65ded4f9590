// SPDX-License-Identifier: GPL-2.0

//! Requests of non-root cgroups that a worker issues.
//!
//! One work item issues the requests of a cgroup and [`Kind`] in turn, as one does for the root
//! cgroup: they take the inode's lock in turn anyway, and many tasks that contend for it are far
//! slower than one. A throttled cgroup must not hold up others, so each has work items of its own,
//! also for what is tried without waiting: a disk below may throttle it in the task that submits
//! (`io.cost`), even if that is not to wait.
//!
//! A queue is allocated when a cgroup first needs one, and given to another cgroup when it is idle.
//! It holds no reference to its cgroup, since the requests in it do. If there is no memory for a
//! queue, or [`MAX_QUEUES`] are in use, a request blocks in work of its own.

use crate::{
    abstractions::block::mq::{Request, RequestList},
    driver::Loop,
    pending::Pending,
};
use kernel::{
    alloc::flags::__GFP_NOWARN,
    impl_has_work, new_spinlock, new_work,
    prelude::*,
    sync::{Arc, SpinLock},
    workqueue::Work,
};

/// The most queues that a hardware queue may have.
const MAX_QUEUES: usize = 48;

/// What the requests of a queue have in common besides their cgroup. Reads must not wait for
/// writes, and what is tried not for what may block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of a cgroup these are buffered reads.
    Nowait,
    BlockingReads,
    BlockingWrites,
}

/// Requests of one cgroup and kind, issued one after the other.
#[pin_data]
pub(crate) struct CgroupQueue {
    #[pin]
    pending: SpinLock<Pending>,
    #[pin]
    work: Work<CgroupQueue>,
}

impl_has_work! {
    impl HasWork<Self> for CgroupQueue { self.work }
}

impl CgroupQueue {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                pending <- new_spinlock!(Pending::new(), "loop_cgroup_queue"),
                work <- new_work!("loop_cgroup_queue"),
            }),
            GFP_NOWAIT | __GFP_NOWARN,
        )
    }

    /// Takes all requests. The work item calls this until there are none. When it has found none,
    /// another cgroup may get the queue, so by then it must have done with the requests of before.
    pub(crate) fn take(&self) -> RequestList<Loop> {
        self.pending.lock().take()
    }
}

/// A queue, and the cgroup ([`Blkcg::id`](crate::abstractions::cgroup::Blkcg::id)) that it belongs
/// to, or belonged to last.
struct Entry {
    cgroup: u64,
    kind: Kind,
    queue: Arc<CgroupQueue>,
}

/// The queues of a hardware queue, under its lock.
pub(crate) struct CgroupQueues {
    entries: KVec<Entry>,
    /// The position of the one queue that has got requests and is not scheduled.
    unscheduled: Option<usize>,
}

impl CgroupQueues {
    pub(crate) const fn new() -> Self {
        Self {
            entries: KVec::new(),
            unscheduled: None,
        }
    }

    /// Adds a request to the queue of its cgroup and kind, for which the caller then calls
    /// [`schedule`](Self::schedule), perhaps after more requests. Gives the request back if the
    /// cgroup cannot have a queue. Any context but interrupts.
    pub(crate) fn push(
        &mut self,
        cgroup: u64,
        kind: Kind,
        rq: Request<Loop>,
    ) -> Result<(), Request<Loop>> {
        let Some(position) = self.find(cgroup, kind) else {
            return Err(rq);
        };
        if self.unscheduled != Some(position) {
            self.schedule();
        }
        let Some(Entry { queue, .. }) = self.entries.get(position) else {
            return Err(rq);
        };
        let mut pending = queue.pending.lock();
        pending.requests.push_back(rq);
        if !pending.is_scheduled() {
            self.unscheduled = Some(position);
        }
        Ok(())
    }

    /// Schedules the work item of the queue that has got requests, if there is one.
    #[inline]
    pub(crate) fn schedule(&mut self) {
        let unscheduled = self.unscheduled.take();
        if let Some(Entry { queue, .. }) = unscheduled.and_then(|at| self.entries.get(at)) {
            let mut pending = queue.pending.lock();
            pending.schedule::<CgroupQueue, 0>(queue.as_arc_borrow());
        }
    }

    /// The position of the queue of a cgroup and kind, perhaps of a new one.
    fn find(&mut self, cgroup: u64, kind: Kind) -> Option<usize> {
        let is_own = |entry: &Entry| entry.cgroup == cgroup && entry.kind == kind;
        // Requests are added only under the lock of `self`, so an idle queue stays idle.
        let is_idle = |entry: &Entry| entry.queue.pending.lock().is_idle();
        let entries = &mut self.entries;
        let position = match entries.iter().position(is_own) {
            None => entries.iter().position(is_idle),
            own => own,
        };
        let position = match position {
            Some(position) => position,
            None if entries.len() < MAX_QUEUES => {
                let queue = CgroupQueue::new().ok()?;
                let entry = Entry {
                    cgroup,
                    kind,
                    queue,
                };
                entries.push(entry, GFP_NOWAIT | __GFP_NOWARN).ok()?;
                entries.len() - 1
            }
            None => return None,
        };
        let entry = entries.get_mut(position)?;
        entry.cgroup = cgroup;
        entry.kind = kind;
        Some(position)
    }
}
