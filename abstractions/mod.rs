// SPDX-License-Identifier: GPL-2.0

//! What this driver needs of the kernel and the `kernel` crate does not have.
//!
//! Nothing in here knows of the driver: each file could move to `rust/kernel/`, where its path
//! says. This is the only part of the crate with unsafe code, and the only one that uses
//! `kernel::bindings`.

#![allow(unsafe_code)]
// As in `rust/kernel/`, `pub` is what a driver may use. Not every such item is used by each.
#![allow(unreachable_pub)]

pub mod block;
pub mod cgroup;
pub mod cpu;
pub mod error;
pub mod fs;
pub mod iov;
pub mod kconfig;
pub mod miscdevice;
pub mod module;
pub mod module_param;
pub mod ratelimit;
pub mod sync;
pub mod sysfs;
pub mod task;
pub mod time;
pub mod workqueue;
