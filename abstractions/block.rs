// SPDX-License-Identifier: GPL-2.0

//! Block devices and their drivers.

pub mod disk;
pub mod limits;
pub mod major;
pub mod mq;

mod bio_set;
mod device;
mod plug;

pub use bio_set::BioSet;
pub use device::{BlockDevice, DeviceLimits, Extent, ZeroMode};
pub use plug::{task_holds_requests, with_inner_plug, with_plug};
