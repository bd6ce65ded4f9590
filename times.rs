// SPDX-License-Identifier: GPL-2.0

//! Updates the times of a backing file whose blocks are written past its file system: mtime, ctime
//! and change counter.
//!
//! Pinned mode and bios to a backing block device bypass `write_iter`, which would call
//! `file_update_time()`. Instead, each such write marks the times: in pinned mode when it ends, to
//! a block device when it begins, as `blkdev_write_iter()` does. The first mark after an update
//! schedules the next update, which runs within a second ([`MAX_LOOKS`]). A flush, the end of
//! pinned mode and detach update at once. While the times are marked, a write only reads the mark.
//! The update calls the file system, so it runs in process context only.
//!
//! The mark is write access to the file system ([`WriteAccess`]), which the update drops. So a
//! freeze waits for the update, the update never waits for a thaw, and a frozen file system has no
//! new data with old times. Errors of updates are ignored: a file system that was shut down or is
//! read-only keeps the times that it has.
//!
//! # Durability
//!
//! After a crash, data that a flush or FUA has made durable must not have times that a program has
//! seen before the data was written. Only a commit of the file system's journal makes times
//! durable. That costs more than a flush, and a file system on the device flushes often. The kernel
//! tracks whether times were queried (multigrain timestamps), so:
//!
//! - If times were queried since the last commit, the next flush updates and commits them.
//! - If they were not, no program knows the durable ones. A flush commits them at most every
//!   [`COMMIT_EVERY_MS`], for tools that compare them with the clock.
//! - All other flushes update the times in memory only, and flush the device below.

use crate::abstractions::{
    fs::{FileExt, WriteAccess, WriteAccessSlot},
    task::IoWorkerScope,
    time::jiffies,
    workqueue::flush_delayed,
};
use kernel::{
    fs::File,
    impl_has_delayed_work, new_delayed_work, new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
    time::{msecs_to_jiffies, Msecs},
    workqueue::{system_freezable, DelayedWork, WorkItem},
};

/// Interval in ms at which the work item looks whether a freeze of the file system waits for the
/// update. It updates at the latest after [`MAX_LOOKS`] of them; the rest of a second is for the
/// worker to start.
const LOOK_EVERY_MS: Msecs = 90;
const MAX_LOOKS: u32 = 10;

/// How much older than a flushed write the durable times may be, in ms, if they were not queried.
const COMMIT_EVERY_MS: Msecs = 100;

/// See the head of the file.
#[pin_data]
pub(crate) struct Times {
    /// The file, and the mark: full from a write to the next update, while `work` is queued.
    written: WriteAccessSlot,
    /// Runs on a queue of the system: a queue of the device's must not be destroyed before the
    /// timer has fired. [`Times::finish`] waits for the work, so it is not queued when this is
    /// dropped.
    #[pin]
    work: DelayedWork<Times>,
    /// How often `work` has looked since the times were marked. Relaxed: it only delays the update.
    looks: Atomic<u32>,
    /// Whether the file's times may not be durable. Locked during updates and commits.
    #[pin]
    is_dirty: Mutex<bool>,
    /// Whether an update since the last commit replaced times that were queried. Written under
    /// `is_dirty`. Relaxed, as the next: a commit decides under `is_dirty`. `is_due` reads both
    /// after the times, with an acquire in between; the update replaces those with a full barrier.
    were_queried: Atomic<bool>,
    /// When the times were last committed, in jiffies. Written under `is_dirty`.
    committed_at: Atomic<usize>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self> for Times { self.work }
}

