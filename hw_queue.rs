// SPDX-License-Identifier: GPL-2.0

//! The lists of a hardware queue: requests that wait for one of its work items.

use crate::{
    abstractions::{
        block::mq::{Request, RequestList},
        cgroup::Blkcg,
    },
    cgroup_queue::{CgroupQueues, Kind},
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

/// Requests that wait, by the work item that issues them.
pub(crate) struct Lists {
    /// Requests of the root cgroup whose issue waits for memory and tags only.
    pub(crate) nowait: Pending,
    /// Writes that may block: of the root cgroup, or, in the queue of a zoned device, of any
    /// cgroup.
    pub(crate) blocking_writes: Pending,
    /// Reads of the root cgroup that may block.
    pub(crate) blocking_reads: Pending,
    /// Requests of non-root cgroups.
    cgroups: CgroupQueues,
}

/// A hardware queue; or the queue for the writes of a zoned device, which have to stay in order
/// (`Binding::ordered`).
///
/// The lock of `lists` is taken in process context only, without disabling interrupts. A task that
/// ends I/O with interrupts disabled may take it too, so it must not hold a lock that interrupt
/// handlers take. The block layer holds none where it ends a disk's bio with `BLK_STS_AGAIN`; after
/// one of a stacked device, which may end in an interrupt, no list changes.
#[pin_data]
pub(crate) struct HwQueue {
    #[pin]
    lists: SpinLock<Lists>,
    /// Requests were queued with `!is_last`; `commit_rqs`, or the last request, schedules the work.
    /// Written under the lock of `lists`.
    held_back: Atomic<bool>,
    #[pin]
    nowait: Work<HwQueue, NOWAIT>,
    #[pin]
    blocking_writes: Work<HwQueue, BLOCKING_WRITES>,
    #[pin]
    blocking_reads: Work<HwQueue, BLOCKING_READS>,
}

/// The IDs of the work items.
pub(crate) const NOWAIT: u64 = 0;
pub(crate) const BLOCKING_WRITES: u64 = 1;
pub(crate) const BLOCKING_READS: u64 = 2;

impl_has_work! {
    impl HasWork<Self, NOWAIT> for HwQueue { self.nowait }
    impl HasWork<Self, BLOCKING_WRITES> for HwQueue { self.blocking_writes }
    impl HasWork<Self, BLOCKING_READS> for HwQueue { self.blocking_reads }
}

/// Takes requests that are routed to a list of their hardware queue.
pub(crate) trait Sink {
    /// Adds a request to the nowait list of its cgroup. Gives it back if the cgroup cannot have a
    /// queue.
    fn push_nowait(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>>;

    /// Adds a request to the blocking list of its cgroup and direction. Gives it back if the cgroup
    /// cannot have a queue.
    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>>;
}

impl Lists {
    fn push_nowait(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        self.push(Kind::Nowait, rq)
    }

    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        let kind = match rq.op().is_write() {
            true => Kind::BlockingWrites,
            false => Kind::BlockingReads,
        };
        self.push(kind, rq)
    }

    #[inline]
    fn push(&mut self, kind: Kind, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        let Some(cgroup) = rq.blkcg().map(Blkcg::id) else {
            let pending = match kind {
                Kind::Nowait => &mut self.nowait,
                Kind::BlockingReads => &mut self.blocking_reads,
                Kind::BlockingWrites => &mut self.blocking_writes,
            };
            pending.requests.push_back(rq);
            return Ok(());
        };
        self.cgroups.push(cgroup, kind, rq)
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

    /// Schedules the work items if requests were held back.
    #[inline]
    pub(crate) fn commit(this: ArcBorrow<'_, Self>) {
        // Relaxed is enough: a task sees its own store, and other tasks commit what they hold back.
        if this.held_back.load(Relaxed) {
            Self::schedule(this, &mut this.lists.lock());
        }
    }

    /// Schedules the work item of each list that is not empty.
    fn schedule(this: ArcBorrow<'_, Self>, lists: &mut Lists) {
        this.held_back.store(false, Relaxed);
        lists.nowait.schedule::<Self, NOWAIT>(this);
        lists
            .blocking_writes
            .schedule::<Self, BLOCKING_WRITES>(this);
        lists.blocking_reads.schedule::<Self, BLOCKING_READS>(this);
        lists.cgroups.schedule();
    }

    /// Appends a write to the list, whatever the write's own hardware queue is.
    pub(crate) fn append_write(this: ArcBorrow<'_, Self>, rq: Request<Loop>) {
        let mut lists = this.lists.lock();
        lists.blocking_writes.requests.push_back(rq);
        lists
            .blocking_writes
            .schedule::<Self, BLOCKING_WRITES>(this);
    }

    /// Takes all requests of the nowait list. The nowait work calls this until the list is empty.
    pub(crate) fn take_nowait(&self) -> RequestList<Loop> {
        self.lists.lock().nowait.take()
    }

    /// Takes the next request of a list. The list's work item calls this until the list is empty.
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
    fn push_nowait(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        self.push(|lists| lists.push_nowait(rq))
    }

    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        self.push(|lists| lists.push_blocking(rq))
    }
}

/// The sink for one request outside of `queue_rq`: schedules the work items at once. Process
/// context.
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
    fn push_nowait(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        Self::push(rq, Lists::push_nowait)
    }

    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        Self::push(rq, Lists::push_blocking)
    }
}

/// The sink of `queue_rqs`: requests of one or more hardware queues, collected so that each lock is
/// taken once.
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

    /// Adds all requests to the lists of their hardware queues. Calls `own_work` with each request
    /// whose cgroup cannot have a queue.
    pub(crate) fn submit(self, own_work: impl Fn(Request<Loop>)) {
        Self::push_all(self.nowait, Lists::push_nowait, &own_work);
        Self::push_all(self.blocking, Lists::push_blocking, &own_work);
    }

    fn push_all(
        mut requests: RequestList<Loop>,
        push: impl Fn(&mut Lists, Request<Loop>) -> Result<(), Request<Loop>>,
        own_work: impl Fn(Request<Loop>),
    ) {
        let push = |lists: &mut Lists, rq| {
            if let Err(rq) = push(lists, rq) {
                own_work(rq);
            }
        };
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
    fn push_nowait(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        self.nowait.push_back(rq);
        Ok(())
    }

    fn push_blocking(&mut self, rq: Request<Loop>) -> Result<(), Request<Loop>> {
        self.blocking.push_back(rq);
        Ok(())
    }
}
