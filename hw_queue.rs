// SPDX-License-Identifier: GPL-2.0

//! The lists of a hardware queue: requests that wait for one of its work items.

use crate::{
    abstractions::{
        block::mq::{Request, RequestList},
        cgroup::Blkcg,
    },
    cgroup_queue::{CgroupQueues, Direction},
    driver::Loop,
    pending::Pending,
};
use kernel::{
    impl_has_work, new_spinlock, new_work,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, ArcBorrow, SpinLock,
    },
    workqueue::Work,
};

/// Requests that wait, by the work item that takes them.
pub(crate) struct Lists {
    /// Requests that do not wait, but for memory and tags.
    pub(crate) nowait: Pending,
    /// Writes that may block.
    pub(crate) blocking_writes: Pending,
    /// Reads that may block.
    pub(crate) blocking_reads: Pending,
    /// Requests of non-root cgroups that may block.
    cgroups: CgroupQueues,
}

/// A hardware queue; or the queue of a device whose writes have to be issued in order.
///
/// The lock is taken in tasks only, and does not keep interrupts off. A task that ends I/O with interrupts
/// disabled may take it too, so no lock that interrupts take may be held then. The block layer holds none where
/// it reports I/O that would have had to wait.
#[pin_data]
pub(crate) struct HwQueue {
    #[pin]
    lists: SpinLock<Lists>,
    /// Requests were queued with `!is_last`; `commit_rqs`, or the last request, schedules the work.
    held_back: Atomic<bool>,
    #[pin]
    nowait: Work<HwQueue, NOWAIT>,
    #[pin]
    blocking_writes: Work<HwQueue, BLOCKING_WRITES>,
    #[pin]
    blocking_reads: Work<HwQueue, BLOCKING_READS>,
}

/// The numbers of the work items.
pub(crate) const NOWAIT: u64 = 0;
pub(crate) const BLOCKING_WRITES: u64 = 1;
pub(crate) const BLOCKING_READS: u64 = 2;

impl_has_work! {
    impl HasWork<Self, NOWAIT> for HwQueue { self.nowait }
    impl HasWork<Self, BLOCKING_WRITES> for HwQueue { self.blocking_writes }
    impl HasWork<Self, BLOCKING_READS> for HwQueue { self.blocking_reads }
}

/// Takes requests that were routed to a list of their hardware queue.
pub(crate) trait Sink {
    /// Adds a request to those that do not wait.
    fn push_nowait(&mut self, rq: Request<Loop>);

    /// Adds a request to those of its cgroup and direction that may block. Gives it back if the cgroup cannot
    /// have a queue.
    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>>;
}

impl Lists {
    /// Adds a request to those of its cgroup and direction that may block. Gives it back if the cgroup cannot
    /// have a queue.
    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        let direction = Direction::of(&rq);
        let Some(cgroup) = rq.blkcg().map(Blkcg::id) else {
            let pending = match direction {
                Direction::Reads => &mut self.blocking_reads,
                Direction::Writes => &mut self.blocking_writes,
            };
            pending.requests.push_back(rq);
            return Ok(());
        };
        self.cgroups.push(cgroup, direction, rq)
    }
}

impl HwQueue {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let lists = Lists {
            nowait: Pending::new(),
            blocking_writes: Pending::new(),
            blocking_reads: Pending::new(),
            cgroups: CgroupQueues::new(),
        };
        Arc::pin_init(
            pin_init!(Self {
                lists <- new_spinlock!(lists, "loop_hw_queue"),
                held_back: Atomic::new(false),
                nowait <- new_work!("loop_nowait"),
                blocking_writes <- new_work!("loop_blocking_writes"),
                blocking_reads <- new_work!("loop_blocking_reads"),
            }),
            GFP_KERNEL,
        )
    }

    /// Schedules the work for what this task has held back, if it has.
    #[inline]
    pub(crate) fn commit(this: ArcBorrow<'_, Self>) {
        // What other tasks hold back is theirs to commit.
        if this.held_back.load(Relaxed) {
            Self::schedule(this, &mut this.lists.lock());
        }
    }

    /// Schedules the work of each list that is not empty.
    fn schedule(this: ArcBorrow<'_, Self>, lists: &mut Lists) {
        this.held_back.store(false, Relaxed);
        lists.nowait.schedule::<Self, NOWAIT>(this);
        lists
            .blocking_writes
            .schedule::<Self, BLOCKING_WRITES>(this);
        lists.blocking_reads.schedule::<Self, BLOCKING_READS>(this);
    }

    /// Adds a write behind those that came before, whatever its own hardware queue is.
    pub(crate) fn append_write(this: ArcBorrow<'_, Self>, rq: Request<Loop>) {
        let mut lists = this.lists.lock();
        lists.blocking_writes.requests.push_back(rq);
        lists
            .blocking_writes
            .schedule::<Self, BLOCKING_WRITES>(this);
    }

    /// Takes all requests that do not wait. The nowait work calls this until there is none.
    pub(crate) fn take_nowait(&self) -> RequestList<Loop> {
        self.lists.lock().nowait.take()
    }

    /// Takes the next request of a list. Its work calls this until there is none.
    pub(crate) fn next(&self, list: impl Fn(&mut Lists) -> &mut Pending) -> Option<Request<Loop>> {
        list(&mut self.lists.lock()).next()
    }
}