impl Times {
    pub(crate) fn new(file: ARef<File>) -> Result<Arc<Self>> {
        let long_ago = jiffies().wrapping_sub(msecs_to_jiffies(COMMIT_EVERY_MS));
        Arc::pin_init(
            pin_init!(Self {
                written: WriteAccessSlot::new(file),
                looks: Atomic::new(0),
                work <- new_delayed_work!("loop_times"),
                is_dirty <- new_mutex!(false, "loop_times"),
                were_queried: Atomic::new(false),
                committed_at: Atomic::new(long_ago),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether the times are marked: there was a write since the last update. Any context.
    #[inline]
    pub(crate) fn is_marked(&self) -> bool {
        self.written.is_full()
    }

    /// Marks the times, as a write to the block device that the file is begins. While the file
    /// system of the device's node is frozen, the times stay as they are. Process context.
    #[inline]
    pub(crate) fn begin_device_write(self: &Arc<Self>) {
        if !self.is_marked() {
            if let Some(access) = self.file().super_block().try_start_write() {
                self.mark(access);
            }
        }
    }

    /// Marks the times with the access of a write to the file's blocks. Any context.
    #[cold]
    pub(crate) fn mark(self: &Arc<Self>, access: WriteAccess<'_>) {
        if self.written.put(access) {
            self.looks.store(0, Relaxed);
            self.look_later();
        }
    }

    /// Schedules the work item. If it is queued already it has not begun, and will find the mark.
    fn look_later(self: &Arc<Self>) {
        let delay = match self.file().super_block().is_freezing() {
            true => 0,
            false => msecs_to_jiffies(LOOK_EVERY_MS),
        };
        let _ = system_freezable().enqueue_delayed(self.clone(), delay);
    }

    fn file(&self) -> &File {
        self.written.file()
    }

    /// Whether a FUA write whose data is durable has to wait for a [commit](Self::commit) before it
    /// ends. Any context.
    pub(crate) fn is_due(&self) -> bool {
        // In this order: an update notes that the times were queried before it replaces them.
        self.file().times_were_queried() || self.must_commit()
    }

    fn must_commit(&self) -> bool {
        let age = jiffies().wrapping_sub(self.committed_at.load(Relaxed));
        self.were_queried.load(Relaxed) || age >= msecs_to_jiffies(COMMIT_EVERY_MS)
    }

    /// Updates the times if they are marked. May sleep for as long as the file system takes, but
    /// does not wait for a thaw.
    pub(crate) fn update(&self) {
        drop(self.update_locked(&mut self.is_dirty.lock()));
    }

    /// Updates the times if they are marked, and returns the access that was the mark.
    fn update_locked(&self, is_dirty: &mut bool) -> Option<WriteAccess<'_>> {
        let access = self.written.take()?;
        if self.file().times_were_queried() {
            self.were_queried.store(true, Relaxed);
        }
        let _ = self.file().update_times(&access);
        *is_dirty = true;
        Some(access)
    }

    /// Updates the times as [`update`](Self::update) does, and commits them if they have to be
    /// durable now. Does not flush the device that stores the data. An error may be one of
    /// writeback, so the caller reports it to the user that flushes.
    pub(crate) fn commit(&self) -> Result {
        let mut is_dirty = self.is_dirty.lock();
        let access = self.update_locked(&mut is_dirty);
        if !*is_dirty || !self.must_commit() {
            return Ok(());
        }
        // A freeze that has begun commits everything, but only when all writes to the file system
        // have ended. Until then this does it, though on btrfs `fsync()` may then wait for the thaw
        // if the freeze gets so far meanwhile.
        let sb = self.file().super_block();
        let access = access.or_else(|| sb.try_start_write());
        if access.is_none() && sb.is_synced_by_freeze() {
            return Ok(());
        }
        let now = jiffies();
        let result = self.file().fsync();
        if result.is_ok() {
            *is_dirty = false;
            self.were_queried.store(false, Relaxed);
            self.committed_at.store(now, Relaxed);
        }
        result
    }

    /// Updates the times after the last write, and waits for the work item, which is not queued any
    /// more afterwards. Sleeps as [`update`](Self::update) does.
    pub(crate) fn finish(&self) {
        self.update();
        // A work item that is running may queue itself once more, and then finds no mark.
        flush_delayed(self);
        flush_delayed(self);
    }
}

impl WorkItem for Times {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // Memory reclaim in this task must not wait for writes to this device.
        let _scope = IoWorkerScope::enter();
        // A freeze waits for the access that is the mark, and all writers of the file system wait
        // for the freeze.
        let looks = this.looks.load(Relaxed).saturating_add(1);
        if looks < MAX_LOOKS && this.written.is_full() && !this.file().super_block().is_freezing() {
            this.looks.store(looks, Relaxed);
            return this.look_later();
        }
        this.update();
    }
}
