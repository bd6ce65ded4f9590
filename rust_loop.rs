// SPDX-License-Identifier: GPL-2.0

//! The loop block device: makes a file accessible as a block device.
//!
//! This is the root of the crate. It sets the module up, and fixes the order in which that happens.
//! `device.rs` says what keeps what alive, and in which order locks are taken.

#![deny(unsafe_code)]

use crate::{
    abstractions::{
        block::{disk::DiskDriver, major::MajorRegistration, mq::QueueCounts},
        miscdevice::Registration,
        module_param::{module_params, IntParam},
    },
    control::{Control, Index},
    driver::{DeviceParams, Loop, LOOP_MAJOR},
};
use kernel::{prelude::*, sync::Arc};

#[cfg(CONFIG_BLK_DEV_LOOP)]
use crate::abstractions::kconfig::kconfig_int;

mod abstractions;
mod attrs;
mod backing;
mod binding;
mod block_ops;
mod cgroup_queue;
mod chain;
mod change;
mod configure;
mod control;
mod deallocate;
mod device;
mod driver;
mod exclusion;
mod facts;
mod hw_queue;
mod ioctl;
mod loop_cmd;
mod partition_table;
mod pending;
mod pieces;
#[cfg_attr(not(LOOP_PINNED), path = "never_pinned.rs")]
mod pinned;
mod recent;
mod rmw;
mod rmw_buffer;
mod route;
mod settings;
mod snapshot;
mod submit;
mod times;
mod uapi;
mod unsupported;
mod write_backoff;

module! {
    type: LoopModule,
    name: "loop",
    authors: ["The rust-loop developers"],
    description: "Loopback device support",
    license: "GPL",
    alias: ["devname:loop-control", "char-major-10-237", "block-major-7-*"],
}

/// Devices that are made at load if the user does not say how many.
#[cfg(CONFIG_BLK_DEV_LOOP)]
const DEFAULT_DEVICES: i32 = kconfig_int!(CONFIG_BLK_DEV_LOOP_MIN_COUNT);
#[cfg(not(CONFIG_BLK_DEV_LOOP))]
const DEFAULT_DEVICES: i32 = 8;

module_params! {
    /// Devices that are made at load. If it is given and not 0, opening a node makes only devices
    /// with lower numbers.
    static MAX_LOOP: IntParam = IntParam::new(DEFAULT_DEVICES) => (
        name: "max_loop",
        description: "Maximum number of loop devices",
    );

    /// Partitions for each device; above 0 all devices are scanned for partitions.
    static MAX_PART: IntParam = IntParam::new(0) => (
        name: "max_part",
        description: "Maximum number of partitions per loop device",
        parmtype: "int",
    );

    /// Requests that a device can have in flight.
    static HW_QUEUE_DEPTH: IntParam = IntParam::new(128).at_least(1) => (
        name: "hw_queue_depth",
        description: "Queue depth for each hardware queue. Default: 128",
    );

    /// Hardware queues of a device, which share its requests; no more than there are CPUs are made.
    /// Each issues requests from work items of its own. The C driver has one.
    static NR_HW_QUEUES: IntParam = IntParam::new(8).at_least(1) => (
        name: "nr_hw_queues",
        description: "Maximum number of hardware queues per loop device. Default: 8",
        parmtype: "int",
    );

    /// Additional hardware queues, for polled requests. A polled request that is remapped to a
    /// block device is polled for there, if that device can.
    static POLL_QUEUES: IntParam = IntParam::new(0).at_least(0) => (
        name: "poll_queues",
        description: "Number of hardware queues for polled I/O per loop device. Default: 0",
        parmtype: "int",
    );
}

/// Number of bits of a minor device number (`MINORBITS`).
const MINOR_BITS: u32 = 20;

/// Most minors that a disk may have (`DISK_MAX_PARTS`).
const DISK_MAX_PARTS: u32 = 256;

/// What lives as long as the module is loaded. The fields are dropped in this order, so that no
/// device can be made any more when the index is dropped, and the devices with it.
#[pin_data]
struct LoopModule {
    _major: MajorRegistration<Index>,
    #[pin]
    _control: Registration<Control>,
    _index: Arc<Index>,
    /// Its drop waits until the last reference to a disk is gone.
    _disks: DiskDriver<Loop>,
}

/// Rounds `max_part` up to `2^bits - 1`, and returns `bits`, the bits of a minor number that are
/// for partitions.
fn partition_bits() -> Result<u32> {
    let bits = match u32::try_from(MAX_PART.get()) {
        Ok(parts) => u32::BITS - parts.leading_zeros(),
        Err(_) => 0,
    };
    let minors = 1u32.checked_shl(bits).ok_or(EINVAL)?;
    if minors > DISK_MAX_PARTS {
        return Err(EINVAL);
    }
    if bits > 0 {
        // Userspace reads `max_part` to find the minor numbers of devices.
        MAX_PART.set((minors - 1) as i32);
    }
    Ok(bits)
}

impl kernel::InPlaceModule for LoopModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let part_bits = partition_bits()?;
            let count = MAX_LOOP.get();
            if !(0..=1i64 << (MINOR_BITS - part_bits)).contains(&i64::from(count)) {
                return Err(EINVAL);
            }
            let limit = MAX_LOOP
                .is_specified()
                .then_some(count)
                .and_then(|count| u32::try_from(count).ok())
                .filter(|&count| count != 0);
            let params = DeviceParams {
                part_bits,
                queue_depth: u32::try_from(HW_QUEUE_DEPTH.get())?,
                queues: QueueCounts {
                    default: u32::try_from(NR_HW_QUEUES.get())?,
                    poll: u32::try_from(POLL_QUEUES.get())?,
                },
            };
            let index = Index::new(params, limit)?;

            Ok(try_pin_init!(Self {
                _disks: DiskDriver::new()?,
                _control <- Registration::new(index.clone()),
                _major: MajorRegistration::register(LOOP_MAJOR, c"loop", index.clone())
                    .map_err(|_| EIO)?,
                _index: {
                    for id in 0..count {
                        // Makes as many as memory allows; more can be made later.
                        let _ = index.add(id);
                    }
                    // The file's last line ends with a newline.
                    pr_info!("module loaded, in Rust, version {}", include_str!("VERSION"));
                    index
                },
            }? Error))
        })
    }
}
