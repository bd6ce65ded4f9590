// SPDX-License-Identifier: GPL-2.0

//! Block devices and their drivers.

pub mod disk;
pub mod limits;
pub mod major;
pub mod mq;

#[cfg(FILE_EXTENTS)]
mod bio_set;
mod device;
mod plug;

#[cfg(FILE_EXTENTS)]
pub use bio_set::BioSet;
#[cfg(FILE_EXTENTS)]
pub use device::ZeroMode;
pub use device::{BlockDevice, Claim, DeviceLimits, Extent};
pub use plug::{task_holds_requests, with_inner_plug, with_plug};
