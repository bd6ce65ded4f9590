// SPDX-License-Identifier: GPL-2.0

//! Tests of the driver's pure code, which need no kernel: they run where they are compiled (`make check`).
//!
//! The driver's files are compiled as they are. What they use of the `kernel` crate and of `abstractions/`
//! is replaced by as little as they need; structures are read and written by the kernel's own `zerocopy`.
//! What is expected comes from a model that takes another way: bytes at the places that C's structures
//! have, or arithmetic that is too wide to overflow.

// Of the tested files not all is tested.
#![allow(dead_code, unused_imports, unused_macros)]

extern crate self as kernel;

use stand_in::{bindings, error, fs, module_param, page, prelude, sync};

mod abstractions;
mod device;
mod driver;
mod stand_in;

#[path = "../../backing.rs"]
mod backing;
#[path = "../../chain.rs"]
mod chain;
#[path = "../../partition_table.rs"]
mod partition_table;
#[path = "../../pieces.rs"]
mod pieces;
#[path = "../../route.rs"]
mod route;
#[path = "../../uapi.rs"]
mod uapi;

mod cases;
mod test_backing;
mod test_chain;
mod test_module_param;
mod test_partition_table;
mod test_pieces;
mod test_route;
mod test_uapi;
