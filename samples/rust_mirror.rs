// SPDX-License-Identifier: GPL-2.0

//! A block device that writes to two files and reads from one: a sample of what `abstractions/`
//! is good for besides loop.
//!
//! - A write goes to the first file, then to the second, and fails if either of them fails, or has
//!   become too short. What it then left there is undefined, as of writes that overlap in flight.
//! - The first file serves a read. If it fails, or ends too early, the second one does.
//! - A flush syncs both files: the device has a volatile write cache.
//! - The first error of each file is logged.
//!
//! A file system may sleep, and the task in `queue_rq` may hold locks of another one. So each step
//! of a request begins in the request's work item, which returns once direct I/O has started;
//! [`RequestIoDone::io_done`] queues it again for the next step.

#![deny(unsafe_code)]

use crate::abstractions::{
    block::{
        disk::{disk_vtable, DiskDriver, DiskOperations, DiskParams, OwnedDisk},
        limits::QueueLimits,
        mq::{
            impl_has_request_io, Op, Operations, QueueCounts, Request, RequestIo, RequestIoDone,
            TagSetFlag, TagSetParams,
        },
    },
    fs::{self, FileExt, IoMode, StatMask},
    module_param::{module_params, StringParam},
    task::{IoPriorityScope, IoWorkerScope},
    workqueue::{OwnedQueue, QueueFlag},
};
use kernel::{
    block::SECTOR_SIZE,
    fs::{file::flags, File},
    impl_has_work, new_mutex, new_work,
    prelude::*,
    static_lock_class,
    sync::{
        aref::ARef,
        atomic::{AtomicFlag, Relaxed},
    },
    workqueue::{Work, WorkItem},
};

#[allow(dead_code, unused_imports, unused_macros)] // Most of it is for other drivers.
#[path = "../abstractions/mod.rs"]
mod abstractions;

module! {
    type: MirrorModule,
    name: "rust_mirror",
    authors: ["The rust-loop developers"],
    description: "Block device that mirrors writes to two files (sample)",
    license: "GPL",
}

module_params! {
    static FIRST: StringParam = StringParam::unset() => (
        name: "first",
        description: "Path of the file that is written and read",
    );
    static SECOND: StringParam = StringParam::unset() => (
        name: "second",
        description: "Path of the file that is written, and read where the first one fails",
    );
}

/// One of the two files.
struct Leg {
    path: &'static CStr,
    file: ARef<File>,
    /// An error was logged.
    has_failed: AtomicFlag,
}

impl Leg {
    fn open(param: &'static StringParam) -> Result<Self> {
        let path = param.get().ok_or(EINVAL)?;
        Ok(Self {
            path,
            // `O_EXCL` refuses a block device that is in use, and the same one twice.
            file: fs::open(path, flags::O_RDWR | flags::O_EXCL)?,
            has_failed: AtomicFlag::new(false),
        })
    }

    /// Returns `result`, and logs the file's first error.
    fn noted<T>(&self, what: &str, result: Result<T>) -> Result<T> {
        result.inspect_err(|e| {
            // Relaxed: only the number of messages depends on it.
            if !self.has_failed.xchg(true, Relaxed) {
                pr_warn!("mirror0: {}: {} failed: {:?}\n", self.path, what, e);
            }
        })
    }

    fn sync(&self) -> Result {
        self.noted("flush", self.file.fsync())
    }

    /// The block size that makes every request fit for direct I/O, in bytes.
    fn dio_block_size(&self) -> Option<u32> {
        let (memory, pos) = self.file.stat(StatMask::DioAlign).ok()?.dio_align()?;
        let bytes = memory.max(pos).max(SECTOR_SIZE);
        (self.file.can_odirect() && bytes.is_power_of_two() && bytes <= 4096).then_some(bytes)
    }
}

/// Both files, as requests see them.
struct Pair {
    legs: [Leg; 2],
    /// Past the page cache if both files say which alignment that needs.
    mode: IoMode,
    /// The smallest I/O, in bytes.
    block_size: u32,
}

/// Private data of a request.
#[pin_data]
struct MirrorCmd {
    #[pin]
    work: Work<MirrorCmd>,
    #[pin]
    io: RequestIo<Mirror>,
    /// The file that is next, or that the I/O in flight is for: 0 or 1.
    leg: usize,
    /// The result of the I/O on that file, once it is over.
    result: Option<Result<u32>>,
    /// How many bytes, from the start of a write, are in the files before that one.
    written: u32,
}

impl_has_work! {
    impl HasWork<Self> for MirrorCmd { self.work }
}

impl_has_request_io! {
    impl HasRequestIo<Mirror> for MirrorCmd { self.io }
}

impl MirrorCmd {
    /// Begins a request, or what is left of one, with the first file.
    fn begin(mut rq: Request<Mirror>) {
        let cmd = rq.data().project();
        (*cmd.leg, *cmd.result, *cmd.written) = (0, None, u32::MAX);
        Self::enqueue(rq);
    }

    fn enqueue(rq: Request<Mirror>) {
        // Never `Err`, since there is a queue. Dropping a request fails it.
        let _ = rq.enqueue(|queue| Some(queue));
    }

