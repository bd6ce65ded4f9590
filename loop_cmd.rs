// SPDX-License-Identifier: GPL-2.0

//! One command: the stages of a request, its issue, and its completion.
//!
//! `route.rs` decides what is done with a request, and [`LoopCmd::dispatch`] does it. Nothing else queues requests. Over its life a request is in one of these stages:
//!
//! 1. [`Submitted`](Stage::Submitted): in the hands of `queue_rq` or `queue_rqs`, or on its way as a bio that they
//!    submitted.
//! 2. [`Nowait`](Stage::Nowait), [`RemapInTask`](Stage::RemapInTask): in the nowait list of its hardware queue, or
//!    issued from there by the file system's asynchronous I/O.
//! 3. [`Blocking`](Stage::Blocking): in a list of requests that may block, in work of its own, or issued by one of
//!    them.
//!    Or [`Rmw`](Stage::Rmw): the same, but carried out by whole blocks; a write, after others that share one.
//! 4. [`PostWrite`](Stage::PostWrite): its data is written past the page cache and the file system; work of its own
//!    invalidates the one, and has the other commit the new times.
//!    Or [`Sync`](Stage::Sync): its data is written by way of the file, and is to be on the medium; work of its own
//!    syncs the file.
//! 5. [`Done`](Stage::Done): on its way to [`LoopCmd::complete`], on the CPU that the block layer chooses, or in
//!    work of its own where completions nest too deeply.
//!
//! | transition | by | context |
//! |---|---|---|
//! | → 1 → 2, 3, end | [`LoopCmd::submit`] | task that submits; must not call a file system |
//! | 1 → 2, 3, 4, end | [`RequestRemapped::remapped`] | any |
//! | 2 → 3, 4, 5 | [`LoopCmd::issue_nowait`], [`RequestIoDone::io_done`] | worker under a plug; any |
//! | 3 → 3, 5 for `Rmw` | [`LoopCmd::issue_rmw`] | worker |
//! | 3 → 4, 5, end | [`LoopCmd::issue_blocking`], `io_done`, `remapped` | worker; any |
//! | 4 → 5 | work of its own | worker |
//! | 5 → 3, end | [`LoopCmd::complete`] | any |
//!
//! Stage 3 follows stage 5 where a part of the request is left to do.

use crate::{
    abstractions::{
        block::mq::{impl_has_request_io, Op, Request, RequestIo, RequestIoDone, RequestRemapped},
        error::eopnotsupp,
        fs::{
            FallocateMode::{self, PunchHole, ZeroRange},
            FileExt, IoMode,
        },
        task::{in_task, IoPriorityScope, IoWorkerScope},
    },
    backing::{DioUnit, SECTOR_SIZE},
    binding::Binding,
    driver::Loop,
    exclusion::Exclusion,
    hw_queue::{HwQueue, Single, Sink},
    pinned::issue,
    rmw::{self, blocks_of, bytes_of, device_blocks},
    route::{reroute, route, DataPath, Facts, Route, SubmitContext, Why},
    unsupported::Withdraw,
};
use core::{cmp::max, ops::Range};
use kernel::{
    impl_has_work, new_work,
    prelude::*,
    sync::atomic::Relaxed,
    time::{delay::fsleep, Delta},
    workqueue::{Work, WorkItem},
};

/// The stage of a request; see the head of the file.
#[derive(Clone, Copy)]
enum Stage {
    /// `EAGAIN` from below means that a tag would have to be waited for.
    Submitted,
    /// `EAGAIN` from the file means that the I/O would have to wait.
    Nowait,
    /// To be submitted to the device below a pinned file.
    RemapInTask,
    /// Errors are final.
    Blocking,
    /// To be carried out by whole blocks. A write has entered its binding's `Exclusion`.
    Rmw,
    /// The page cache of the file has pages from before, or times are to be committed.
    PostWrite,
    /// The file is to be synced.
    Sync,
    Done {
        /// How many bytes were transferred.
        result: Result<u32>,
        /// It was issued to block if needed, so a short result is final.
        could_block: bool,
    },
}

