// SPDX-License-Identifier: GPL-2.0

//! Who issues commands: collecting them where the block layer hands them over, and carrying them out in
//! a task of our own.
//!
//! `queue_rq` may run in a task that is itself in the middle of file-system I/O, deep in the stack, with
//! a plug and a list of bios of its own. So a request always changes task. The price of that is paid
//! back by batching: a hardware queue's requests are issued together, under one plug.

use crate::{
    abstractions::{
        block::{
            mq::{Operations, Request, RequestList},
            with_plug,
        },
        cgroup::{with_memcg, BlkcgScope},
        task::{cond_resched, IoWorkerScope},
    },
    device::{Binding, Loop, LoopDevice, State},
    loop_cmd::LoopCmd,
};
use kernel::{
    impl_has_work, new_spinlock, new_work,
    prelude::*,
    sync::{Arc, ArcBorrow, SpinLock},
    workqueue::{Work, WorkItem},
};

/// What waits to be issued.
struct Waiting {
    requests: RequestList<Loop>,
    /// The work is queued, and has not taken the requests yet.
    kicked: bool,
}

/// Issues the requests of one hardware queue.
#[pin_data]
pub(crate) struct Submitter {
    #[pin]
    waiting: SpinLock<Waiting>,
    #[pin]
    work: Work<Submitter>,
}

impl_has_work! {
    impl HasWork<Self> for Submitter { self.work }
}

impl Submitter {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                waiting <- new_spinlock!(
                    Waiting {
                        requests: RequestList::new(),
                        kicked: false,
                    },
                    "loop_submitter"
                ),
                work <- new_work!("loop_submitter"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has the work run, if anything waits for it and nobody has done so yet.
    fn kick(this: ArcBorrow<'_, Self>, device: &LoopDevice) {
        {
            let mut waiting = this.waiting.lock();
            if waiting.kicked || waiting.requests.is_empty() {
                return;
            }
            waiting.kicked = true;
        }
        if let Some(queue) = device.queue.as_ref() {
            // It may be running still. Then it is queued once more, and finds what came meanwhile.
            let _ = queue.enqueue(Arc::from(this));
        }
    }
}

impl WorkItem for Submitter {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let mut requests = {
            let mut waiting = this.waiting.lock();
            waiting.kicked = false;
            core::mem::take(&mut waiting.requests)
        };
        let _scope = IoWorkerScope::enter();
        with_plug(|| {
            while let Some(rq) = requests.pop_front() {
                LoopCmd::start(rq);
                cond_resched();
            }
        });
    }
}

/// Calls `f` with a request in such a way that I/O and memory are accounted to the cgroup which the
/// request came from.
pub(crate) fn attributed(rq: Request<Loop>, f: impl FnOnce(Request<Loop>)) {
    // The worker is in the root group already.
    let Some(blkcg) = rq.blkcg().filter(|blkcg| !blkcg.is_root()) else {
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

    fn queue_rq(
        device: &LoopDevice,
        hw: ArcBorrow<'_, Submitter>,
        rq: Request<Self>,
        is_last: bool,
    ) {
        if rq.config().is_some() {
            hw.waiting.lock().requests.push_back(rq);
        } else {
            // No file: nothing to read, and nowhere to write.
            rq.end(Err(EIO));
        }
        if is_last {
            Submitter::kick(hw, device);
        }
    }

    fn commit_rqs(device: &LoopDevice, hw: ArcBorrow<'_, Submitter>) {
        Submitter::kick(hw, device);
    }

    fn complete(rq: Request<Self>) {
        LoopCmd::complete(rq);
    }
}
