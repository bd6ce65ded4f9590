// SPDX-License-Identifier: GPL-2.0

//! One command: the stages of a request, its issue, and its completion.
//!
//! `route.rs` decides what to do with a request, and [`LoopCmd::dispatch`] does it. Only `dispatch`
//! chooses the list of a hardware queue that a request is added to. Over its life a request is in
//! one of these stages:
//!
//! 1. [`Submitted`](Stage::Submitted): `queue_rq` or `queue_rqs` handles it, or the bio that one of
//!    them has submitted for it is in flight.
//! 2. [`Nowait`](Stage::Nowait), [`RemapInTask`](Stage::RemapInTask): it is in the nowait list of
//!    its hardware queue, or of its cgroup there; or in flight as the file's asynchronous I/O, or
//!    as a bio to the device below, issued from there.
//! 3. [`Blocking`](Stage::Blocking): it is in a list of requests that may block, or its own work
//!    item is queued; or it is in flight as I/O that may block, or as bios to the device below.
//!    Or [`Rmw`](Stage::Rmw): the same, but it is carried out by whole blocks; a write waits for
//!    others that share a block with it.
//! 4. [`PostWrite`](Stage::PostWrite): its data was written past the page cache and the file
//!    system; its own work item drops the stale pages and commits the file's new times.
//!    Or [`Sync`](Stage::Sync): its data was written through the file, and has to be on the medium;
//!    its own work item syncs the file.
//! 5. [`Done`](Stage::Done): it is on its way to [`LoopCmd::complete`], on the CPU that the block
//!    layer chooses, or in its own work item where completions nest too deeply.
//!
//! `any` context is also that of a hard irq, which must not sleep.
//!
//! | transition | by | context |
//! |---|---|---|
//! | → 1 → 2, 3, end | [`LoopCmd::submit`] | the submitting task; must not call a file system |
//! | 1 → 2, 3, 4, end | [`RequestRemapped::remapped`] | any; → 2 in process context only |
//! | 2 → 3, 4, 5, end | [`LoopCmd::issue_nowait`], [`RequestIoDone::io_done`], `remapped` | worker under a plug; any |
//! | 3 → 3, 5 for `Rmw` | [`LoopCmd::issue_rmw`] | worker |
//! | 3 → 4, 5, end | [`LoopCmd::issue_blocking`], `io_done`, `remapped` | worker; any |
//! | 4 → 5 | the request's own work item | worker |
//! | 5 → 3, end | [`LoopCmd::complete`] | any |
//!
//! Stage 3 follows stage 5 if a part of the request is left to do.

use crate::{
    abstractions::{
        block::mq::{impl_has_request_io, Op, Request, RequestIo, RequestIoDone, RequestRemapped},
        error::eopnotsupp,
        fs::{FileExt, IoMode},
        task::{in_task, IoPriorityScope, IoWorkerScope},
    },
    backing::SECTOR_SIZE,
    binding::Binding,
    deallocate::{deallocate, deallocate_modes, refuse_discard},
    driver::Loop,
    exclusion::Exclusion,
    hw_queue::{HwQueue, Single, Sink},
    pinned::issue,
    rmw::{self, blocks_of, bytes_of, device_blocks},
    route::{reroute, route, DataPath, Facts, Route, SubmitContext, Why},
};
use core::cmp::max;
use kernel::{
    impl_has_work, new_work,
    prelude::*,
    time::{delay::fsleep, Delta},
    workqueue::{Work, WorkItem},
};

/// The stage of a request; see the head of the file.
#[derive(Clone, Copy)]
enum Stage {
    /// `EAGAIN` from the device below means that it has no free tag.
    Submitted,
    /// `EAGAIN` from the file, or from the device below, means that the I/O would have to wait.
    Nowait,
    /// To be submitted, by a worker, to the device below a pinned file.
    RemapInTask,
    /// Errors are final.
    Blocking,
    /// To be carried out by whole blocks. A write has entered the binding's [`Exclusion`].
    Rmw {
        /// How often it has waited for other writes to its blocks.
        pauses: u32,
    },
    /// The file's page cache may have stale pages, or the file's times are to be committed.
    PostWrite,
    /// The file is to be synced.
    Sync,
    Done {
        /// How many bytes were transferred.
        result: Result<u32>,
        /// The I/O could block, so a result of less than a block is final.
        could_block: bool,
    },
}

