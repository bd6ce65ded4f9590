// SPDX-License-Identifier: GPL-2.0

//! Multi-queue block drivers.
//!
//! Unlike [`kernel::block::mq`], this gives a driver private data for each request, each hardware
//! queue and each disk, the operation of each request, and a configuration that requests read
//! without a lock.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

mod batch;
mod operations;
mod polled;
mod remap;
mod request;
mod request_io;
mod request_list;
mod tag_set;
mod written;

pub use batch::RequestBatch;
pub use operations::Operations;
pub use remap::{can_submit_now, RequestRemapped};
pub use request::{Op, Request};
pub(crate) use request_io::impl_has_request_io;
pub use request_io::{HasRequestIo, RequestIo, RequestIoDone};
pub use request_list::RequestList;
pub use tag_set::{QueueCounts, TagSetFlag, TagSetParams};

pub(super) use polled::PolledCount;
pub(super) use tag_set::TagSet;
