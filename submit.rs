// SPDX-License-Identifier: GPL-2.0

//! Who issues commands: collecting them where the block layer hands them over, and carrying them out in
//! a task of our own.
//!
//! `queue_rq` may run in a task that is itself in the middle of file-system I/O, deep in the stack, with
//! locks of its filesystem held. So a request that needs a filesystem changes task. Others don't: direct I/O on
//! a block device or a pinned file, which goes on as a bio, and small reads that the page cache alone can serve.
//!
//! What a task held back in a plug comes in one piece. Bios go on at once then, too, but none waits for a tag of the
//! device below, which another request in the same plug may have.
//!
//! The price of changing task is paid back by batching: a hardware queue's requests are issued together,
//! under one plug, first all that can be done without waiting. Writes to a file that may have to wait go to a
//! second task, where they follow each other, and so do in a third one reads of a file that had to wait. Each
//! non-root cgroup has such tasks of its own (see `cgroup_queue.rs`). What else turns out to have to wait,
//! perhaps in interrupt context, is left to work of its own.
//!
//! Flushes, discards and writes of zeroes block, so they go straight to work of their own. Somebody waits for a
//! flush, and for the write between two of them: that work runs on the CPU at hand.

use crate::{
    abstractions::{
        block::{
            mq::{may_forward, Operations, Request, RequestBatch, RequestList},
            task_holds_requests, with_inner_plug, with_plug,
        },
        cgroup::Blkcg,
        task::{cond_resched, IoWorkerScope},
    },
    cgroup_queue::{CgroupQueues, Direction},
    device::{Binding, Loop, LoopDevice, State},
    loop_cmd::{LoopCmd, MayForward, Served},
    pending::Pending,
};
use kernel::{
    impl_has_work, new_spinlock, new_work,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, ArcBorrow, SpinLock,
    },
    workqueue::{Work, WorkItem},
};

/// What waits in a hardware queue.
struct Waiting {
    /// What can be tried without waiting, or needs work of its own.
    tries: Pending,
    /// Writes of a file that may block.
    writes: Pending,
    /// Reads of a file that could not be done without waiting.
    reads: Pending,
    /// What may block of non-root cgroups.
    cgroups: CgroupQueues,
}

/// Issues the requests of one hardware queue, or those of a device that have to be issued in order.
///
/// The lock is taken in tasks only, and does not keep interrupts off. A task that ends I/O with interrupts off
/// may take it too, so it must hold no lock that interrupts take. The block layer reports I/O that would have
/// had to wait under none.
#[pin_data]
pub(crate) struct Submitter {
    #[pin]
    waiting: SpinLock<Waiting>,
    /// Some of it was held back, for who did that to have it issued later.
    held_back: Atomic<bool>,
    #[pin]
    tries: Work<Submitter, TRIES>,
    #[pin]
    writes: Work<Submitter, WRITES>,
    #[pin]
    reads: Work<Submitter, READS>,
}

const TRIES: u64 = 0;
const WRITES: u64 = 1;
const READS: u64 = 2;

impl_has_work! {
    impl HasWork<Self, TRIES> for Submitter { self.tries }
    impl HasWork<Self, WRITES> for Submitter { self.writes }
    impl HasWork<Self, READS> for Submitter { self.reads }
}

