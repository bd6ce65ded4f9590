// SPDX-License-Identifier: GPL-2.0

//! Requests of non-root cgroups that may block.
//!
//! One work item issues the requests of a cgroup in turn, as one does for the root cgroup: they
//! take the inode's lock in turn anyway, and many tasks that contend for it are far slower than
//! one. A throttled cgroup must not hold up others, so each cgroup has a work item of its own.
//!
//! A queue is allocated when a cgroup first needs one, and given to another cgroup when it is idle.
//! It holds no reference to its cgroup, since the requests in it do. If there is no memory for a
//! queue, or [`MAX_QUEUES`] are in use, a request blocks in work of its own.

use crate::{abstractions::block::mq::Request, driver::Loop, pending::Pending};
use kernel::{
    alloc::flags::__GFP_NOWARN,
    impl_has_work, new_spinlock, new_work,
    prelude::*,
    sync::{Arc, SpinLock},
    workqueue::Work,
};

/// The most queues that a hardware queue may have.
const MAX_QUEUES: usize = 32;

/// Requests that are issued under one attribution. After that the memory cgroup, which may have
/// changed, is looked up again.
pub(crate) const BATCH: usize = 64;

/// What the requests of a queue have in common besides their cgroup: reads must not wait for
/// writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Reads,
    Writes,
}

impl Direction {
    pub(crate) fn of(rq: &Request<Loop>) -> Self {
        match rq.op().is_write() {
            true => Self::Writes,
            false => Self::Reads,
        }
    }
}

/// Requests of one cgroup and direction, issued one after the other.
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

    /// Takes the next request. The work item calls this until the queue is empty.
    pub(crate) fn next(&self) -> Option<Request<Loop>> {
        self.pending.lock().next()
    }
}

/// A queue, and the cgroup ([`Blkcg::id`](crate::abstractions::cgroup::Blkcg::id)) that it belongs
/// to, or belonged to last.
struct Entry {
    cgroup: u64,
    direction: Direction,
    queue: Arc<CgroupQueue>,
}

/// The queues of a hardware queue, under its lock.
pub(crate) struct CgroupQueues(KVec<Entry>);

impl CgroupQueues {
    pub(crate) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Adds a request to the queue of its cgroup and direction; gives it back if the cgroup cannot
    /// have one. Any context but interrupts.
    pub(crate) fn push(
        &mut self,
        cgroup: u64,
        direction: Direction,
        rq: Request<Loop>,
    ) -> Result<(), Request<Loop>> {
        let Some(queue) = self.find(cgroup, direction) else {
            return Err(rq);
        };
        let mut pending = queue.pending.lock();
        pending.requests.push_back(rq);
        pending.schedule::<CgroupQueue, 0>(queue.as_arc_borrow());
        Ok(())
    }

    fn find(&mut self, cgroup: u64, direction: Direction) -> Option<&Arc<CgroupQueue>> {
        let is_own = |entry: &Entry| entry.cgroup == cgroup && entry.direction == direction;
        // Requests are added only under the lock of `self`, so an idle queue stays idle.
        let is_idle = |entry: &Entry| entry.queue.pending.lock().is_idle();
        let entries = &mut self.0;
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
                    direction,
                    queue,
                };
                entries.push(entry, GFP_NOWAIT | __GFP_NOWARN).ok()?;
                entries.len() - 1
            }
            None => return None,
        };
        let entry = entries.get_mut(position)?;
        entry.cgroup = cgroup;
        entry.direction = direction;
        Some(&entry.queue)
    }
}
