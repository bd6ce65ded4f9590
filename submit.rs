// SPDX-License-Identifier: GPL-2.0

//! The entry points of the block layer, and the work items that issue requests.
//!
//! `queue_rq` may run deep in the stack of a task that is in the middle of file-system I/O and
//! holds locks of its file system. So a request that needs a file system is handed to a worker;
//! `route.rs` says which requests need none. Batching makes up for the cost: the nowait work of a
//! hardware queue issues all waiting requests under one plug.
//!
//! A task that flushes its plug hands over all requests in it at once (`queue_rqs`). The driver
//! submits bios for them directly, too, but with `REQ_NOWAIT`: another request in the same plug may
//! hold the tag that a bio would wait for.

use crate::{
    abstractions::{
        block::{
            mq::{can_submit_now, Operations, Request, RequestBatch, RequestList},
            task_holds_requests, with_inner_plug, with_plug,
        },
        task::{cond_resched, IoPriorityScope, IoWorkerScope},
    },
    binding::Binding,
    cgroup_queue::CgroupQueue,
    device::{LoopDevice, State},
    driver::Loop,
    hw_queue::{Batch, HwQueue, Lists, Submitted, BLOCKING_READS, BLOCKING_WRITES, NOWAIT},
    loop_cmd::LoopCmd,
    pending::Pending,
    route::SubmitContext,
};
use kernel::{
    prelude::*,
    sync::{Arc, ArcBorrow},
    workqueue::WorkItem,
};

/// Issues requests of a nowait list, which are all of one cgroup. Called under a plug.
fn issue_nowait(first: Request<Loop>, mut rest: RequestList<Loop>) {
    let mut next = Some(first);
    while let Some(first) = next {
        let ioprio = first.ioprio();
        let _priority = IoPriorityScope::enter(ioprio);
        LoopCmd::issue_nowait(first);
        cond_resched();
        while let Some(rq) = rest.pop_front_if(|rq| rq.ioprio() == ioprio) {
            LoopCmd::issue_nowait(rq);
            cond_resched();
        }
        next = rest.pop_front();
    }
}

impl WorkItem<NOWAIT> for HwQueue {
    type Pointer = Arc<Self>;

    /// Issues the nowait list as one batch under a plug, and repeats that until the list is empty.
    fn run(this: Arc<Self>) {
        let _scope = IoWorkerScope::enter();
        loop {
            let mut requests = this.take_nowait();
            let Some(first) = requests.pop_front() else {
                return;
            };
            with_plug(|| issue_nowait(first, requests));
        }
    }
}

/// Issues the requests of a list one after the other until the list is empty. Uses no plug: the
/// next request may have to wait for I/O that a plug would hold back.
fn issue_blocking(queue: &HwQueue, list: impl Fn(&mut Lists) -> &mut Pending) {
    let _scope = IoWorkerScope::enter();
    while let Some(rq) = queue.next(&list) {
        // The list of a zoned device has requests of any cgroup.
        rq.attributed(LoopCmd::issue_blocking);
        cond_resched();
    }
}

impl WorkItem<BLOCKING_WRITES> for HwQueue {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        issue_blocking(&this, |lists| &mut lists.blocking_writes);
    }
}

impl WorkItem<BLOCKING_READS> for HwQueue {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        issue_blocking(&this, |lists| &mut lists.blocking_reads);
    }
}

impl WorkItem for CgroupQueue {
    type Pointer = Arc<Self>;

    /// Issues the requests of the queue until it is empty: as those of a hardware queue, but each
    /// batch is attributed to the cgroup.
    fn run(this: Arc<Self>) {
        let _scope = IoWorkerScope::enter();
        loop {
            let mut requests = this.take();
            let Some(mut first) = requests.pop_front() else {
                return;
            };
            // The requests of a queue are of one cgroup and kind.
            match LoopCmd::is_nowait(&mut first) {
                true => with_plug(|| first.attributed(|first| issue_nowait(first, requests))),
                false => first.attributed(|first| {
                    LoopCmd::issue_blocking(first);
                    while let Some(rq) = requests.pop_front() {
                        cond_resched();
                        LoopCmd::issue_blocking(rq);
                    }
                }),
            }
        }
    }
}

#[vtable]
impl Operations for Loop {
    type DiskData = LoopDevice;
    type State = State;
    type Config = Binding;
    type HwData = Arc<HwQueue>;
    type RequestData = LoopCmd;

    fn new_hw_data() -> Result<Arc<HwQueue>> {
        HwQueue::new()
    }

    fn new_request_data() -> impl PinInit<LoopCmd, Error> {
        LoopCmd::new()
    }

    #[inline] // It has one caller.
    fn queue_rq(
        _device: &LoopDevice,
        queue: ArcBorrow<'_, HwQueue>,
        rq: Request<Self>,
        is_last: bool,
    ) {
        // First, since `submit()` may wait.
        if is_last {
            HwQueue::commit(queue);
        }
        // The bio could wait for a request that is still to follow, so only the last request
        // becomes a bio here.
        let context = match is_last && can_submit_now() {
            true => SubmitContext::MayWait,
            false => SubmitContext::NoSubmit,
        };
        LoopCmd::submit(rq, context, &mut Submitted { queue, is_last });
    }

    fn queue_rqs(requests: RequestBatch<'_, Self>) {
        let mut batch = Batch::new();
        // A bio of a cgroup may have to wait (`io.latency`) for earlier requests of the cgroup,
        // which this task may hold in its plug.
        let cgroup_context = match task_holds_requests() {
            true => SubmitContext::NoSubmit,
            false => SubmitContext::NoWait,
        };
        with_inner_plug(|| {
            for rq in requests {
                let context = match rq.blkcg() {
                    None => SubmitContext::NoWait,
                    Some(_) => cgroup_context,
                };
                LoopCmd::submit(rq, context, &mut batch);
            }
        });
        batch.submit(LoopCmd::block_in_own_work);
    }

    fn commit_rqs(_device: &LoopDevice, queue: ArcBorrow<'_, HwQueue>) {
        HwQueue::commit(queue);
    }

    fn complete(rq: Request<Self>) {
        LoopCmd::complete(rq);
    }
}
