// SPDX-License-Identifier: GPL-2.0

//! Withdraws discard and write-zeroes from a device when the backing file turns out not to support
//! them.
//!
//! Most file systems do not say in advance whether a file can punch holes or zero ranges, so the
//! limits offer both until a request fails. To change the limits the queue is frozen, and a freeze
//! waits for the failed request, and for requests that wait for the same work item. So a work item
//! of its own changes them.
//!
//! A request in flight may take long, or hang, and must not hold up all others. So a freeze that
//! takes long is given up, and tried again a few times, with growing pauses ([`TRIES`]). After that
//! it is tried only when another request has been refused, and only while no request is in flight.
//! Meanwhile the block layer keeps sending requests, and the driver refuses them.
//!
//! The work item sleeps neither for a pause nor for a lock: a freezable queue has to run empty
//! before the system can be suspended.

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

/// For each try, the pause before it and the timeout of its freeze, in ms: longer each time, since
/// freezing also waits for a grace period of RCU, which may be long in itself.
const TRIES: [(Msecs, Msecs); 3] = [(0, 50), (1000, 200), (3000, 400)];

/// The pause and the timeout, in ms, of a try that is made only while no request is in flight.
const LAST_TRY: (Msecs, Msecs) = (1000, 400);

/// Removes from a disk's limits, once, what its backing file does not support.
///
/// It may hold the last reference to the disk, whose release destroys the disk's own queues. So it
/// runs on a queue of the system.
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
    /// Schedules the change of the limits of a request's disk, unless it is scheduled already. May
    /// sleep.
    ///
    /// Without memory for that, the block layer keeps sending requests, and the driver refuses
    /// them.
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
        // Without tries left, the pause is for the refused request to end.
        let (pause, _) = TRIES.get(this.tries).copied().unwrap_or(LAST_TRY);
        workqueue::system_freezable().enqueue_delayed(this, msecs_to_jiffies(pause));
    }

    /// Changes the limits; fails with `EBUSY` if a lock is taken, or other requests would be held
    /// up too long.
    fn try_now(&self) -> Result {
        let disk = &self.disk;
        // The holder of the lock may wait for a request.
        let mut guard = disk.try_lock().ok_or(EBUSY)?;
        // If the disk is bound to another file by now, nothing is known of that file, and no limit
        // changes.
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
        // With the queue frozen, so that no request is refused between this and the end of the try.
        if let (Some(binding), limits) = update.parts() {
            match binding.pinned() {
                Some(pinned) => pinned.set_discard_limits(limits),
                None => binding.apply_unsupported(limits),
            }
        }
        // Limits that allow less cannot be invalid.
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
        // From here on the next refused request starts anew.
        device.withdrawing.store(false, Relaxed);
    }
}