/// The sink of `queue_rq`.
pub(crate) struct Submitted<'a> {
    pub(crate) queue: ArcBorrow<'a, HwQueue>,
    pub(crate) is_last: bool,
}

impl Submitted<'_> {
    fn push<R>(&mut self, push: impl FnOnce(&mut Lists) -> R) -> R {
        let mut lists = self.queue.lists.lock();
        let result = push(&mut lists);
        if self.is_last {
            HwQueue::schedule(self.queue, &mut lists);
        } else {
            self.queue.held_back.store(true, Relaxed);
        }
        result
    }
}

impl Sink for Submitted<'_> {
    fn push_nowait(&mut self, rq: Request<Loop>) {
        self.push(|lists| lists.nowait.requests.push_back(rq));
    }

    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        self.push(|lists| lists.push_blocking(rq))
    }
}

/// The sink for a single request, whose hardware queue is at rest perhaps. In tasks only.
pub(crate) struct Single;

impl Single {
    fn push<R>(rq: Request<Loop>, push: impl FnOnce(&mut Lists, Request<Loop>) -> R) -> R {
        let queue: Arc<HwQueue> = rq.hw_data().into();
        let mut lists = queue.lists.lock();
        let result = push(&mut lists, rq);
        HwQueue::schedule(queue.as_arc_borrow(), &mut lists);
        result
    }
}

impl Sink for Single {
    fn push_nowait(&mut self, rq: Request<Loop>) {
        Self::push(rq, |lists, rq| lists.nowait.requests.push_back(rq));
    }

    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        Self::push(rq, Lists::push_blocking)
    }
}

/// The sink of `queue_rqs`: requests of one or more hardware queues, collected so that each lock is taken once.
pub(crate) struct Batch {
    nowait: RequestList<Loop>,
    blocking: RequestList<Loop>,
}

impl Batch {
    pub(crate) const fn new() -> Self {
        Self {
            nowait: RequestList::new(),
            blocking: RequestList::new(),
        }
    }

    /// Adds all requests to the lists of their hardware queues. `own_work` gets those of cgroups that cannot have
    /// a queue.
    pub(crate) fn submit(self, own_work: impl Fn(Request<Loop>)) {
        Self::push_all(self.nowait, |lists, rq| lists.nowait.requests.push_back(rq));
        Self::push_all(self.blocking, |lists, rq| {
            if let Err(rq) = lists.push_blocking(rq) {
                own_work(rq);
            }
        });
    }

    fn push_all(mut requests: RequestList<Loop>, push: impl Fn(&mut Lists, Request<Loop>)) {
        while let Some(first) = requests.pop_front() {
            let queue: Arc<HwQueue> = first.hw_data().into();
            let is_same =
                |rq: &Request<Loop>| core::ptr::eq(&raw const *rq.hw_data(), &raw const *queue);
            let mut lists = queue.lists.lock();
            push(&mut lists, first);
            while let Some(rq) = requests.pop_front_if(is_same) {
                push(&mut lists, rq);
            }
            HwQueue::schedule(queue.as_arc_borrow(), &mut lists);
        }
    }
}

impl Sink for Batch {
    fn push_nowait(&mut self, rq: Request<Loop>) {
        self.nowait.push_back(rq);
    }

    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        self.blocking.push_back(rq);
        Ok(())
    }
}
