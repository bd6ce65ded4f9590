// SPDX-License-Identifier: GPL-2.0

//! Taking back what a device has promised, when it turns out that the backing file cannot do it.
//!
//! Of most file systems it is not known whether a file can punch holes or zero ranges. The limits say yes until a request
//! fails. To change them the queue has to be frozen, which means to wait for that request, and for any
//! that uses its work item next: so this is work of its own.
//!
//! Some requests may take long, and nothing else is to be held up for their sake. So a freeze that takes long is
//! given up, and tried again later. Meanwhile the block layer goes on to ask, and is refused.

use crate::{
    abstractions::block::{disk::Disk, limits::LimitsUpdate, mq::Request},
    device::{Loop, Phase},
};
use core::ops::Range;
use kernel::{
    impl_has_work, new_work,
    prelude::*,
    sync::aref::ARef,
    time::{delay::fsleep, msecs_to_jiffies, Delta, Msecs},
    workqueue::{Work, WorkItem},
};

/// How long all may be held up for those that are on their way: longer each time, since freezing also waits for a
/// grace period of RCU, which may be long in itself.
const FREEZE_MS: Range<Msecs> = 50..400;
const PAUSE: Delta = Delta::from_millis(1000);

/// Takes off a disk's limits, once, what its backing file does not support.
#[pin_data]
pub(crate) struct Withdraw {
    #[pin]
    work: Work<Withdraw>,
    disk: ARef<Disk<Loop>>,
}

impl_has_work! {
    impl HasWork<Self> for Withdraw { self.work }
}

impl Withdraw {
    /// Has the limits changed to what the binding of a request has found out. May sleep.
    ///
    /// Where there is no memory for that, the block layer goes on to ask and to be refused.
    pub(crate) fn enqueue(rq: &Request<Loop>) {
        let Some(queue) = rq.disk().queue.as_ref() else {
            return;
        };
        let work = KBox::pin_init(
            pin_init!(Self {
                work <- new_work!("loop_withdraw"),
                disk: rq.disk_ref(),
            }),
            GFP_KERNEL,
        );
        if let Ok(work) = work {
            queue.enqueue(work);
        }
    }
}

impl WorkItem for Withdraw {
    type Pointer = Pin<KBox<Self>>;

    fn run(this: Pin<KBox<Self>>) {
        let mut patience = FREEZE_MS.start;
        while !this.try_now(patience) {
            fsleep(PAUSE);
            patience = patience.saturating_mul(2).min(FREEZE_MS.end);
        }
    }
}

impl Withdraw {
    /// Gives up after so many milliseconds. False if it has to be tried again.
    fn try_now(&self, patience: Msecs) -> bool {
        let disk = &self.disk;
        let mut guard = disk.lock();
        // If it is bound to another file by now, nothing is known of that, and nothing changes.
        let (Phase::Bound, Some(binding)) = (disk.data().phase(), guard.config()) else {
            return true;
        };
        // In pinned mode they are those of the device below. They are taken back when that ends.
        if binding.pinned().is_some() {
            return true;
        }
        let mut limits = LimitsUpdate::start(disk);
        binding.apply_unsupported(&mut limits);
        let Some(frozen) = guard.freeze_timeout(msecs_to_jiffies(patience)) else {
            return false;
        };
        // Limits do not become invalid by what they allow no more.
        let _ = limits.commit_frozen(&frozen);
        true
    }
}
