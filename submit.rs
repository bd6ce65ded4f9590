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
//! second task, where they follow each other, and so do in a third one reads of a file that had to wait. What
//! else turns out to have to wait, perhaps in interrupt context, is left to work of its own.

use crate::{
    abstractions::{
        block::{
            mq::{may_forward, Operations, Request, RequestBatch, RequestList},
            with_inner_plug, with_plug,
        },
        cgroup::{with_memcg, BlkcgScope},
        task::{cond_resched, IoWorkerScope},
    },
    device::{Binding, Loop, LoopDevice, State},
    loop_cmd::{LoopCmd, MayForward, Served},
};
use kernel::{
    impl_has_work, new_spinlock, new_work,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, ArcBorrow, SpinLock,
    },
    workqueue::{HasWork, Work, WorkItem},
};

/// Requests that wait for a work.
struct Lane {
    requests: RequestList<Loop>,
    /// The work is queued, or running, and will look here again.
    coming: bool,
}

impl Lane {
    const fn new() -> Self {
        Self {
            requests: RequestList::new(),
            coming: false,
        }
    }

    /// Has the work come, if something waits for it. Called with the lock that the lane is under, which keeps
    /// the requests, and so the device and its queue, from being done with.
    fn kick<const ID: u64>(&mut self, submitter: ArcBorrow<'_, Submitter>)
    where
        Submitter: WorkItem<ID, Pointer = Arc<Submitter>> + HasWork<Submitter, ID>,
    {
        if self.coming {
            return;
        }
        let Some(rq) = self.requests.first() else {
            return;
        };
        // There is one: no device is bound without, and the request was submitted to one that is.
        let Some(queue) = rq.disk().queue.as_ref() else {
            return;
        };
        // It may be about to return from its last run. Then it runs once more after that.
        let _ = queue.enqueue::<Arc<Submitter>, ID>(submitter.into());
        self.coming = true;
    }

    /// Takes the next one; is to be called until there is none.
    fn next(&mut self) -> Option<Request<Loop>> {
        let next = self.requests.pop_front();
        self.coming = next.is_some();
        next
    }
}

/// What waits in a hardware queue.
struct Waiting {
    /// What can be tried without waiting, or needs work of its own.
    tries: Lane,
    /// Writes of a file that may block.
    writes: Lane,
    /// Reads of a file that could not be done without waiting.
    reads: Lane,
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
            tries: Lane::new(),
            writes: Lane::new(),
            reads: Lane::new(),
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
        waiting.tries.kick::<TRIES>(this);
        waiting.writes.kick::<WRITES>(this);
    }

    /// Leaves what the device below had no tag for to the next batch.
    pub(crate) fn enqueue_try(rq: Request<Loop>) {
        let this: Arc<Self> = rq.hw_data().into();
        let mut waiting = this.waiting.lock();
        waiting.tries.requests.push_back(rq);
        waiting.tries.kick::<TRIES>(this.as_arc_borrow());
    }

    /// Leaves requests to works of their hardware queues.
    fn enqueue_all(mut requests: RequestList<Loop>, lane: impl Fn(&mut Waiting) -> &mut Lane) {
        while let Some(first) = requests.pop_front() {
            let this: Arc<Self> = first.hw_data().into();
            let mut waiting = this.waiting.lock();
            lane(&mut waiting).requests.push_back(first);
            while let Some(rq) = requests
                .pop_front_if(|rq| core::ptr::eq(&raw const *rq.hw_data(), &raw const *this))
            {
                lane(&mut waiting).requests.push_back(rq);
            }
            Self::kick(this.as_arc_borrow(), &mut waiting);
        }
    }

    /// Leaves a write that may block to the work for these.
    pub(crate) fn enqueue_write(rq: Request<Loop>) {
        let this: Arc<Self> = rq.hw_data().into();
        this.append_write(rq);
    }

    /// Leaves a write to the work of this one, whatever the hardware queue is, behind those that came before.
    pub(crate) fn append_write(self: Arc<Self>, rq: Request<Loop>) {
        let mut waiting = self.waiting.lock();
        waiting.writes.requests.push_back(rq);
        waiting.writes.kick::<WRITES>(self.as_arc_borrow());
    }

    /// Leaves a read that had to wait to the work for these.
    pub(crate) fn enqueue_read(rq: Request<Loop>) {
        let this: Arc<Self> = rq.hw_data().into();
        let mut waiting = this.waiting.lock();
        waiting.reads.requests.push_back(rq);
        waiting.reads.kick::<READS>(this.as_arc_borrow());
    }

    /// Issues a batch, and what came meanwhile as the next one.
    fn try_all(&self) {
        let _scope = IoWorkerScope::enter();
        loop {
            let mut requests = {
                let lane = &mut self.waiting.lock().tries;
                lane.coming = !lane.requests.is_empty();
                core::mem::take(&mut lane.requests)
            };
            if requests.is_empty() {
                return;
            }
            with_plug(|| {
                while let Some(rq) = requests.pop_front() {
                    LoopCmd::start(rq);
                    cond_resched();
                }
            });
        }
    }

    /// Carries out what waits in a lane, and what comes meanwhile, one after the other. Under no plug: what is
    /// issued here may be what the next one has to wait for.
    fn execute_all(&self, lane: impl Fn(&mut Waiting) -> &mut Lane) {
        let _scope = IoWorkerScope::enter();
        loop {
            let next = lane(&mut self.waiting.lock()).next();
            let Some(rq) = next else {
                return;
            };
            attributed(rq, LoopCmd::execute);
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

/// Calls `f` with a request in such a way that I/O and memory are accounted to the cgroup which the
/// request came from.
pub(crate) fn attributed(rq: Request<Loop>, f: impl FnOnce(Request<Loop>)) {
    // The worker is in the root group already.
    let Some(blkcg) = rq.blkcg() else {
        return f(rq);
    };
    let memcg = blkcg.memcg();
    let _scope = BlkcgScope::enter(blkcg);
    with_memcg(memcg.as_ref(), || f(rq));
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
            Served::Write(rq) => waiting.writes.requests.push_back(rq),
        }
        if is_last {
            Submitter::kick(hw, &mut waiting);
        } else {
            hw.held_back.store(true, Relaxed);
        }
    }

    fn queue_rqs(batch: RequestBatch<'_, Self>) {
        let (mut tries, mut writes) = (RequestList::new(), RequestList::new());
        with_inner_plug(|| {
            for rq in batch {
                // A cgroup may have to wait below for what its own task holds in the same plug (io.latency).
                let may_forward = match rq.blkcg() {
                    None => MayForward::NoWait,
                    Some(_) => MayForward::No,
                };
                match LoopCmd::serve(rq, may_forward) {
                    Served::Done => (),
                    Served::Try(rq) => tries.push_back(rq),
                    Served::Write(rq) => writes.push_back(rq),
                }
            }
        });
        Submitter::enqueue_all(tries, |waiting| &mut waiting.tries);
        Submitter::enqueue_all(writes, |waiting| &mut waiting.writes);
    }

    fn commit_rqs(_device: &LoopDevice, hw: ArcBorrow<'_, Submitter>) {
        Submitter::kick_held_back(hw);
    }

    fn complete(rq: Request<Self>) {
        LoopCmd::complete(rq);
    }
}