/// Private data of a request.
#[pin_data]
pub(crate) struct LoopCmd {
    /// For stages 3 to 5. Owns the request while it is queued.
    #[pin]
    work: Work<LoopCmd>,
    #[pin]
    io: RequestIo<Loop>,
    stage: Stage,
}

impl_has_work! {
    impl HasWork<Self> for LoopCmd { self.work }
}

impl_has_request_io! {
    impl HasRequestIo<Loop> for LoopCmd { self.io }
}

/// Of devices on top of each other so many may complete on one stack.
const MAX_NESTED: i32 = 8;

/// The largest read that the submitter copies out of the page cache, in bytes. The copy takes less time than
/// waking another task; a larger one is better done beside the submitter.
const MAX_COPY: u32 = 32 << 10;

/// How long a write waits for others that share a block with it, before it looks again.
const RMW_PAUSE: Delta = Delta::from_micros(200);

impl Facts for Request<Loop> {
    fn op(&self) -> Op {
        Request::op(self)
    }

    fn path(&self) -> DataPath {
        let binding = self.config();
        if binding.backing.is_block() {
            DataPath::BlockDevice
        } else if binding.pinned().is_some() {
            DataPath::Pinned
        } else {
            DataPath::File
        }
    }

    fn is_direct(&self) -> bool {
        self.config().direct
    }

    fn is_read_only(&self) -> bool {
        self.config().read_only
    }

    #[inline]
    fn needs_rmw(&self) -> bool {
        self.config().dio_unit.mask != 0 && needs_rmw(self)
    }

    fn in_cgroup(&self) -> bool {
        self.blkcg().is_some()
    }

    fn is_flush_step(&self) -> bool {
        Request::is_flush_step(self)
    }

    fn is_ordered(&self) -> bool {
        self.config().ordered.is_some()
    }

    fn are_writes_blocked(&self) -> bool {
        self.disk().write_barrier.is_blocking()
    }

    fn has_blocking_writes(&self) -> bool {
        self.config().has_blocking_writes()
    }

    fn can_remap(&self) -> bool {
        can_remap(self)
    }

    fn can_copy(&self) -> bool {
        self.bytes() <= MAX_COPY && self.config().can_read_cached()
    }

    fn can_try(&self) -> bool {
        let binding = self.config();
        let backing = &binding.backing;
        match (self.op(), binding.direct) {
            (Op::Read, true) => backing.can_try_direct(self.bytes()),
            (Op::Write, true) => {
                backing.can_try_direct(self.bytes())
                    && (backing.is_block() || binding.write_backoff.should_try())
            }
            (Op::Read, false) => backing.can_try_buffered(),
            _ => false,
        }
    }

    fn reads_ahead(&self) -> bool {
        self.config().backing.reads_from_cache()
    }
}

/// Whether a request of a device with smaller blocks than its file's direct I/O takes is to be carried out by those, or
/// has to wait for one that is. A segment that is not made of whole blocks could be split within one by the device below.
fn needs_rmw(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    let DioUnit { mask, memory, .. } = binding.dio_unit;
    if rq.op() == Op::Flush {
        return false;
    }
    let is_transfer = matches!(rq.op(), Op::Read | Op::Write);
    (rq.pos() & i64::from(mask)) | i64::from(rq.bytes() & mask) != 0
        || (is_transfer && !rq.has_whole_blocks(mask, memory))
        || (rq.op().is_write()
            && binding
                .exclusion()
                .is_some_and(|exclusion| exclusion.excludes(&bytes_of(rq))))
}

