// SPDX-License-Identifier: GPL-2.0

//! Partitions of a disk, as the block layer knows them, and what is done to all of them at once.

use super::{
    super::{device::BlockDevice, mq::Operations},
    Disk, OpenLocked,
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::{aref::ARef, rcu},
};

/// What the block layer knows of a partition.
#[derive(PartialEq, Eq)]
pub struct Partition {
    /// First sector, in units of 512 bytes.
    pub start: u64,
    /// Length in 512-byte sectors.
    pub sectors: u64,
    /// As text, terminated by NUL; empty if the table has none. The same holds for `name`.
    pub uuid: [u8; bindings::PARTITION_META_INFO_UUIDLTH as usize],
    pub name: [u8; bindings::PARTITION_META_INFO_VOLNAMELTH as usize],
}

impl Partition {
    /// The highest number that a scan gives to a partition.
    pub const MAX_NUMBER: u32 = bindings::DISK_MAX_PARTS - 1;
}

impl Default for Partition {
    fn default() -> Self {
        Self {
            start: 0,
            sectors: 0,
            uuid: [0; bindings::PARTITION_META_INFO_UUIDLTH as usize],
            name: [0; bindings::PARTITION_META_INFO_VOLNAMELTH as usize],
        }
    }
}

impl<T: Operations> OpenLocked<'_, T> {
    /// Partition `number`, from 1 to [`Partition::MAX_NUMBER`], if there is one.
    pub fn partition(&self, number: u32) -> Option<Partition> {
        let device = self.disk().partition_device(number)?;
        let (uuid, name) = device.meta_info();
        Some(Partition {
            start: device.start(),
            sectors: device.sectors(),
            uuid,
            name,
        })
    }
}

impl<T: Operations> Disk<T> {
    /// The block device of partition `number`, if there is one. Without `open_mutex` the partition
    /// may be removed at any time.
    fn partition_device(&self, number: u32) -> Option<ARef<BlockDevice>> {
        let _rcu = rcu::read_lock();
        // SAFETY: By the type invariants the disk is live. The entries of `part_tbl` are block
        // devices.
        let bdev =
            unsafe { bindings::xa_load(&raw mut (*self.as_ptr()).part_tbl, number as c_ulong) };
        let bdev = NonNull::new(bdev.cast::<bindings::block_device>())?;
        // SAFETY: A device that was in the table is freed an RCU grace period later at the
        // earliest, and the RCU read lock is held since it was found there.
        let kobj =
            unsafe { bindings::kobject_get_unless_zero(&raw mut (*bdev.as_ptr()).bd_device.kobj) };
        // SAFETY: `kobject_get_unless_zero()` took the reference, if it did not return null.
        (!kobj.is_null()).then(|| unsafe { ARef::from_raw(bdev.cast()) })
    }

    /// Calls `f` for the device of the whole disk, and for those of its partitions.
    fn for_each_device(&self, mut f: impl FnMut(&BlockDevice)) {
        f(self.part0());
        for number in 1..=Partition::MAX_NUMBER {
            if let Some(device) = self.partition_device(number) {
                f(&device);
            }
        }
    }

    /// Whether the page cache of the disk, or of one of its partitions, has pages that are dirty or
    /// under writeback; may change at once.
    pub fn has_dirty_pages(&self) -> bool {
        let mut is_dirty = false;
        self.for_each_device(|device| is_dirty |= device.mapping().is_dirty());
        is_dirty
    }

    /// Sets, on the disk and its partitions, whether the page cache keeps pages from being modified
    /// while they are written; see [`BlockDevice::set_stable_pages`].
    pub fn set_stable_pages(&self, on: bool) {
        self.for_each_device(|device| device.set_stable_pages(on));
    }

    /// Writes the dirty pages of the page caches of the disk and of its partitions, and drops the
    /// clean ones. An error is kept for the next sync of the device. May sleep.
    pub fn write_and_drop_caches(&self) {
        self.for_each_device(|device| {
            let _ = device.mapping().write_dirty();
            device.invalidate();
        });
    }

    /// Drops clean pages of the page caches of the disk and of its partitions, also pages in use:
    /// see [`BlockDevice::invalidate_in_use`]. The caller should not hold `open_mutex`, as this may
    /// take long, and opening or closing the disk takes that mutex.
    pub fn invalidate_in_use(&self) {
        self.for_each_device(BlockDevice::invalidate_in_use);
    }
}