    /// Reads or writes the file whose turn it is.
    fn issue(rq: Request<Mirror>, leg: usize) {
        let _priority = IoPriorityScope::enter(rq.ioprio());
        let (pos, mode) = (rq.pos(), rq.config().mode);
        // A write would make the file longer, with zeroes before it.
        let size = rq.config().legs[leg & 1].file.mapping().size();
        if rq.op() == Op::Write && size < pos.saturating_add(i64::from(rq.bytes())) {
            return Self::settle(rq, leg, Err(EIO));
        }
        // `GFP_KERNEL` could wait for writeback to this disk. Without memory the I/O stops early.
        rq.issue(|pair| &pair.legs[leg & 1].file, pos, mode, GFP_NOWAIT);
    }

    /// Goes on after the I/O on a file.
    fn settle(mut rq: Request<Mirror>, leg: usize, result: Result<u32>) {
        let (pair, is_write) = (rq.config(), rq.op() == Op::Write);
        let bytes = match result.map(|bytes| bytes & !(pair.block_size - 1)) {
            // The file ends here, or takes no more.
            Ok(0) => Err(EIO),
            bytes => bytes,
        };
        let what = if is_write { "write" } else { "read" };
        let bytes = pair.legs[leg & 1].noted(what, bytes);
        let cmd = rq.data().project();
        let written = *cmd.written;
        match bytes {
            Ok(bytes) if is_write && leg == 0 => *cmd.written = bytes,
            Err(_) if !is_write && leg == 0 => (),
            Err(e) => return rq.end(Err(e)),
            // What is left after a short transfer begins anew.
            Ok(bytes) => return rq.advance(bytes.min(written)).map_or((), Self::begin),
        }
        (*cmd.leg, *cmd.result) = (1, None);
        Self::issue(rq, 1);
    }
}

impl RequestIoDone<Mirror> for MirrorCmd {
    fn io_done(mut rq: Request<Mirror>, result: Result<u32>) {
        *rq.data().project().result = Some(result);
        Self::enqueue(rq);
    }
}

impl WorkItem for MirrorCmd {
    type Pointer = Request<Mirror>;

    fn run(rq: Request<Mirror>) {
        let _scope = IoWorkerScope::enter();
        rq.attributed(|mut rq| {
            if rq.op() == Op::Flush {
                // Both, also if the first one fails.
                let [first, second] = rq.config().legs.each_ref().map(Leg::sync);
                return rq.end(first.and(second));
            }
            let cmd = rq.data().project();
            match (*cmd.leg, *cmd.result) {
                (leg, None) => Self::issue(rq, leg),
                (leg, Some(result)) => Self::settle(rq, leg, result),
            }
        });
    }
}

/// The driver.
struct Mirror;

disk_vtable!(Mirror);

#[vtable]
impl Operations for Mirror {
    type DiskData = OwnedQueue;
    type State = ();
    type Config = Pair;
    type HwData = ();
    type RequestData = MirrorCmd;

    fn new_hw_data() -> Result {
        Ok(())
    }

    fn new_request_data() -> impl PinInit<MirrorCmd, Error> {
        try_pin_init!(MirrorCmd {
            work <- new_work!("mirror_cmd"),
            io <- RequestIo::new(),
            leg: 0,
            result: None,
            written: 0,
        })
    }

    fn queue_rq(_queue: &OwnedQueue, _hw: (), rq: Request<Self>, _is_last: bool) {
        MirrorCmd::begin(rq);
    }
}

#[vtable]
impl DiskOperations for Mirror {
    const OWNER: &'static ThisModule = abstractions::module::this_module();
}

/// The disk goes first when the module does.
#[allow(dead_code)] // Nothing but their drop is needed.
struct MirrorModule(OwnedDisk<Mirror>, DiskDriver<Mirror>);

impl kernel::Module for MirrorModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let legs = [Leg::open(&FIRST)?, Leg::open(&SECOND)?];
        let (mode, block_size) = match legs.each_ref().map(Leg::dio_block_size) {
            [Some(one), Some(other)] => (IoMode::Direct { nowait: false }, one.max(other)),
            _ => (IoMode::Buffered { nowait: false }, SECTOR_SIZE),
        };
        let mut limits = QueueLimits::default();
        limits.set_write_cache(true).set_block_size(block_size);
        limits.set_dma_alignment(block_size - 1);
        limits.require_stable_writes();
        let [first, second] = legs.each_ref().map(|leg| leg.file.mapping());
        let blocks = u64::try_from(first.size().min(second.size()))? / u64::from(block_size);
        if blocks == 0 || core::ptr::eq(first, second) {
            return Err(EINVAL);
        }

        // One rescuer is enough, since no work waits for other work.
        let flags = QueueFlag::Unbound | QueueFlag::MemReclaim | QueueFlag::Legacy;
        let queue = OwnedQueue::new(c"mirror0", flags, 0);
        let tag_set = TagSetParams {
            queues: QueueCounts::default(),
            queue_depth: 64,
            flags: TagSetFlag::Stacking.into(),
        };
        let params = DiskParams::new(limits, tag_set, static_lock_class!());
        let pair = Pair {
            legs,
            mode,
            block_size,
        };
        let pair = KBox::new(pair, GFP_KERNEL)?;
        let driver = DiskDriver::new()?;
        let disk = OwnedDisk::<Mirror>::new(fmt!("mirror0"), params, queue, new_mutex!(()))?;
        disk.lock().publish(pair).map_err(|_| EBUSY)?;
        disk.set_capacity_and_notify(blocks * u64::from(block_size / SECTOR_SIZE));
        disk.change_uevent();
        Ok(Self(disk, driver))
    }
}
