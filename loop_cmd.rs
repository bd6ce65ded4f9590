// SPDX-License-Identifier: GPL-2.0

//! One command: what a request becomes, how it is issued, and how it completes.
//!
//! ```text
//! start ──► try without waiting ──► io_done ──► complete ──► end
//!   │             │ EAGAIN            ▲             │
//!   │             ▼                   │             │ something is left
//!   └──────► the command's own work ──┘ ◄───────────┘
//! ```

use crate::{
    abstractions::{
        block::mq::{impl_has_request_io, Op, Request, RequestIo, RequestIoDone},
        error::eopnotsupp,
        fs::{
            FallocateMode::{self, PunchHole, ZeroRange},
            FileExt, IoMode,
        },
        task::IoWorkerScope,
    },
    backing::SECTOR_SIZE,
    device::{Binding, Loop},
    submit::attributed,
    withdraw::Withdraw,
};
use kernel::{
    impl_has_work, new_work,
    prelude::*,
    sync::atomic::Relaxed,
    workqueue::{Work, WorkItem},
};

/// Private data of a request.
#[pin_data]
pub(crate) struct LoopCmd {
    /// For what may block. It owns the request while it is queued.
    #[pin]
    work: Work<LoopCmd>,
    #[pin]
    io: RequestIo<Loop>,
    /// The command's work issued the I/O, so that `EAGAIN` is an error like any other.
    blocking: bool,
    /// The command counts in [`Binding::blocking_writes`].
    counted: bool,
    /// From `io_done` to `complete`: how many bytes were done.
    result: Result<u32>,
}

impl_has_work! {
    impl HasWork<Self> for LoopCmd { self.work }
}

impl_has_request_io! {
    impl HasRequestIo<Loop> for LoopCmd { self.io }
}

/// Where in the backing file a request begins, in bytes.
fn file_pos(rq: &Request<Loop>, binding: &Binding) -> Result<i64> {
    rq.pos().checked_add(binding.offset).ok_or(EIO)
}

