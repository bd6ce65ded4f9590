// SPDX-License-Identifier: GPL-2.0

//! One command: what a request becomes, how it is issued, and how it completes.
//!
//! ```text
//! serve ──► bio, or copy ─────────────────────────────────► end
//!  ││ │        │ EAGAIN, or somebody cached it meanwhile      ▲
//!  ││ │        └──────────────────────┐                       │
//!  ││ ▼                               │                       │
//!  ││ start ──► try without waiting ──│──► io_done ──► complete
//!  ││   │         │ EAGAIN            │      ▲            │
//!  │▼   ▼         ▼                   ▼      │            │ something is left
//!  │ work that others share, or the command's own ◄───────┘
//!  └─────────────────────────────────► the command's own: flush, discard, write-zeroes
//! ```

use crate::{
    abstractions::{
        block::mq::{impl_has_request_io, Op, Request, RequestForwarded, RequestIo, RequestIoDone},
        error::eopnotsupp,
        fs::{
            page_cache,
            write_access::WriteAccess,
            FallocateMode::{self, PunchHole, ZeroRange},
            FileExt, IoMode,
        },
        task::{in_task, IoPriorityScope, IoWorkerScope},
    },
    backing::SECTOR_SIZE,
    device::{Binding, Loop},
    pinned::Pinned,
    submit::Submitter,
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
    /// How to try it without waiting, if that makes sense.
    mode: Option<IoMode>,
    /// The I/O may block, so that `EAGAIN` is an error like any other.
    blocking: bool,
    /// The data was written past the page cache, which is to forget what was there before, and past the file system,
    /// which may have to put new times on the medium.
    written: bool,
    /// The work is to complete the request.
    done: bool,
    /// A write in pinned mode holds off a freeze of the file system, from when it is begun until it was passed on
    /// and done, or is given back.
    access: Option<WriteAccess>,
    /// From `io_done` to `complete`: how many bytes were done.
    result: Result<u32>,
}

impl_has_work! {
    impl HasWork<Self> for LoopCmd { self.work }
}

impl_has_request_io! {
    impl HasRequestIo<Loop> for LoopCmd { self.io }
}

/// What became of a request in `queue_rq`.
pub(crate) enum Served {
    /// It was done, passed on, or refused.
    Done,
    /// It is to be [started](LoopCmd::start) by a worker.
    Try(Request<Loop>),
    /// It may block, and is to be [executed](LoopCmd::execute) after others of its cgroup and direction.
    Block(Request<Loop>),
}

/// Whether a request may be passed on as a bio by the task that submits it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayForward {
    No,
    /// If no tag of the device below need be waited for. A cgroup may have to wait for its limits.
    NoWait,
    Wait,
}

/// The largest read that is copied out of the page cache by the task that submits it, in bytes. It costs
/// less time than another task's wake-up; larger ones had better be copied beside what the submitter does.
const MAX_COPY: u32 = 32 << 10;

/// Whether the page cache alone may serve a read.
fn may_copy(rq: &Request<Loop>, binding: &Binding) -> bool {
    rq.bytes() <= MAX_COPY && binding.backing.reads_from_cache()
}

/// How to try a read or write without waiting, if that makes sense.
fn mode_to_try(rq: &Request<Loop>, binding: &Binding) -> Option<IoMode> {
    let backing = &binding.backing;
    let nowait = match (rq.op(), binding.direct) {
        (Op::Read, true) => backing.can_try_direct(rq.bytes()),
        (Op::Write, true) => {
            backing.can_try_direct(rq.bytes()) && (backing.is_block() || binding.may_try_write())
        }
        (Op::Read, false) => backing.can_try_buffered(),
        _ => false,
    };
    nowait.then_some(match binding.direct {
        true => IoMode::Direct { nowait },
        false => IoMode::Buffered { nowait },
    })
}

