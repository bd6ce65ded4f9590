// SPDX-License-Identifier: GPL-2.0

//! The entry points of the block layer, and the work items that issue requests.
//!
//! `queue_rq` may run in a task that is itself in the middle of file-system I/O, deep in the stack, with
//! locks of its file system held. So a request that needs a file system changes task; `route.rs` says which
//! requests do not. The price of changing task is paid back by batching: a hardware queue's requests are issued
//! together, under one plug, first all that can be issued without waiting.
//!
//! The requests that a task held back in a plug come in one piece (`queue_rqs`). Bios are submitted at once then,
//! too, but none waits for a tag of the device below, which another request in the same plug may have.

use crate::{
    abstractions::{
        block::{
            mq::{can_submit_now, Operations, Request, RequestBatch},
            task_holds_requests, with_inner_plug, with_plug,
        },
        cgroup::Blkcg,
        task::{cond_resched, IoWorkerScope},
    },
    binding::Binding,
    cgroup_queue::{CgroupQueue, BATCH},
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

impl WorkItem<NOWAIT> for HwQueue {
    type Pointer = Arc<Self>;

    /// Issues a batch, and what came meanwhile as the next one.
    fn run(this: Arc<Self>) {
        let _scope = IoWorkerScope::enter();
        loop {
            let mut requests = this.take_nowait();
            if requests.is_empty() {
                return;
            }
            with_plug(|| {
                while let Some(first) = requests.pop_front() {
                    let cgroup = first.blkcg().map(Blkcg::id);
                    let is_same = |rq: &Request<Loop>| rq.blkcg().map(Blkcg::id) == cgroup;
                    first.attributed(|first| {
                        LoopCmd::issue_nowait(first);
                        cond_resched();
                        while let Some(rq) = requests.pop_front_if(is_same) {
                            LoopCmd::issue_nowait(rq);
                            cond_resched();
                        }
                    });
                }
            });
        }
    }
}

/// Carries out the requests of a list, and those that come meanwhile, one after the other. Under no plug: what is
/// issued here may be what the next request has to wait for.
fn issue_blocking(queue: &HwQueue, list: impl Fn(&mut Lists) -> &mut Pending) {
    let _scope = IoWorkerScope::enter();
    while let Some(rq) = queue.next(&list) {
        // Those of a zoned device are of any cgroup.
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

    /// Under no plug: what is issued here may be what the next request has to wait for.
    fn run(this: Arc<Self>) {
        let _scope = IoWorkerScope::enter();
        while let Some(first) = this.next() {
            first.attributed(|first| {
                LoopCmd::issue_blocking(first);
                for _ in 1..BATCH {
                    cond_resched();
                    // The queue is not idle until it is empty, so this is the same cgroup.
                    let Some(rq) = this.next() else {
                        return;
                    };
                    LoopCmd::issue_blocking(rq);
                }
            });
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
        // Before anything here can wait.
        if is_last {
            HwQueue::commit(queue);
        }
        // If more requests follow, a bio may wait for one of them, so it is not submitted here.
        let context = match is_last && can_submit_now() {
            true => SubmitContext::MayWait,
            false => SubmitContext::NoSubmit,
        };
        LoopCmd::submit(rq, context, &mut Submitted { queue, is_last });
    }

    fn queue_rqs(requests: RequestBatch<'_, Self>) {
        let mut batch = Batch::new();
        // A cgroup may have to wait below for what its own task holds back meanwhile (io.latency).
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