impl LoopCmd {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            work <- new_work!("loop_cmd"),
            io <- RequestIo::new(),
            blocking: false,
            counted: false,
            result: Ok(0),
        })
    }

    /// Issues a request, without waiting if it can be.
    ///
    /// Called in a worker, with a plug.
    pub(crate) fn start(mut rq: Request<Loop>) {
        let cmd = rq.data().project();
        *cmd.blocking = false;
        *cmd.counted = false;

        let op = rq.op();
        let Some(binding) = rq.config() else {
            return rq.end(Err(EIO));
        };
        if op.is_write() && binding.read_only {
            return rq.end(Err(EIO));
        }
        let mode = match (op, binding.direct) {
            _ if !binding.backing.can_nowait() => None,
            (Op::Read, true) => Some(IoMode::Direct { nowait: true }),
            (Op::Write, true) if may_try_write(binding) => Some(IoMode::Direct { nowait: true }),
            (Op::Read, false) => Some(IoMode::Buffered { nowait: true }),
            _ => None,
        };
        match mode {
            Some(mode) => attributed(rq, |rq| Self::transfer(rq, mode)),
            None => Self::defer(rq),
        }
    }

    /// Leaves the request to its own work item, which may block. May be called from any context.
    fn defer(mut rq: Request<Loop>) {
        let op = rq.op();
        let counts = match rq.config() {
            Some(binding) if op == Op::Write && !binding.backing.is_block() => {
                binding.blocking_writes.add(1, Relaxed);
                true
            }
            _ => false,
        };
        let cmd = rq.data().project();
        *cmd.blocking = true;
        *cmd.counted = counts;
        if let Err(rq) = rq.enqueue(|device| device.queue.as_ref()) {
            Self::finish(rq, Err(EIO));
        }
    }

    /// Carries the request out. May block.
    fn execute(rq: Request<Loop>) {
        let op = rq.op();
        let Some(binding) = rq.config() else {
            return Self::finish(rq, Err(EIO));
        };
        let mode = match binding.direct {
            true => IoMode::Direct { nowait: false },
            false => IoMode::Buffered { nowait: false },
        };
        match op {
            Op::Read | Op::Write => Self::transfer(rq, mode),
            Op::Flush => {
                let result = binding.backing.file().fsync();
                Self::finish_whole(rq, result.map_err(|_| EIO));
            }
            Op::Discard => {
                let result = deallocate(&rq, binding, &[PunchHole]);
                Self::finish_whole(rq, result);
            }
            Op::WriteZeroes => {
                let modes: &[_] = match rq.no_unmap() {
                    true => &[ZeroRange],
                    false => &[PunchHole, ZeroRange],
                };
                let result = deallocate(&rq, binding, modes);
                Self::finish_whole(rq, result);
            }
            Op::Other => Self::finish_whole(rq, Err(EIO)),
        }
    }

    fn finish_whole(rq: Request<Loop>, result: Result) {
        let bytes = rq.bytes();
        Self::finish(rq, result.map(|()| bytes));
    }

    fn transfer(rq: Request<Loop>, mode: IoMode) {
        match rq.config().ok_or(EIO).and_then(|b| file_pos(&rq, b)) {
            Ok(pos) => rq.issue(pos, mode),
            Err(e) => Self::finish(rq, Err(e)),
        }
    }

    /// The command was carried out, or failed. May be called from any context.
    fn finish(mut rq: Request<Loop>, result: Result<u32>) {
        let cmd = rq.data().project();
        *cmd.result = result;
        let counted = core::mem::take(cmd.counted);
        if counted {
            if let Some(binding) = rq.config() {
                binding.blocking_writes.add(-1, Relaxed);
            }
        }
        rq.complete();
    }

    /// Ends a request, or goes on with what is left of it. May be called from any context.
    pub(crate) fn complete(mut rq: Request<Loop>) {
        let cmd = rq.data().project();
        let (blocking, result) = (*cmd.blocking, *cmd.result);
        match result {
            Err(e) => rq.end(Err(e)),
            // Nothing but reads and writes is done in parts.
            Ok(bytes) if bytes >= rq.bytes() => rq.end(Ok(())),
            Ok(bytes) if bytes < SECTOR_SIZE && blocking => {
                // The file ends here, or takes no more.
                rq.zero_fill();
                rq.end(Err(EIO));
            }
            // Without waiting it may end anywhere, also within a sector, which is then done again.
            Ok(bytes) => {
                if let Some(rest) = rq.advance(bytes) {
                    Self::defer(rest);
                }
            }
        }
    }
}

impl RequestIoDone<Loop> for LoopCmd {
    fn io_done(mut rq: Request<Loop>, result: Result<u32>) {
        match result {
            // Some file systems do not know how not to wait, and say it this way (ext4 does where
            // direct I/O falls back to the page cache).
            Err(e) if (e == EAGAIN || e == eopnotsupp()) && !*rq.data().project().blocking => {
                Self::defer(rq)
            }
            result => Self::finish(rq, result),
        }
    }
}

impl WorkItem for LoopCmd {
    type Pointer = Request<Loop>;

    fn run(rq: Request<Loop>) {
        let _scope = IoWorkerScope::enter();
        attributed(rq, Self::execute);
    }
}

/// A write to a file that would have to wait half-way costs more than one that waits from the start, and
/// takes the lock of the inode from those that do.
fn may_try_write(binding: &Binding) -> bool {
    binding.backing.is_block() || binding.blocking_writes.load(Relaxed) == 0
}

/// Makes the range of a request read as zeroes, in the first of some ways that the file supports.
fn deallocate(rq: &Request<Loop>, binding: &Binding, modes: &[FallocateMode]) -> Result {
    let pos = file_pos(rq, binding)?;
    let len = i64::from(rq.bytes());
    for &mode in modes {
        let unsupported = binding.unsupported(mode);
        if unsupported.load(Relaxed) {
            continue;
        }
        match binding.backing.file().fallocate(mode, pos, len) {
            Err(e) if e == eopnotsupp() => {
                if !unsupported.xchg(true, Relaxed) {
                    Withdraw::enqueue(rq);
                }
            }
            result => return result.map_err(|_| EIO),
        }
    }
    Err(eopnotsupp())
}