/// Whether bios to the block device that the backing file is would do what direct I/O on the file does.
fn may_bypass_file(rq: &Request<Loop>, binding: &Binding) -> bool {
    let Some(bdev) = binding.backing.block_device() else {
        return false;
    };
    match rq.op() {
        Op::Read => (),
        Op::Write if binding.ordered.is_none() && bdev.takes_writes() => (),
        _ => return false,
    }
    // What is beyond the end of a device that has shrunk is for the file to refuse.
    let Some((pos, end)) = file_pos(rq, binding)
        .ok()
        .and_then(|pos| Some((pos, pos.checked_add(i64::from(rq.bytes()))?)))
    else {
        return false;
    };
    let file = binding.backing.file();
    end <= file.cached_size() && !page_cache::is_cached(file, pos, rq.bytes())
}

/// Whether the backing file has a part of a request in its page cache.
fn is_cached(rq: &Request<Loop>) -> bool {
    rq.config().is_some_and(|binding| {
        let file = binding.backing.file();
        file_pos(rq, binding).is_ok_and(|pos| page_cache::is_cached(file, pos, rq.bytes()))
    })
}

/// Has the page cache of the backing file forget what a request has changed past it. May sleep.
fn forget_cached(rq: &Request<Loop>) {
    if let Some(binding) = rq.config() {
        if let Ok(pos) = file_pos(rq, binding) {
            page_cache::invalidate(binding.backing.file(), pos, rq.bytes());
        }
    }
}

/// Whether a write in pinned mode must not end before the new times are on the medium, as its data is. Any context.
fn are_times_due(rq: &Request<Loop>) -> bool {
    rq.is_fua()
        && rq
            .config()
            .and_then(|binding| binding.times.as_ref())
            .is_some_and(|times| times.is_due())
}