impl Submitter {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let waiting = Waiting {
            tries: Pending::new(),
            writes: Pending::new(),
            reads: Pending::new(),
            cgroups: CgroupQueues::new(),
        };
        Arc::pin_init(
            pin_init!(Self {
                waiting <- new_spinlock!(waiting, "loop_submitter"),
                held_back: Atomic::new(false),
                tries <- new_work!("loop_tries"),
                writes <- new_work!("loop_writes"),
                reads <- new_work!("loop_reads"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has issued what this task has held back, if it has.
    #[inline]
    fn kick_held_back(this: ArcBorrow<'_, Self>) {
        // What others hold back is theirs to see.
        if this.held_back.load(Relaxed) {
            Self::kick(this, &mut this.waiting.lock());
        }
    }

    /// Has all that waits issued.
    fn kick(this: ArcBorrow<'_, Self>, waiting: &mut Waiting) {
        this.held_back.store(false, Relaxed);
        waiting.tries.schedule::<Submitter, TRIES>(this);
        waiting.writes.schedule::<Submitter, WRITES>(this);
    }

    /// Leaves what the device below had no tag for to the next batch.
    pub(crate) fn enqueue_try(rq: Request<Loop>) {
        let this: Arc<Self> = rq.hw_data().into();
        let mut waiting = this.waiting.lock();
        waiting.tries.requests.push_back(rq);
        waiting
            .tries
            .schedule::<Submitter, TRIES>(this.as_arc_borrow());
    }

    /// Adds a request that may block behind others of its kind, or leaves it to work of its own.
    fn push_blocking(waiting: &mut Waiting, rq: Request<Loop>) {
        let direction = Direction::of(&rq);
        let Some(cgroup) = rq.blkcg().map(Blkcg::id) else {
            let pending = match direction {
                Direction::Reads => &mut waiting.reads,
                Direction::Writes => &mut waiting.writes,
            };
            return pending.requests.push_back(rq);
        };
        if let Err(rq) = waiting.cgroups.push(cgroup, direction, rq) {
            LoopCmd::defer(rq);
        }
    }

    /// Leaves requests to works of their hardware queues.
    fn enqueue_all(mut requests: RequestList<Loop>, push: impl Fn(&mut Waiting, Request<Loop>)) {
        while let Some(first) = requests.pop_front() {
            let this: Arc<Self> = first.hw_data().into();
            let mut waiting = this.waiting.lock();
            push(&mut waiting, first);
            while let Some(rq) = requests
                .pop_front_if(|rq| core::ptr::eq(&raw const *rq.hw_data(), &raw const *this))
            {
                push(&mut waiting, rq);
            }
            Self::kick(this.as_arc_borrow(), &mut waiting);
        }
    }

    /// Leaves a request that may block to a task that it shares with others of its kind.
    pub(crate) fn enqueue_blocking(rq: Request<Loop>) {
        let this: Arc<Self> = rq.hw_data().into();
        let direction = Direction::of(&rq);
        let mut waiting = this.waiting.lock();
        Self::push_blocking(&mut waiting, rq);
        match direction {
            Direction::Reads => waiting.reads.schedule::<Self, READS>(this.as_arc_borrow()),
            Direction::Writes => waiting
                .writes
                .schedule::<Self, WRITES>(this.as_arc_borrow()),
        }
    }

    /// Leaves a write to the work of this one, whatever the hardware queue is, behind those that came before.
    pub(crate) fn append_write(self: Arc<Self>, rq: Request<Loop>) {
        let mut waiting = self.waiting.lock();
        waiting.writes.requests.push_back(rq);
        waiting
            .writes
            .schedule::<Submitter, WRITES>(self.as_arc_borrow());
    }

    /// Issues a batch, and what came meanwhile as the next one.
    fn try_all(&self) {
        let _scope = IoWorkerScope::enter();
        loop {
            let mut requests = self.waiting.lock().tries.take();
            if requests.is_empty() {
                return;
            }
            with_plug(|| {
                while let Some(first) = requests.pop_front() {
                    let cgroup = first.blkcg().map(Blkcg::id);
                    let is_same = |rq: &Request<Loop>| rq.blkcg().map(Blkcg::id) == cgroup;
                    first.attributed(|first| {
                        LoopCmd::start(first);
                        cond_resched();
                        while let Some(rq) = requests.pop_front_if(is_same) {
                            LoopCmd::start(rq);
                            cond_resched();
                        }
                    });
                }
            });
        }
    }

    /// Carries out what waits, and what comes meanwhile, one after the other. Under no plug: what is
    /// issued here may be what the next one has to wait for.
    fn execute_all(&self, pending: impl Fn(&mut Waiting) -> &mut Pending) {
        let _scope = IoWorkerScope::enter();
        loop {
            let next = pending(&mut self.waiting.lock()).next();
            let Some(rq) = next else {
                return;
            };
            // Those of a zoned device are of any cgroup.
            rq.attributed(LoopCmd::execute);
            cond_resched();
        }
    }
}

impl WorkItem<TRIES> for Submitter {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.try_all();
    }
}

impl WorkItem<WRITES> for Submitter {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.execute_all(|waiting| &mut waiting.writes);
    }
}

impl WorkItem<READS> for Submitter {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.execute_all(|waiting| &mut waiting.reads);
    }
}

impl Operations for Loop {
    type DiskData = LoopDevice;
    type State = State;
    type Config = Binding;
    type HwData = Arc<Submitter>;
    type RequestData = LoopCmd;

    fn new_hw_data() -> Result<Arc<Submitter>> {
        Submitter::new()
    }

    fn new_request_data() -> impl PinInit<LoopCmd, Error> {
        LoopCmd::new()
    }

    #[inline] // It has one caller.
    fn queue_rq(
        _device: &LoopDevice,
        hw: ArcBorrow<'_, Submitter>,
        rq: Request<Self>,
        is_last: bool,
    ) {
        // Before anything here can wait.
        if is_last {
            Submitter::kick_held_back(hw);
        }
        // Where others are behind it, what is passed on may have to wait for one of them.
        let may_forward = match is_last && may_forward() {
            true => MayForward::Wait,
            false => MayForward::No,
        };
        let served = LoopCmd::serve(rq, may_forward);
        if let Served::Done = served {
            return;
        }
        let mut waiting = hw.waiting.lock();
        match served {
            Served::Done => (),
            Served::Try(rq) => waiting.tries.requests.push_back(rq),
            Served::Block(rq) => {
                Submitter::push_blocking(&mut waiting, rq);
            }
        }
        if is_last {
            Submitter::kick(hw, &mut waiting);
        } else {
            hw.held_back.store(true, Relaxed);
        }
    }

    fn queue_rqs(batch: RequestBatch<'_, Self>) {
        let (mut tries, mut writes) = (RequestList::new(), RequestList::new());
        // A cgroup may have to wait below for what its own task holds back meanwhile (io.latency).
        let may_forward_cgroup = match task_holds_requests() {
            true => MayForward::No,
            false => MayForward::NoWait,
        };
        with_inner_plug(|| {
            for rq in batch {
                let may_forward = match rq.blkcg() {
                    None => MayForward::NoWait,
                    Some(_) => may_forward_cgroup,
                };
                match LoopCmd::serve(rq, may_forward) {
                    Served::Done => (),
                    Served::Try(rq) => tries.push_back(rq),
                    Served::Block(rq) => writes.push_back(rq),
                }
            }
        });
        Submitter::enqueue_all(tries, |waiting, rq| waiting.tries.requests.push_back(rq));
        Submitter::enqueue_all(writes, |waiting, rq| {
            Submitter::push_blocking(waiting, rq);
        });
    }

    fn commit_rqs(_device: &LoopDevice, hw: ArcBorrow<'_, Submitter>) {
        Submitter::kick_held_back(hw);
    }

    fn complete(rq: Request<Self>) {
        LoopCmd::complete(rq);
    }
}
