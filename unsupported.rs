// SPDX-License-Identifier: GPL-2.0

//! Taking back what a device has promised, when it turns out that the backing file cannot do it.
//!
//! Of most file systems it is not known whether a file can punch holes or zero ranges. The limits say yes until a request
//! fails. To change them the queue has to be frozen, which means to wait for that request, and for any
//! that uses its work item next: so this is work of its own.
//!
//! Some requests may take long, or for ever, and nothing else is to be held up for their sake. So a freeze that takes
//! long is given up, and tried again a few times, with pauses that grow. After those it is only tried, when another
//! request has been refused, while no request is under way. Meanwhile the block layer goes on to ask, and is refused.
//!
//! No work item waits for a pause or for who holds a lock: a queue that is freezable has to run empty before the system
//! can be suspended.

use crate::{
    abstractions::block::{disk::Disk, mq::Request},
    device::Phase,
    driver::Loop,
};
use kernel::{
    impl_has_delayed_work, new_delayed_work,
    prelude::*,
    sync::{aref::ARef, atomic::Relaxed},
    time::{msecs_to_jiffies, Msecs},
    workqueue::{self, DelayedWork, WorkItem},
};

/// Milliseconds before each try, and for how long it may hold all up for those that are on their way: longer each
/// time, since freezing also waits for a grace period of RCU, which may be long in itself.
const TRIES: [(Msecs, Msecs); 3] = [(0, 50), (1000, 200), (3000, 400)];

/// The same for a try of which it is known that there is nothing to wait for.
const LAST_TRY: (Msecs, Msecs) = (1000, 400);

/// Takes off a disk's limits, once, what its backing file does not support.
///
/// It may hold the last reference to the disk, which releases the queues that belong to it. So it runs on a queue of
/// the system.
#[pin_data]
pub(crate) struct Withdraw {
    #[pin]
    work: DelayedWork<Withdraw>,
    disk: ARef<Disk<Loop>>,
    /// The number of tries before this one.
    tries: usize,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Withdraw { self.work }
}

impl Withdraw {
    /// Has the limits changed to what the binding of a request has found out, unless that is under way. May sleep.
    ///
    /// Where there is no memory for that, the block layer goes on to ask and to be refused.
    pub(crate) fn enqueue(rq: &Request<Loop>) {
        let device = rq.disk();
        if device.withdrawing.xchg(true, Relaxed) {
            return;
        }
        let tries = match device.is_hard_to_freeze.load(Relaxed) {
            true => TRIES.len(),
            false => 0,
        };
        let work = KBox::pin_init(
            pin_init!(Self {
                work <- new_delayed_work!("loop_withdraw"),
                disk: rq.disk_ref(),
                tries,
            }),
            GFP_KERNEL,
        );
        match work {
            Ok(work) => Self::schedule(work),
            Err(_) => device.withdrawing.store(false, Relaxed),
        }
    }

    fn schedule(this: Pin<KBox<Self>>) {
        // Without tries left, time for the request that was refused to end.
        let (pause, _) = TRIES.get(this.tries).copied().unwrap_or(LAST_TRY);
        workqueue::system_freezable().enqueue_delayed(this, msecs_to_jiffies(pause));
    }

    /// Takes the limits back; fails with `EBUSY` where others would have to wait too long for that.
    fn try_now(&self) -> Result {
        let disk = &self.disk;
        // Whoever has the locks may wait for a request.
        let mut guard = disk.try_lock().ok_or(EBUSY)?;
        // If it is bound to another file by now, nothing is known of that, and nothing changes.
        let (Phase::Bound, Some(_)) = (disk.data().phase(), guard.config()) else {
            return Ok(());
        };
        // A queue is not frozen while writes are blocked (see `WriteBarrier::block`).
        if disk.data().write_barrier.is_blocking() {
            return Err(EBUSY);
        }
        if self.tries >= TRIES.len() && guard.has_started_requests() {
            return Err(EBUSY);
        }
        let update = guard.try_update_limits().ok_or(EBUSY)?;
        let (_, patience) = TRIES.get(self.tries).copied().unwrap_or(LAST_TRY);
        let mut update = update
            .freeze_timeout(msecs_to_jiffies(patience))
            .ok_or(EBUSY)?;
        // With the queue frozen, so nothing is refused between this and the end of the try.
        if let (Some(binding), limits) = update.parts() {
            match binding.pinned() {
                Some(pinned) => pinned.set_discard_limits(limits),
                None => binding.apply_unsupported(limits),
            }
        }
        // Limits do not become invalid by what they allow no more.
        let (_, _frozen) = update.commit();
        disk.data().withdrawing.store(false, Relaxed);
        Ok(())
    }
}

impl WorkItem for Withdraw {
    type Pointer = Pin<KBox<Self>>;

    fn run(mut this: Pin<KBox<Self>>) {
        let result = this.try_now();
        let tries = this.tries.saturating_add(1);
        if result.is_err() && tries < TRIES.len() {
            *this.as_mut().project().tries = tries;
            return Self::schedule(this);
        }
        let device = this.disk.data();
        device.is_hard_to_freeze.store(result.is_err(), Relaxed);
        // From here on the next request that is refused begins anew.
        device.withdrawing.store(false, Relaxed);
    }
}