/// The fixed blocks of the backing file, in pinned mode.
fn pinned(rq: &Request<Loop>) -> Option<&Pinned> {
    rq.config().and_then(Binding::pinned)
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
            mode: None,
            blocking: false,
            written: false,
            done: false,
            access: None,
            result: Ok(0),
        })
    }

    /// Does in `queue_rq` itself what needs neither a filesystem nor waiting. Gives the request back if
    /// there is more to it.
    #[inline(always)] // Nothing is called more often, from two places.
    pub(crate) fn serve(mut rq: Request<Loop>, may_forward: MayForward) -> Served {
        let cmd = rq.data().project();
        *cmd.mode = None;
        *cmd.blocking = false;
        *cmd.written = false;
        *cmd.done = false;

        let op = rq.op();
        let Some(binding) = rq.config() else {
            // No file: nothing to read, and nowhere to write.
            rq.end(Err(EIO));
            return Served::Done;
        };
        if op.is_write() && binding.read_only {
            rq.end(Err(EIO));
            return Served::Done;
        }
        // Flushes, discards and write-zeroes block. A write between two flushes, which kblockd issues, is
        // all that its submitter waits for.
        let is_step = |rq: &Request<Loop>| {
            may_forward == MayForward::No
                && rq.is_flush_step()
                && binding.ordered.is_none()
                && !binding.has_waiting_writes()
        };
        if !matches!(op, Op::Read | Op::Write) || is_step(&rq) {
            Self::defer(rq);
            return Served::Done;
        }
        // What a block device gets is neither pinned nor held up for that.
        if binding.backing.is_block() {
            if binding.direct && may_forward != MayForward::No && may_bypass_file(&rq, binding) {
                if let (Op::Write, Some(times)) = (op, &binding.times) {
                    times.begin_device_write();
                }
                return match rq.forward(may_forward == MayForward::NoWait) {
                    Ok(()) => Served::Done,
                    Err(rq) => Self::choose(rq),
                };
            }
        } else if op.is_write() && rq.disk().gate.is_closed() {
            return Served::Try(rq);
        } else if let Some(pinned) = binding.pinned() {
            if may_forward == MayForward::No {
                return Served::Try(rq);
            }
            if op == Op::Write {
                let Some(access) = pinned.try_begin_write() else {
                    return Served::Try(rq);
                };
                *rq.data().project().access = Some(access);
            }
            return match rq.forward(may_forward == MayForward::NoWait) {
                Ok(()) => Served::Done,
                Err(mut rq) => {
                    Self::end_write(&mut rq);
                    Served::Try(rq)
                }
            };
        }
        if op == Op::Read && !binding.direct && may_copy(&rq, binding) {
            let pos = file_pos(&rq, binding);
            if pos.is_ok_and(|pos| rq.fill_from_cache(pos)) {
                rq.end(Ok(()));
                return Served::Done;
            }
        }
        Self::choose(rq)
    }

    /// Decides how to begin what is left to a worker.
    fn choose(mut rq: Request<Loop>) -> Served {
        let Some(binding) = rq.config() else {
            return Served::Try(rq);
        };
        if let (Op::Write, Some(ordered)) = (rq.op(), &binding.ordered) {
            let ordered = ordered.clone();
            Self::set_blocking(&mut rq);
            ordered.append_write(rq);
            return Served::Done;
        }
        // A direct request waits for its cgroup's limits on the disk in the cgroup's own task.
        if binding.backing.is_block() && binding.direct && rq.blkcg().is_some() {
            Self::set_blocking(&mut rq);
            return Served::Block(rq);
        }
        let mode = mode_to_try(&rq, binding);
        if rq.op() == Op::Write && mode.is_none() {
            binding.did_not_try_write();
            if may_share_task(binding) {
                Self::set_blocking(&mut rq);
                return Served::Block(rq);
            }
        }
        *rq.data().project().mode = mode;
        Served::Try(rq)
    }

    /// A write in pinned mode has ended, or is given back: the file system may be frozen again, as far as this request
    /// is concerned.
    fn end_write(rq: &mut Request<Loop>) {
        if let Some(access) = rq.data().project().access.take() {
            match rq.config() {
                Some(binding) => binding.end_write(access),
                // It stays while there are requests.
                None => _ = kernel::warn_on!(true),
            }
        }
    }

    /// Issues a request, without waiting if it can be.
    ///
    /// Called in a worker, with a plug, attributed to the request's cgroup.
    pub(crate) fn start(mut rq: Request<Loop>) {
        let _priority = IoPriorityScope::enter(rq.ioprio());
        // A write got it with the gate open, and that is closed only while no request is on its way. A read may
        // find that the file has been pinned meanwhile: to read it by way of the file system is still right.
        if let Some(mode) = *rq.data().project().mode {
            return Self::transfer(rq, mode);
        }
        let Some(binding) = rq.config() else {
            return rq.end(Err(EIO));
        };
        let gated = rq.op().is_write() && rq.disk().gate.is_closed();
        match binding.pinned() {
            Some(_) if !gated => match rq.blkcg() {
                None => Self::start_pinned(rq, false),
                Some(_) => Self::wait_for_tag(rq),
            },
            _ => Self::defer(rq),
        }
    }

    /// From here on the request may block.
    fn set_blocking(rq: &mut Request<Loop>) {
        *rq.data().project().blocking = true;
    }

    /// Leaves the request to its own work item, which may block. May be called from any context.
    pub(crate) fn defer(mut rq: Request<Loop>) {
        Self::set_blocking(&mut rq);
        Self::enqueue(rq);
    }

    fn enqueue(rq: Request<Loop>) {
        // There is a queue: no device is bound without.
        let queued = match rq.op() == Op::Flush || rq.is_flush_step() {
            true => rq.enqueue(|device| device.flush_queue.as_ref()),
            false => rq.enqueue(|device| device.queue.as_ref()),
        };
        if let Err(rq) = queued {
            rq.end(Err(EIO));
        }
    }

    /// Carries a request out, attributed to its cgroup. May block.
    pub(crate) fn execute(mut rq: Request<Loop>) {
        if *rq.data().project().written {
            // While it was passed on somebody read what was there before into the page cache, or the times are due.
            forget_cached(&rq);
            let times = rq.config().and_then(|binding| binding.times.as_ref());
            let committed = match times {
                Some(times) if rq.is_fua() => times.commit(),
                _ => Ok(()),
            };
            return Self::finish_whole(rq, committed.map_err(|_| EIO));
        }
        let _priority = IoPriorityScope::enter(rq.ioprio());
        let op = rq.op();
        let Some(binding) = rq.config() else {
            return Self::finish(rq, Err(EIO));
        };
        if op.is_write() {
            rq.disk().gate.wait();
        }
        if binding.pinned().is_some() {
            return Self::start_pinned(rq, true);
        }
        let mode = match binding.direct {
            true => IoMode::Direct { nowait: false },
            false => IoMode::Buffered { nowait: false },
        };
        match op {
            Op::Read | Op::Write => Self::transfer(rq, mode),
            Op::Flush => {
                if let Some(times) = &binding.times {
                    times.update();
                }
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

    /// Carries a request out in pinned mode. What has to wait for more than memory, or a tag of the device
    /// below, does so only if it may `wait`.
    fn start_pinned(mut rq: Request<Loop>, wait: bool) {
        let op = rq.op();
        // What is passed on here waits for what it needs: nothing below may say `EAGAIN`.
        Self::set_blocking(&mut rq);
        let (Some(binding), Some(pinned)) = (rq.config(), pinned(&rq)) else {
            return Self::finish(rq, Err(EIO));
        };
        let result = match op {
            Op::Read => return rq.forward_all(),
            Op::Write => {
                if let (true, Some(times)) = (wait, &binding.times) {
                    // Perhaps for a thaw, and the freeze for this.
                    times.update();
                }
                match pinned.begin_write(wait) {
                    Ok(access) => {
                        *rq.data().project().access = Some(access);
                        return rq.forward_all();
                    }
                    Err(e) if e == EAGAIN && !wait => return Self::defer(rq),
                    Err(e) => Err(e),
                }
            }
            _ if !wait => return Self::defer(rq),
            Op::Flush => {
                let committed = binding.times.as_ref().map_or(Ok(()), |times| times.commit());
                pinned.flush().and(committed)
            }
            Op::Discard | Op::WriteZeroes => pinned.begin_write(true).and_then(|access| {
                let result = file_pos(&rq, binding).and_then(|pos| pinned.zero(pos, rq.bytes()));
                binding.end_write(access);
                forget_cached(&rq);
                result
            }),
            Op::Other => Err(EIO),
        };
        Self::finish_whole(rq, result.map_err(|_| EIO));
    }

    fn finish_whole(rq: Request<Loop>, result: Result) {
        let bytes = rq.bytes();
        Self::finish(rq, result.map(|()| bytes));
    }

    fn transfer(rq: Request<Loop>, mode: IoMode) {
        let Some(binding) = rq.config() else {
            return Self::finish(rq, Err(EIO));
        };
        match file_pos(&rq, binding) {
            Ok(pos) => {
                if rq.op() == Op::Write && !mode.nowait() {
                    binding.begin_waiting_write();
                }
                // What is to keep its order must not be left half done, and this is in the scope of a worker: it
                // waits for memory, but for none that takes I/O.
                let gfp = match binding.ordered {
                    Some(_) if !mode.nowait() => GFP_KERNEL,
                    _ => GFP_NOWAIT,
                };
                rq.issue(pos, mode, gfp);
            }
            Err(e) => Self::finish(rq, Err(e)),
        }
    }

    /// Leaves a request to a task that waits for a tag of the device below. A cgroup has a task of its own for
    /// that, since it may have to wait for its limits, too. Called in a task.
    fn wait_for_tag(mut rq: Request<Loop>) {
        if rq.blkcg().is_none() {
            return Submitter::enqueue_try(rq);
        }
        Self::set_blocking(&mut rq);
        Submitter::enqueue_blocking(rq);
    }

    /// The command was carried out, or failed. May be called from any context.
    fn finish(mut rq: Request<Loop>, result: Result<u32>) {
        *rq.data().project().result = result;
        if let Err(mut rq) = rq.complete() {
            *rq.data().project().done = true;
            Self::enqueue(rq);
        }
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
        let blocking = *rq.data().project().blocking;
        let write = rq.op() == Op::Write;
        let Some(binding) = rq.config() else {
            return Self::finish(rq, Err(EIO));
        };
        if blocking && write {
            binding.end_waiting_write();
        }
        match result {
            // Some file systems do not know how not to wait, and say it this way (ext4 does where
            // direct I/O falls back to the page cache).
            Err(e) if (e == EAGAIN || e == eopnotsupp()) && !blocking => {
                if write {
                    binding.write_had_to_wait();
                }
                let may_follow = may_share_task(binding) && (write || may_follow(binding));
                // What collects them is for tasks only.
                if !may_follow || !in_task() {
                    return Self::defer(rq);
                }
                Self::set_blocking(&mut rq);
                Submitter::enqueue_blocking(rq);
            }
            result => Self::finish(rq, result),
        }
    }
}

impl RequestForwarded<Loop> for LoopCmd {
    #[inline]
    fn forwarded(mut rq: Request<Loop>, result: Result) {
        Self::end_write(&mut rq);
        let blocking = *rq.data().project().blocking;
        match result {
            Ok(()) if rq.op() == Op::Write && (is_cached(&rq) || are_times_due(&rq)) => {
                *rq.data().project().written = true;
                Self::defer(rq);
            }
            // Below it would have to wait, or could not be polled for.
            Err(e) if (e == EAGAIN || e == eopnotsupp()) && !blocking => {
                // With others of its kind, which would have to wait as well. This is reported by who submitted
                // it, under no lock.
                if e == EAGAIN && in_task() && pinned(&rq).is_some() {
                    return Self::wait_for_tag(rq);
                }
                Self::defer(rq);
            }
            // On devices that lie on each other this is called out of another one's. What was passed on without a
            // worker went to one that is on the bottom.
            result if blocking && !rq.config().is_some_and(Binding::is_on_bottom) => {
                Self::finish_whole(rq, result);
            }
            // Where the device below completed it, by its own settings of the CPU.
            result => rq.end(result),
        }
    }
}

impl WorkItem for LoopCmd {
    type Pointer = Request<Loop>;

    fn run(mut rq: Request<Loop>) {
        let _scope = IoWorkerScope::enter();
        if core::mem::take(rq.data().project().done) {
            return Self::complete(rq);
        }
        rq.attributed(Self::execute);
    }
}

/// Whether requests of a cgroup that may block follow each other in one task. On a file they do: writes take
/// the inode's lock in turn anyway (see [`may_follow`] for reads). On a block device they do not.
fn may_share_task(binding: &Binding) -> bool {
    !binding.backing.is_block()
}

/// Whether reads that had to wait do so for the same thing, or for as long. With direct I/O that is the lock of the
/// file, if a write may have it. Through the page cache, the attempt has put the pages on their way: while one
/// read waits the others' pages come too.
fn may_follow(binding: &Binding) -> bool {
    match binding.direct {
        true => binding.has_waiting_writes(),
        false => binding.backing.reads_from_cache(),
    }
}

/// Makes the range of a request read as zeroes, in the first of some ways that the file supports. Where
/// discards are forbidden the file is left as it is, and whoever wants zeroes has to write them.
fn deallocate(rq: &Request<Loop>, binding: &Binding, modes: &[FallocateMode]) -> Result {
    if rq.discards_forbidden() {
        return Err(eopnotsupp());
    }
    let pos = file_pos(rq, binding)?;
    let len = i64::from(rq.bytes());
    let mut is_new = false;
    for &mode in modes {
        let unsupported = binding.unsupported(mode);
        if unsupported.load(Relaxed) {
            continue;
        }
        match binding.backing.file().fallocate(mode, pos, len) {
            Err(e) if e == eopnotsupp() => {
                if !unsupported.xchg(true, Relaxed) {
                    is_new = true;
                    Withdraw::enqueue(rq);
                }
            }
            result => return result.map_err(|_| EIO),
        }
    }
    // It came before the limits were taken back, and to tell that once is enough.
    if !is_new {
        rq.set_quiet();
        Withdraw::enqueue(rq);
    }
    Err(eopnotsupp())
}