/// Whether bios to the block device that the backing file is would do what direct I/O on the file does.
fn can_remap(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    let Some(bdev) = binding.backing.block_device() else {
        return false;
    };
    match rq.op() {
        Op::Read => (),
        Op::Write if binding.ordered.is_none() && bdev.takes_writes() => (),
        _ => return false,
    }
    // What is beyond the end of a device that has shrunk is for the file to refuse.
    let Some((pos, end)) = file_pos(rq)
        .ok()
        .and_then(|pos| Some((pos, pos.checked_add(i64::from(rq.bytes()))?)))
    else {
        return false;
    };
    let mapping = binding.backing.file().mapping();
    end <= mapping.size() && !mapping.is_cached(pos, rq.bytes())
}

/// Whether the backing file has a part of a request in its page cache.
fn is_cached(rq: &Request<Loop>) -> bool {
    let mapping = rq.config().backing.file().mapping();
    file_pos(rq).is_ok_and(|pos| mapping.is_cached(pos, rq.bytes()))
}

/// Drops the pages of the backing file's cache that a request has changed past it. May sleep.
fn invalidate_cached(rq: &Request<Loop>) {
    if let Ok(pos) = file_pos(rq) {
        let mapping = rq.config().backing.file().mapping();
        mapping.invalidate(pos, rq.bytes());
    }
}

/// Whether a write in pinned mode must not end before the new times are durable, as its data is. Any context.
fn are_times_due(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    rq.is_fua()
        && binding.pinned().is_some()
        && binding.times.as_ref().is_some_and(|times| times.is_due())
}

/// Whether a write that was carried out by way of the file is not on the medium yet, as it has to be when it ends. Any
/// context.
///
/// `BLK_FEAT_FUA` is not set then, so the block layer has a flush follow each write with FUA. Request-based device
/// mapper is not the block layer's to look after (`blk_insert_cloned_request()`): it passes FUA on if one of its paths
/// had that feature when the table was loaded, which may be another disk, or this device when it was pinned.
fn needs_sync(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    rq.op() == Op::Write
        && rq.is_fua()
        && binding.pinned().is_none()
        && binding.backing.file().has_fsync()
}

/// Has the backing file put all that was written on the medium, with its times. May sleep.
fn sync_file(rq: &Request<Loop>) -> Result {
    let binding = rq.config();
    if let Some(times) = &binding.times {
        times.update();
    }
    binding.backing.file().fsync().map_err(|_| EIO)
}

/// Where in the backing file a request begins, in bytes.
fn file_pos(rq: &Request<Loop>) -> Result<i64> {
    rq.pos().checked_add(rq.config().offset).ok_or(EIO)
}

/// The file's I/O, as the binding has it.
fn io_mode(rq: &Request<Loop>, nowait: bool) -> IoMode {
    match rq.config().direct {
        true => IoMode::Direct { nowait },
        false => IoMode::Buffered { nowait },
    }
}

