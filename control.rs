// SPDX-License-Identifier: GPL-2.0

//! The index of all devices: `/dev/loop-control`, and devices that are made when their node is
//! opened.

use crate::{
    abstractions::{
        block::major::Probe, error::enosys, miscdevice::MiscDevice, module::this_module,
        sync::LockKillable,
    },
    device::{LoopDisk, Phase},
    driver::{DeviceParams, Loop, Shared},
};
use kernel::{
    new_mutex, pr_warn_once,
    prelude::*,
    rbtree::{RBTree, RBTreeNode},
    sync::{Arc, Mutex},
};

const LOOP_CTL_ADD: u32 = 0x4c80;
const LOOP_CTL_REMOVE: u32 = 0x4c81;
const LOOP_CTL_GET_FREE: u32 = 0x4c82;

/// Minor number of `/dev/loop-control` (`LOOP_CTRL_MINOR`).
const LOOP_CTRL_MINOR: i32 = 237;

/// A number that is taken.
enum Slot {
    /// A task is making or removing the device; no other task may use the number.
    Busy,
    /// The device exists.
    Ready(LoopDisk),
}

/// All devices, by number.
#[pin_data]
pub(crate) struct Index {
    shared: Arc<Shared>,
    /// Opening a node makes only devices with lower numbers.
    limit: Option<u32>,
    #[pin]
    slots: Mutex<RBTree<u32, Slot>>,
}

impl Index {
    /// Makes an empty index.
    pub(crate) fn new(params: DeviceParams, limit: Option<u32>) -> Result<Arc<Self>> {
        let shared = Shared::new(params)?;
        Arc::pin_init(
            pin_init!(Self {
                shared,
                limit,
                slots <- new_mutex!(RBTree::new(), "loop_index"),
            }),
            GFP_KERNEL,
        )
    }

    /// Makes device `id`, or the device with the lowest free number if `id` is negative. Returns
    /// its number.
    pub(crate) fn add(&self, id: i32) -> Result<i32> {
        let id = self.reserve(u32::try_from(id).ok())?;
        match Loop::new_disk(id, self.shared.clone()) {
            Ok(disk) => {
                if let Some(slot) = self.slots.lock().get_mut(&id) {
                    *slot = Slot::Ready(disk);
                }
                Ok(id as i32)
            }
            Err(e) => {
                self.slots.lock().remove(&id);
                Err(e)
            }
        }
    }

    fn reserve(&self, id: Option<u32>) -> Result<u32> {
        let node = RBTreeNode::new(id.unwrap_or(0), Slot::Busy, GFP_KERNEL)?;
        let mut slots = self.slots.lock_killable()?;
        let id = match id {
            Some(id) if slots.get(&id).is_some() => return Err(EEXIST),
            Some(id) => id,
            None => lowest_free(slots.keys()),
        };
        let reservation = node.into_reservation();
        slots.insert(reservation.into_node(id, Slot::Busy));
        Ok(id)
    }

    fn remove(&self, id: i32) -> Result<i32> {
        let Ok(id) = u32::try_from(id) else {
            pr_warn_once!("deleting an unspecified loop device is not supported.\n");
            return Err(EINVAL);
        };
        let disk = {
            let mut slots = self.slots.lock_killable()?;
            let slot = slots.get_mut(&id).ok_or(ENODEV)?;
            match core::mem::replace(slot, Slot::Busy) {
                Slot::Busy => return Err(ENODEV),
                Slot::Ready(disk) => disk,
            }
        };
        if let Err(e) = Loop::retire(&disk) {
            if let Some(slot) = self.slots.lock().get_mut(&id) {
                *slot = Slot::Ready(disk);
            }
            return Err(e);
        }
        // Not under the lock: the drop waits for users of the disk.
        drop(disk);
        self.slots.lock().remove(&id);
        Ok(0)
    }

    /// Finds an unbound device, or makes one. Returns its number.
    fn get_free(&self) -> Result<i32> {
        let free = self
            .slots
            .lock_killable()?
            .iter()
            .find_map(|(&id, slot)| match slot {
                // Another task may bind it first; the caller then tries again.
                Slot::Ready(disk) if disk.data().phase() == Phase::Unbound => Some(id),
                _ => None,
            });
        match free {
            Some(id) => Ok(id as i32),
            None => self.add(-1),
        }
    }
}

/// The lowest number that is not among `taken`, which come in ascending order.
fn lowest_free<'a>(taken: impl Iterator<Item = &'a u32>) -> u32 {
    let mut free = 0;
    for &id in taken {
        if id != free {
            break;
        }
        free += 1;
    }
    free
}

impl Probe for Index {
    fn probe(&self, minor: u32) {
        let id = minor >> self.shared.params.part_bits;
        if self.limit.is_some_and(|limit| id >= limit) {
            return;
        }
        // Without a device, the open fails.
        let _ = self.add(id as i32);
    }
}

/// `/dev/loop-control`.
pub(crate) struct Control;

impl MiscDevice for Control {
    type Data = Index;
    const NAME: &'static CStr = c"loop-control";
    const MINOR: i32 = LOOP_CTRL_MINOR;
    const OWNER: &'static ThisModule = this_module();

    fn ioctl(index: &Index, cmd: u32, arg: usize) -> Result<i32> {
        // ABI: the number is an `int`; only the low 32 bits count.
        let id = arg as i32;
        match cmd {
            LOOP_CTL_ADD => index.add(id),
            LOOP_CTL_REMOVE => index.remove(id),
            LOOP_CTL_GET_FREE => index.get_free(),
            _ => Err(enosys()),
        }
    }
}
