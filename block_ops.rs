// SPDX-License-Identifier: GPL-2.0

//! The `block_device_operations`: open, release and ioctl.

use crate::{
    abstractions::{
        block::disk::{disk_vtable, Disk, DiskOperations, Ioctl, OpenLocked},
        module::this_module,
    },
    configure,
    device::{set_phase, Phase},
    driver::Loop,
    ioctl,
};
use kernel::prelude::*;

disk_vtable!(Loop);

#[vtable]
impl DiskOperations for Loop {
    const OWNER: &'static ThisModule = this_module();

    fn open(disk: &Disk<Self>) -> Result {
        let _guard = disk.lock_killable()?;
        match disk.data().phase() {
            Phase::Unbound | Phase::Bound => Ok(()),
            Phase::Rundown | Phase::Deleting => Err(ENXIO),
        }
    }

    fn release(open: &OpenLocked<'_, Self>) {
        let disk = open.disk();
        if disk.openers() > 0 {
            return;
        }
        {
            let guard = disk.lock();
            if disk.data().phase() == Phase::Bound && guard.autoclear {
                set_phase(&guard, Phase::Rundown);
            }
            if disk.data().phase() != Phase::Rundown {
                return;
            }
        }
        // No other task gets here: during the rundown the device can be neither opened nor removed.
        configure::detach(open);
    }

    fn ioctl(io: Ioctl<'_, Self>) -> Result<i32> {
        ioctl::native(&io)
    }

    fn compat_ioctl(io: Ioctl<'_, Self>) -> Result<i32> {
        ioctl::compat(&io)
    }
}
