// SPDX-License-Identifier: GPL-2.0

//! The driver's type, which implements the block layer's traits, and what its devices share.

use crate::abstractions::block::mq::QueueCounts;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// Major number of loop devices (`LOOP_MAJOR`).
pub(crate) const LOOP_MAJOR: u32 = 7;

/// The driver.
pub(crate) struct Loop;

/// The parameters that devices are made with.
pub(crate) struct DeviceParams {
    /// Bits of a minor number that hold the partition's number.
    pub(crate) part_bits: u32,
    /// Requests that a device can have in flight.
    pub(crate) queue_depth: u32,
    /// Hardware queues of each device that has no other settings.
    pub(crate) queues: QueueCounts,
}

/// What all devices share.
#[pin_data]
pub(crate) struct Shared {
    /// See [`ChainLock`](crate::chain::ChainLock).
    #[pin]
    pub(crate) chain: Mutex<()>,
    pub(crate) params: DeviceParams,
}

impl Shared {
    pub(crate) fn new(params: DeviceParams) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                chain <- new_mutex!((), "loop_chain"),
                params,
            }? Error),
            GFP_KERNEL,
        )
    }
}