/// Private data of a request.
#[pin_data]
pub(crate) struct LoopCmd {
    /// Used in stages 3 to 5. Owns the request while it is queued.
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

/// How many completions may nest on one stack, as with devices on top of each other.
const MAX_NESTED: i32 = 8;

/// How long, in microseconds, a read-modify-write waits before it looks again for other writes to
/// its blocks: first, and at most. The time doubles with each look.
const FIRST_PAUSE: i64 = 200;
const MAX_PAUSE: i64 = 1600;

/// Whether the backing file has a part of the request's range in its page cache.
fn is_cached(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    let mapping = binding.backing.file().mapping();
    let pos = binding.file_pos(rq.pos());
    pos.is_ok_and(|pos| mapping.is_cached(pos, rq.bytes()))
}

/// Whether a direct write to a block device leaves cached pages in its range: a read may have
/// cached the old data while the write was in flight. `blkdev_direct_write()` drops pages before an
/// asynchronous write, and not after it. Any context.
fn has_stale_pages(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    binding.direct && binding.backing.is_block() && is_cached(rq)
}

/// Drops the backing file's cached pages in the range that a request has written past them. May
/// sleep.
fn invalidate_cached(rq: &Request<Loop>) {
    let binding = rq.config();
    if let Ok(pos) = binding.file_pos(rq.pos()) {
        binding.backing.file().mapping().invalidate(pos, rq.bytes());
    }
}

/// Whether the file's new times have to be committed before a FUA write in pinned mode ends. Any
/// context.
fn are_times_due(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    rq.is_fua()
        && binding.pinned().is_some()
        && binding.times.as_ref().is_some_and(|times| times.is_due())
}

/// Whether a FUA write that went through the file has to be synced to the medium before it ends.
/// Any context.
///
/// `BLK_FEAT_FUA` is set in pinned mode only; without it the block layer adds a flush to each FUA
/// write. Requests of request-based device mapper bypass that (`blk_insert_cloned_request()`):
/// device mapper passes FUA on if one of its paths had the feature when the table was loaded, which
/// may have been another disk, or this device while it was pinned.
fn needs_sync(rq: &Request<Loop>) -> bool {
    let binding = rq.config();
    rq.op() == Op::Write
        && rq.is_fua()
        && binding.pinned().is_none()
        && binding.backing.file().has_fsync()
}

/// Puts everything that was written to the backing file on the medium, with its times. May sleep.
fn sync_file(rq: &Request<Loop>) -> Result {
    let binding = rq.config();
    if let Some(times) = &binding.times {
        times.update();
    }
    binding.backing.file().fsync().map_err(|_| EIO)
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

    /// Whether the request is to be issued by [`issue_nowait`](Self::issue_nowait).
    pub(crate) fn is_nowait(rq: &mut Request<Loop>) -> bool {
        matches!(Self::stage(rq), Stage::Nowait | Stage::RemapInTask)
    }

    fn is_blocking(rq: &mut Request<Loop>) -> bool {
        matches!(Self::stage(rq), Stage::Blocking)
    }

    /// Takes a request over from the block layer, and dispatches it.
    ///
    /// Called by `queue_rq` and `queue_rqs`. Calls no file system. May sleep, but waits for a tag
    /// of the device below only if `context` permits.
    #[inline(always)] // The hottest path; it has two callers.
    pub(crate) fn submit(mut rq: Request<Loop>, context: SubmitContext, sink: &mut impl Sink) {
        Self::set_stage(&mut rq, Stage::Submitted);
        if rq.config().dio_unit.mask != 0 {
            // Before `route` checks whether a running read-modify-write excludes the request. A
            // request that does not write withdraws what an earlier one in its memory has
            // announced.
            match rq.op().is_write() {
                true => rq.announce_write(),
                false => rq.withdraw_write(),
            }
        }
        let route = route(&rq, context);
        Self::dispatch(rq, route, sink);
    }

    /// Carries out a route. If that cannot serve the request, asks [`reroute`] for the next.
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
                    let pos = rq.config().file_pos(rq.pos());
                    if pos.is_ok_and(|pos| rq.fill_from_cache(Binding::file, pos)) {
                        return rq.end(Ok(()));
                    }
                    Why::NotCached
                }
                Route::Nowait => {
                    Self::set_stage(&mut rq, Stage::Nowait);
                    return Self::push_nowait(rq, sink);
                }
                Route::RemapInTask => {
                    Self::set_stage(&mut rq, Stage::RemapInTask);
                    return Self::push_nowait(rq, sink);
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

    /// Dispatches a request to the next route, after its route could not serve it. Any context.
    fn redispatch(rq: Request<Loop>, why: Why) {
        let route = reroute(&rq, why, in_task());
        Self::dispatch(rq, route, &mut Single);
    }

    #[inline(always)] // As `submit`.
    fn push_nowait(rq: Request<Loop>, sink: &mut impl Sink) {
        if let Err(rq) = sink.push_nowait(rq) {
            Self::block_in_own_work(rq);
        }
    }

    fn note_untried(rq: &Request<Loop>) {
        if rq.op() == Op::Write {
            rq.config().write_backoff.skipped();
        }
    }

    /// Lets the request block in its own work item. Any context.
    pub(crate) fn block_in_own_work(mut rq: Request<Loop>) {
        Self::set_stage(&mut rq, Stage::Blocking);
        Self::enqueue(rq);
    }

    /// Queues the work item of a request that is carried out by whole blocks; but if
    /// [`Exclusion::enter`] keeps the request, the one that it waits for does so later. Process
    /// context.
    fn enter_rmw(mut rq: Request<Loop>) {
        Self::set_stage(&mut rq, Stage::Rmw { pauses: 0 });
        rq.withdraw_write();
        let ready = match rq.config().exclusion().cloned() {
            Some(exclusion) if rq.op().is_write() => exclusion.enter(rq, blocks_of),
            _ => Some(rq),
        };
        if let Some(rq) = ready {
            Self::enqueue(rq);
        }
    }

    /// Queues the request's own work item, which does what the stage says. Any context.
    fn enqueue(rq: Request<Loop>) {
        // `make_queues()` precedes each bind.
        let queued = match rq.op() == Op::Flush || rq.is_flush_step() {
            true => rq.enqueue(|device| device.flush_queue.as_ref().or(device.queue.as_ref())),
            false => rq.enqueue(|device| device.queue.as_ref()),
        };
        if let Err(rq) = queued {
            rq.end(Err(EIO));
        }
    }

    /// Remaps a request to the device below as one bio, in the task that submits it. Gives the
    /// request back if [`Request::remap`] does, or if the file system of a pinned file may not
    /// admit the write.
    #[inline(always)] // As `submit`.
    fn remap(rq: Request<Loop>, nowait: bool) -> Result<(), Request<Loop>> {
        Self::remap_with(rq, |rq| rq.remap(Binding::map, nowait))
    }

    /// Begins a write, calls `remap`, and ends the write again if the request is given back.
    #[inline(always)] // As `submit`.
    fn remap_with(
        mut rq: Request<Loop>,
        remap: impl FnOnce(Request<Loop>) -> Result<(), Request<Loop>>,
    ) -> Result<(), Request<Loop>> {
        if rq.op() == Op::Write && issue::try_begin_write(&mut rq).is_err() {
            return Err(rq);
        }
        remap(rq).map_err(|mut rq| {
            issue::end_write(&mut rq);
            rq
        })
    }

    /// Remaps direct I/O on a block device as one bio, in a worker; else issues a read or write on
    /// the file. Without `nowait` it may block.
    fn transfer(rq: Request<Loop>, nowait: bool) {
        let given_back =
            match rq.is_direct() && rq.path() == DataPath::BlockDevice && rq.can_remap() {
                true => Self::remap_with(rq, |rq| rq.remap_in_worker(Binding::map, nowait)),
                false => Err(rq),
            };
        if let Err(rq) = given_back {
            Self::issue_on_file(rq, nowait);
        }
    }

    /// Issues a request of the nowait list.
    ///
    /// Called by a worker, under a plug, with the request's I/O priority, and with I/O and memory
    /// attributed to the request's cgroup. Waits only for memory and tags, and where the disk below
    /// throttles the cgroup.
    pub(crate) fn issue_nowait(mut rq: Request<Loop>) {
        match Self::stage(&mut rq) {
            // If the file was pinned after a read was routed, reading it through the file system is
            // still right. Writes were not blocked when a write was routed, and are not now:
            // blocking them takes a frozen queue, with no request in flight.
            Stage::Nowait => Self::transfer(rq, true),
            _ => {
                if let Err(rq) = Self::issue_pinned(rq, false) {
                    Self::block_in_own_work(rq);
                }
            }
        }
    }

    /// Carries a request out. The caller attributes the I/O to the request's cgroup. May block.
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
            Op::Read | Op::Write => return Self::transfer(rq, false),
            Op::Flush => sync_file(&rq),
            Op::Discard | Op::WriteZeroes => deallocate(&rq, &bytes_of(&rq), deallocate_modes(&rq)),
        };
        Self::finish_whole(rq, result);
    }

    /// Carries a request out in pinned mode. Gives it back if the file is not pinned; without
    /// `wait` also if the request has to wait for more than memory, or a tag of the device below.
    fn issue_pinned(mut rq: Request<Loop>, wait: bool) -> Result<(), Request<Loop>> {
        let Some(result) = issue::begin(&mut rq, wait) else {
            return Err(rq);
        };
        Self::set_stage(&mut rq, Stage::Blocking);
        match (rq.op(), result) {
            (Op::Read | Op::Write, Ok(())) => issue::remap_all(rq),
            // Keeps `EOPNOTSUPP`, so that the submitter falls back.
            (Op::Discard, Err(e)) if e == eopnotsupp() => {
                refuse_discard(&rq);
                Self::finish_whole(rq, Err(e));
            }
            (_, result) => Self::finish_whole(rq, result.map_err(|_| EIO)),
        }
        Ok(())
    }

    /// Carries a request out by whole blocks. A write has [entered](Exclusion::enter). The caller
    /// attributes the I/O to the request's cgroup. May block.
    fn issue_rmw(mut rq: Request<Loop>, pauses: u32) {
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
            // The other write may need a worker, and this may be the only one, so the pause is
            // short, and this request goes behind the other one in the queue.
            let pause = MAX_PAUSE.min(FIRST_PAUSE << pauses.min(8));
            fsleep(Delta::from_micros(pause));
            Self::set_stage(
                &mut rq,
                Stage::Rmw {
                    pauses: pauses.saturating_add(1),
                },
            );
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

    /// Carries out a discard or write-zeroes that begins or ends within a block. The file punches
    /// or zeroes the whole blocks, then the rest is written as zeroes. If the file supports no way
    /// to do the former, nothing is changed.
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

    /// Issues a read or write on the file.
    fn issue_on_file(rq: Request<Loop>, nowait: bool) {
        let binding = rq.config();
        let mode = match binding.direct {
            true => IoMode::Direct { nowait },
            false => IoMode::Buffered { nowait },
        };
        match binding.file_pos(rq.pos()) {
            Ok(pos) => {
                if rq.op() == Op::Write && !nowait {
                    binding.begin_blocking_write();
                }
                // An ordered write must not stop midway for lack of memory, so it waits for memory.
                // The worker is in an `IoWorkerScope`, where `GFP_KERNEL` starts no I/O.
                let gfp = match binding.ordered {
                    Some(_) if !nowait => GFP_KERNEL,
                    _ => GFP_NOWAIT,
                };
                rq.issue(Binding::file, pos, mode, gfp);
            }
            Err(e) => Self::finish(rq, Err(e)),
        }
    }

    fn finish_whole(rq: Request<Loop>, result: Result) {
        let bytes = rq.bytes();
        Self::finish(rq, result.map(|()| bytes));
    }

    /// Completes a request whose I/O has ended. Any context.
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

    /// Ends a request, or continues with what is left of it. Any context.
    pub(crate) fn complete(mut rq: Request<Loop>) {
        let (result, could_block) = match Self::stage(&mut rq) {
            Stage::Done {
                result,
                could_block,
            } => (result, could_block),
            // Unreachable: `finish` sets the stage before it calls `Request::complete_nested`, or
            // queues the work item.
            _ => (Err(EIO), true),
        };
        match result {
            Err(e) => rq.end(Err(e)),
            // Only reads and writes are done in parts.
            Ok(bytes) if bytes >= rq.bytes() => rq.end(Ok(())),
            Ok(bytes)
                if could_block && bytes & !max(SECTOR_SIZE - 1, rq.config().dio_unit.mask) == 0 =>
            {
                // The file ends here, or takes no more.
                rq.zero_fill();
                rq.end(Err(EIO));
            }
            // Nowait I/O may stop anywhere, also within a sector or a block, which is then done
            // again.
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
            // Some file systems fail `IOCB_NOWAIT` with `EOPNOTSUPP` (ext4 does where direct I/O
            // falls back to the page cache).
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
            Ok(bytes) if is_write && bytes >= rq.bytes() && has_stale_pages(&rq) => {
                Self::set_stage(&mut rq, Stage::PostWrite);
                Self::enqueue(rq);
            }
            result => {
                let binding = rq.config();
                // A read that has waited does not count: it shows that the file system admitted
                // reads when it was issued, which may be long ago.
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
            // A disk's bio ends so in the task that submits it, with no lock held. One of a stacked
            // device may end in any context; its request gets work of its own.
            Err(e) if e == EAGAIN && !could_block => Self::redispatch(rq, Why::NoTag),
            Err(e) if e == eopnotsupp() && !could_block => Self::redispatch(rq, Why::CannotPoll),
            // On stacked devices this is nested in another device's completion: `finish` bounds the
            // depth.
            result if !rq.config().is_on_bottom() => Self::finish_whole(rq, result),
            // Ends on the CPU where the device below has completed it.
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
                if has_stale_pages(&rq) {
                    invalidate_cached(&rq);
                }
                let result = sync_file(&rq);
                Self::finish_whole(rq, result);
            }),
            Stage::Rmw { pauses } => rq.attributed(|rq| Self::issue_rmw(rq, pauses)),
            _ => rq.attributed(Self::issue_blocking),
        }
    }
}