impl LoopCmd {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            work <- new_work!("loop_cmd"),
            io <- RequestIo::new(),
            stage: Stage::Submitted,
        })
    }

    fn set_stage(rq: &mut Request<Loop>, stage: Stage) {
        *rq.data().project().stage = stage;
    }

    fn stage(rq: &mut Request<Loop>) -> Stage {
        *rq.data().project().stage
    }

    fn is_blocking(rq: &mut Request<Loop>) -> bool {
        matches!(Self::stage(rq), Stage::Blocking)
    }

    /// Takes a request over from the block layer. Does at once what needs neither a file system nor waiting.
    ///
    /// Called by `queue_rq` and `queue_rqs`. May sleep, as far as `context` says.
    #[inline(always)] // Nothing is called more often, from two places.
    pub(crate) fn submit(mut rq: Request<Loop>, context: SubmitContext, sink: &mut impl Sink) {
        Self::set_stage(&mut rq, Stage::Submitted);
        if rq.config().dio_unit.mask != 0 {
            // Before `route` looks for those that exclude it.
            match rq.op().is_write() {
                true => rq.announce_write(),
                false => rq.withdraw_write(),
            }
        }
        let route = route(&rq, context);
        Self::dispatch(rq, route, sink);
    }

    /// Does what was decided. The only place where requests are queued.
    #[inline(always)] // As `submit`.
    fn dispatch(mut rq: Request<Loop>, mut route: Route, sink: &mut impl Sink) {
        loop {
            let why = match route {
                Route::Fail => return rq.end(Err(EIO)),
                Route::Remap { nowait } => match Self::remap(rq, nowait) {
                    Ok(()) => return,
                    Err(given_back) => {
                        rq = given_back;
                        Why::NotRemapped
                    }
                },
                Route::CopyCached => {
                    let pos = file_pos(&rq);
                    if pos.is_ok_and(|pos| rq.fill_from_cache(pos)) {
                        return rq.end(Ok(()));
                    }
                    Why::NotCached
                }
                Route::Nowait => {
                    Self::set_stage(&mut rq, Stage::Nowait);
                    return sink.push_nowait(rq);
                }
                Route::RemapInTask => {
                    Self::set_stage(&mut rq, Stage::RemapInTask);
                    return sink.push_nowait(rq);
                }
                Route::Rmw => return Self::enter_rmw(rq),
                Route::Ordered => {
                    Self::set_stage(&mut rq, Stage::Blocking);
                    return match rq.config().ordered.clone() {
                        Some(queue) => HwQueue::append_write(queue.as_arc_borrow(), rq),
                        None => Self::block_in_own_work(rq),
                    };
                }
                Route::Blocking => {
                    Self::set_stage(&mut rq, Stage::Blocking);
                    Self::note_untried(&rq);
                    return match sink.push_blocking(rq) {
                        Ok(()) => (),
                        Err(rq) => Self::enqueue(rq),
                    };
                }
                Route::OwnWork => {
                    Self::note_untried(&rq);
                    return Self::block_in_own_work(rq);
                }
            };
            route = reroute(&rq, why, true);
        }
    }

    /// Goes on with a request that could not go its way. May be called from any context.
    fn redispatch(rq: Request<Loop>, why: Why) {
        let route = reroute(&rq, why, in_task());
        Self::dispatch(rq, route, &mut Single);
    }

    fn note_untried(rq: &Request<Loop>) {
        if rq.op() == Op::Write {
            rq.config().write_backoff.skipped();
        }
    }

    /// Lets the request block in a work item of its own. May be called from any context.
    pub(crate) fn block_in_own_work(mut rq: Request<Loop>) {
        Self::set_stage(&mut rq, Stage::Blocking);
        Self::enqueue(rq);
    }

    /// Queues the work item of a request that is carried out by whole blocks, or leaves that to the one that it waits
    /// for. Process context.
    fn enter_rmw(mut rq: Request<Loop>) {
        Self::set_stage(&mut rq, Stage::Rmw);
        rq.withdraw_write();
        let ready = match rq.config().exclusion().cloned() {
            Some(exclusion) if rq.op().is_write() => exclusion.enter(rq, blocks_of),
            _ => Some(rq),
        };
        if let Some(rq) = ready {
            Self::enqueue(rq);
        }
    }

    /// Queues the work item of the request, for what its stage says.
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

    /// Submits a request to the device below as a bio, in the task that submits it. Gives it back if that is not
    /// possible, or if the file system of a pinned file may not admit the write.
    #[inline(always)] // As `submit`.
    fn remap(mut rq: Request<Loop>, nowait: bool) -> Result<(), Request<Loop>> {
        if rq.op() == Op::Write && issue::try_begin_write(&mut rq).is_err() {
            return Err(rq);
        }
        rq.remap(Binding::map, nowait).map_err(|mut rq| {
            issue::end_write(&mut rq);
            rq
        })
    }

    /// Issues a request of the nowait list.
    ///
    /// Called in a worker, with a plug, attributed to the request's cgroup. Waits for memory and tags only.
    pub(crate) fn issue_nowait(mut rq: Request<Loop>) {
        let _priority = IoPriorityScope::enter(rq.ioprio());
        match Self::stage(&mut rq) {
            // A read may find that the file was pinned meanwhile: to read it by way of the file system is still
            // right. A write finds writes allowed, as when it was routed: blocking them takes a frozen queue.
            Stage::Nowait => {
                let mode = io_mode(&rq, true);
                Self::transfer(rq, mode);
            }
            _ => {
                if let Err(rq) = Self::issue_pinned(rq, false) {
                    Self::block_in_own_work(rq);
                }
            }
        }
    }

    /// Carries a request out, attributed to its cgroup. May block.
    pub(crate) fn issue_blocking(rq: Request<Loop>) {
        let _priority = IoPriorityScope::enter(rq.ioprio());
        let op = rq.op();
        if op.is_write() {
            rq.disk().write_barrier.wait();
        }
        let rq = match Self::issue_pinned(rq, true) {
            Ok(()) => return,
            Err(rq) => rq,
        };
        let result = match op {
            Op::Read | Op::Write => {
                let mode = io_mode(&rq, false);
                return Self::transfer(rq, mode);
            }
            Op::Flush => sync_file(&rq),
            Op::Discard | Op::WriteZeroes => deallocate(&rq, &bytes_of(&rq), deallocate_modes(&rq)),
        };
        Self::finish_whole(rq, result);
    }

    /// Carries a request out in pinned mode; gives it back if the file is not pinned. What has to wait for more than
    /// memory, or a tag of the device below, does so only if it may `wait`, and else blocks in work of its own.
    fn issue_pinned(mut rq: Request<Loop>, wait: bool) -> Result<(), Request<Loop>> {
        let Some(result) = issue::begin(&mut rq, wait) else {
            return Err(rq);
        };
        Self::set_stage(&mut rq, Stage::Blocking);
        match (rq.op(), result) {
            (Op::Read | Op::Write, Ok(())) => issue::remap_all(rq),
            // The submitter falls back by itself.
            (Op::Discard, Err(e)) if e == eopnotsupp() => {
                refuse_discard(&rq);
                Self::finish_whole(rq, Err(e));
            }
            (_, result) => Self::finish_whole(rq, result.map_err(|_| EIO)),
        }
        Ok(())
    }

    /// Carries a request out by whole blocks, attributed to its cgroup. Writes have [entered](Exclusion::enter). May
    /// block.
    fn issue_rmw(mut rq: Request<Loop>) {
        let _priority = IoPriorityScope::enter(rq.ioprio());
        let Some(exclusion) = rq.config().exclusion().cloned() else {
            return Self::finish(rq, Err(EIO));
        };
        if !rq.op().is_write() {
            let result = rmw::read(&mut rq, &exclusion);
            if result.is_err() {
                rq.zero_fill();
            }
            return Self::finish_whole(rq, result);
        }
        rq.disk().write_barrier.wait();
        let blocks = blocks_of(&rq);
        if rq.others_write(blocks.clone()) {
            // One of those may wait for a worker, and this be the only one: so it goes behind them.
            fsleep(RMW_PAUSE);
            return Self::enqueue(rq);
        }
        rq.config().begin_blocking_write();
        let result = issue::write_blocks(&rq, &blocks, || match rq.op() {
            Op::Write => rmw::write(&rq, &exclusion, bytes_of(&rq)),
            _ => Self::zero_rmw(&rq, &exclusion),
        });
        rq.config().end_blocking_write();
        let mut ready = exclusion.leave(&blocks, blocks_of);
        while let Some(next) = ready.pop_front() {
            Self::enqueue(next);
        }
        let result = match needs_sync(&rq) {
            true => result.and_then(|()| sync_file(&rq)),
            false => result,
        };
        Self::finish_whole(rq, result);
    }

    /// A discard or write-zeroes of which the first or last block is a part of one. Of whole blocks the file makes holes
    /// or zeroes; where it does not, nothing is changed.
    fn zero_rmw(rq: &Request<Loop>, exclusion: &Exclusion) -> Result {
        let bytes = bytes_of(rq);
        let whole = device_blocks(rq).within(&bytes);
        match issue::zero_blocks(rq, &whole) {
            Some(Err(e)) if e == eopnotsupp() => {
                refuse_discard(rq);
                return Err(e);
            }
            Some(result) => result.map_err(|_| EIO)?,
            None => deallocate(rq, &whole, deallocate_modes(rq))?,
        }
        if whole.is_empty() {
            return rmw::write(rq, exclusion, bytes);
        }
        rmw::write(rq, exclusion, bytes.start..whole.start)?;
        rmw::write(rq, exclusion, whole.end..bytes.end)
    }

    /// Reads from the file, or writes to it.
    fn transfer(rq: Request<Loop>, mode: IoMode) {
        let binding = rq.config();
        match file_pos(&rq) {
            Ok(pos) => {
                if rq.op() == Op::Write && !mode.nowait() {
                    binding.begin_blocking_write();
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

    fn finish_whole(rq: Request<Loop>, result: Result) {
        let bytes = rq.bytes();
        Self::finish(rq, result.map(|()| bytes));
    }

    /// The I/O is done, or failed. May be called from any context.
    fn finish(mut rq: Request<Loop>, result: Result<u32>) {
        let could_block = Self::is_blocking(&mut rq);
        Self::set_stage(
            &mut rq,
            Stage::Done {
                result,
                could_block,
            },
        );
        if let Err(rq) = rq.complete_nested(MAX_NESTED) {
            Self::enqueue(rq);
        }
    }

    /// Ends a request, or goes on with what is left of it. May be called from any context.
    pub(crate) fn complete(mut rq: Request<Loop>) {
        let (result, could_block) = match Self::stage(&mut rq) {
            Stage::Done {
                result,
                could_block,
            } => (result, could_block),
            // Unreachable: `finish` is the only caller of `Request::complete_nested`.
            _ => (Err(EIO), true),
        };
        match result {
            Err(e) => rq.end(Err(e)),
            // Nothing but reads and writes is done in parts.
            Ok(bytes) if bytes >= rq.bytes() => rq.end(Ok(())),
            Ok(bytes)
                if could_block && bytes & !max(SECTOR_SIZE - 1, rq.config().dio_unit.mask) == 0 =>
            {
                // The file ends here, or takes no more.
                rq.zero_fill();
                rq.end(Err(EIO));
            }
            // An attempt that must not block may stop anywhere, also within a sector, or a block; that is done again.
            Ok(bytes) => {
                let mask = rq.config().dio_unit.mask;
                if let Some(rest) = rq.advance(bytes & !mask) {
                    Self::block_in_own_work(rest);
                }
            }
        }
    }
}

impl RequestIoDone<Loop> for LoopCmd {
    fn io_done(mut rq: Request<Loop>, result: Result<u32>) {
        let could_block = Self::is_blocking(&mut rq);
        let is_write = rq.op() == Op::Write;
        if could_block && is_write {
            rq.config().end_blocking_write();
        }
        match result {
            // Some file systems answer `EOPNOTSUPP` to `IOCB_NOWAIT` (ext4 does where direct I/O falls back to
            // the page cache).
            Err(e) if (e == EAGAIN || e == eopnotsupp()) && !could_block => {
                if is_write {
                    rq.config().write_backoff.would_block();
                }
                Self::redispatch(rq, Why::WouldBlock);
            }
            Ok(bytes) if is_write && bytes >= rq.bytes() && needs_sync(&rq) => {
                Self::set_stage(&mut rq, Stage::Sync);
                Self::enqueue(rq);
            }
            result => {
                let binding = rq.config();
                // One that has waited says what the file system thought when it was asked.
                if !is_write && !binding.direct && !could_block && result.is_ok() {
                    binding.note_read();
                }
                Self::finish(rq, result);
            }
        }
    }
}

impl RequestRemapped<Loop> for LoopCmd {
    #[inline]
    fn remapped(mut rq: Request<Loop>, result: Result) {
        issue::end_write(&mut rq);
        let could_block = Self::is_blocking(&mut rq);
        match result {
            // A read may have cached the old data while the write was in flight.
            Ok(()) if rq.op() == Op::Write && (is_cached(&rq) || are_times_due(&rq)) => {
                Self::set_stage(&mut rq, Stage::PostWrite);
                Self::enqueue(rq);
            }
            // A task that submitted it reports this itself, under no lock.
            Err(e) if e == EAGAIN && !could_block => Self::redispatch(rq, Why::NoTag),
            Err(e) if e == eopnotsupp() && !could_block => Self::redispatch(rq, Why::CannotPoll),
            // On stacked devices this is nested in another device's completion: `finish` bounds the depth. The
            // submitter remaps only to devices that are not stacked.
            result if could_block && !rq.config().is_on_bottom() => {
                Self::finish_whole(rq, result);
            }
            // On the CPU where the device below completed it.
            result => rq.end(result),
        }
    }
}

impl WorkItem for LoopCmd {
    type Pointer = Request<Loop>;

    fn run(mut rq: Request<Loop>) {
        let _scope = IoWorkerScope::enter();
        match Self::stage(&mut rq) {
            Stage::Done { .. } => Self::complete(rq),
            Stage::PostWrite => {
                invalidate_cached(&rq);
                let committed = match are_times_due(&rq) {
                    true => rq.config().commit_times(),
                    false => Ok(()),
                };
                Self::finish_whole(rq, committed.map_err(|_| EIO));
            }
            Stage::Sync => rq.attributed(|rq| {
                let result = sync_file(&rq);
                Self::finish_whole(rq, result);
            }),
            Stage::Rmw => rq.attributed(Self::issue_rmw),
            _ => rq.attributed(Self::issue_blocking),
        }
    }
}

/// A discard of a pinned file is not supported by the device below. Its submitter falls back by itself.
fn refuse_discard(rq: &Request<Loop>) {
    rq.set_quiet();
    // Otherwise that says nothing of the next one.
    if rq
        .config()
        .pinned()
        .is_some_and(|pinned| !pinned.has_discard())
    {
        Withdraw::enqueue(rq);
    }
}

/// The ways in which a discard or write-zeroes may make zeroes.
fn deallocate_modes(rq: &Request<Loop>) -> &'static [FallocateMode] {
    match rq.op() {
        Op::WriteZeroes if rq.no_unmap() => &[ZeroRange],
        Op::WriteZeroes => &[PunchHole, ZeroRange],
        _ => &[PunchHole],
    }
}

/// Makes a range of the device, perhaps an empty one, read as zeroes, in the first of some ways that the file supports.
/// Where discards are forbidden the file is left as it is, and whoever wants zeroes has to write them.
fn deallocate(rq: &Request<Loop>, range: &Range<i64>, modes: &[FallocateMode]) -> Result {
    let binding = rq.config();
    if rq.discards_forbidden() {
        return Err(eopnotsupp());
    }
    let pos = range.start.checked_add(binding.offset).ok_or(EIO)?;
    let len = range.end.saturating_sub(range.start);
    if len == 0 {
        return Ok(());
    }
    let mut is_new = false;
    for &mode in modes {
        let unsupported = binding.unsupported(mode);
        if unsupported.load(Relaxed) {
            continue;
        }
        match binding.backing.file().fallocate(mode, pos, len) {
            Err(e) if e == eopnotsupp() => {
                is_new |= !unsupported.xchg(true, Relaxed);
            }
            result => return result.map_err(|_| EIO),
        }
    }
    // The request came before the limits were taken back, and logging that once is enough.
    if !is_new {
        rq.set_quiet();
    }
    Withdraw::enqueue(rq);
    Err(eopnotsupp())
}
