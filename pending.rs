// SPDX-License-Identifier: GPL-2.0

//! Requests that wait for a work item, which takes them in order.

use crate::{
    abstractions::block::mq::{Request, RequestList},
    driver::Loop,
};
use kernel::{
    sync::{Arc, ArcBorrow},
    workqueue::{HasWork, WorkItem},
};

/// Requests that wait for work item `ID` of their owner, which protects them with a lock.
pub(crate) struct Pending {
    pub(crate) requests: RequestList<Loop>,
    /// The work item is queued or running, and will take requests that are added.
    scheduled: bool,
}

impl Pending {
    pub(crate) const fn new() -> Self {
        Self {
            requests: RequestList::new(),
            scheduled: false,
        }
    }

    /// Whether the work item will take requests that are added.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.scheduled
    }

    /// Whether no request waits and the work item is not scheduled.
    pub(crate) fn is_idle(&self) -> bool {
        !self.scheduled && self.requests.is_empty()
    }

    /// Schedules the work item of the owner, unless it is scheduled already or the list is empty.
    ///
    /// The caller holds the lock that protects `self`. Until it drops the lock no request in the
    /// list can end, so the device and its workqueue stay.
    pub(crate) fn schedule<O, const ID: u64>(&mut self, owner: ArcBorrow<'_, O>)
    where
        O: WorkItem<ID, Pointer = Arc<O>> + HasWork<O, ID> + Send + Sync + 'static,
    {
        if self.scheduled {
            return;
        }
        let Some(rq) = self.requests.first() else {
            return;
        };
        // Never `None`: the queue is made before a device is bound, and only a bound device gets
        // requests.
        let Some(queue) = rq.disk().queue.as_ref() else {
            return;
        };
        // If the work item is just returning from its last run, it runs once more after that.
        let _ = queue.enqueue::<Arc<O>, ID>(owner.into());
        self.scheduled = true;
    }

    /// Takes the next request. The work item calls this until the list is empty.
    pub(crate) fn next(&mut self) -> Option<Request<Loop>> {
        let next = self.requests.pop_front();
        self.scheduled = next.is_some();
        next
    }

    /// Takes all requests at once. The work item calls this until the list is empty.
    pub(crate) fn take(&mut self) -> RequestList<Loop> {
        self.scheduled = !self.requests.is_empty();
        core::mem::take(&mut self.requests)
    }
}
