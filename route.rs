// SPDX-License-Identifier: GPL-2.0

//! Decides what the driver does with a request. Nothing here has a side effect;
//! [`LoopCmd::dispatch`] acts.
//!
//! [`route`] decides for a request that the block layer hands over, [`reroute`] for a request that
//! its first route could not serve. The host tests (`tests/host/test_route.rs`) run both with every
//! combination of facts.
//!
//! The rules, first match:
//!
//! | | route |
//! |---|---|
//! | a write to a read-only device | [`Route::Fail`] |
//! | not made of the file's direct-I/O blocks, or excluded by a running `Rmw` | [`Route::Rmw`] |
//! | flush, discard, write-zeroes; the write between two flushes | [`Route::OwnWork`] |
//! | a write while writes are blocked | [`Route::OwnWork`], which waits until they are allowed |
//! | direct I/O on a disk, or a pinned file, if the submitter may | [`Route::Remap`] |
//! | a pinned file, if the submitter may not | [`Route::RemapInTask`]; `Blocking` for a cgroup |
//! | a small buffered read that the page cache may serve | [`Route::CopyCached`] |
//! | a write to a zoned device | [`Route::Ordered`] |
//! | a cgroup's direct I/O on a block device | [`Route::Blocking`]: it may be throttled there |
//! | what can be tried without waiting | [`Route::Nowait`]; `Blocking` for a cgroup's direct I/O |
//! | direct I/O on a block device, if a worker may remap it | [`Route::Blocking`] |
//! | a write to a file | [`Route::Blocking`]: writes take the inode's lock in turn anyway |
//! | everything else | [`Route::OwnWork`] |
//!
//! [`LoopCmd::dispatch`]: crate::loop_cmd::LoopCmd

use crate::abstractions::block::mq::Op;

/// What the task that submits a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubmitContext {
    /// The task must not submit bios: it could deadlock, as it may hold back requests that others
    /// wait for.
    NoSubmit,
    /// The task may submit bios, but must not wait for a tag of the device below.
    NoWait,
    /// The task may submit bios and wait.
    MayWait,
}

/// How a request reaches its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataPath {
    /// The backing file is a block device.
    BlockDevice,
    /// The backing file is pinned, so its blocks are known.
    Pinned,
    /// Any other backing file: through its file system.
    File,
}

/// What a decision depends on: the request, its binding, and the moment. Facts may change during a
/// decision, so it reads each one once. The exception is whether [`path`](Self::path) is
/// `BlockDevice`, which never changes.
pub(crate) trait Facts {
    fn op(&self) -> Op;
    fn path(&self) -> DataPath;
    /// Whether I/O goes past the page cache of the backing file.
    fn is_direct(&self) -> bool;
    fn is_read_only(&self) -> bool;
    /// Whether direct I/O does not take the request as it is, or a running [`Route::Rmw`] excludes
    /// it.
    fn needs_rmw(&self) -> bool;
    /// Whether the request belongs to a cgroup other than the root one.
    fn in_cgroup(&self) -> bool;
    /// Whether the request is a step of a flush sequence (`RQF_FLUSH_SEQ`), for which its submitter
    /// waits.
    fn is_flush_step(&self) -> bool;
    /// Whether writes have to reach the device below in the order in which they were submitted.
    fn is_ordered(&self) -> bool;
    /// Whether writes are blocked while pinned mode is switched on or off.
    fn are_writes_blocked(&self) -> bool;
    /// Whether blocking writes are in flight.
    fn has_blocking_writes(&self) -> bool;
    /// Whether the block device is not stacked on another one.
    fn is_on_bottom(&self) -> bool;
    /// Whether bios to the block device would do what direct I/O on its file does.
    fn can_remap(&self) -> bool;
    /// Whether a copy out of the page cache may serve the request.
    fn can_copy(&self) -> bool;
    /// Whether to try the file's I/O without waiting (`IOCB_NOWAIT`): the file supports that, for a
    /// direct read the device below too, and no recent write would have had to wait.
    fn can_try(&self) -> bool;
    /// Whether a buffered read with `IOCB_NOWAIT` starts to read the page that it finds missing.
    fn reads_ahead(&self) -> bool;
}

/// What the driver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// End it with `EIO`.
    Fail,
    /// Submit it to the device below as a bio. With `nowait`, the bio fails if no tag is free.
    Remap { nowait: bool },
    /// Copy its data out of the page cache.
    CopyCached,
    /// Try it without waiting (`IOCB_NOWAIT`, `REQ_NOWAIT`) in the nowait work of its hardware
    /// queue, or of its cgroup.
    Nowait,
    /// Submit it as bios in the nowait work, which waits for memory and tags only.
    RemapInTask,
    /// Carry it out by whole blocks, in its own work item, while no other request writes to them.
    Rmw,
    /// Append it to the queue that all writes to a zoned device share.
    Ordered,
    /// Let it block in the work item that requests of its cgroup and direction share.
    Blocking,
    /// Let it block in its own work item.
    OwnWork,
}

/// Why a route could not serve a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The submitter cannot remap it as one bio, or the file system does not admit writes at the
    /// moment.
    NotRemapped,
    /// The page cache lacks a part of it.
    NotCached,
    /// The file system would have to wait.
    WouldBlock,
    /// The device below has no free tag.
    NoTag,
    /// The device below cannot be polled for it.
    CannotPoll,
}

/// The route of a request that the block layer hands over.
#[inline(always)] // As `LoopCmd::submit`.
pub(crate) fn route(facts: &impl Facts, context: SubmitContext) -> Route {
    let op = facts.op();
    if op.is_write() && facts.is_read_only() {
        return Route::Fail;
    }
    if facts.needs_rmw() {
        return Route::Rmw;
    }
    if !matches!(op, Op::Read | Op::Write) || is_awaited_write(facts, context) {
        return Route::OwnWork;
    }
    let nowait = context != SubmitContext::MayWait;
    // Before the path: a write that finds writes allowed again then finds the file pinned, too.
    let is_blocked = op == Op::Write && facts.are_writes_blocked();
    match facts.path() {
        DataPath::BlockDevice => {
            if facts.is_direct()
                && context != SubmitContext::NoSubmit
                && facts.is_on_bottom()
                && facts.can_remap()
            {
                return Route::Remap { nowait };
            }
        }
        _ if is_blocked => return Route::OwnWork,
        DataPath::Pinned if context == SubmitContext::NoSubmit => return remap_later(facts),
        DataPath::Pinned => return Route::Remap { nowait },
        DataPath::File => (),
    }
    if op == Op::Read && !facts.is_direct() && facts.can_copy() {
        return Route::CopyCached;
    }
    in_task(facts)
}

/// The route of a request that [`route`]'s choice could not serve. `in_task_context` is true in
/// process context; only there may the lists of a hardware queue change.
pub(crate) fn reroute(facts: &impl Facts, why: Why, in_task_context: bool) -> Route {
    let path = facts.path();
    match why {
        Why::NotRemapped if path == DataPath::Pinned => remap_later(facts),
        Why::NotRemapped | Why::NotCached => in_task(facts),
        Why::NoTag if path == DataPath::Pinned && in_task_context => remap_later(facts),
        Why::WouldBlock if in_task_context && waits_for_the_same(facts) => Route::Blocking,
        Why::NoTag | Why::CannotPoll | Why::WouldBlock => Route::OwnWork,
    }
}

/// Whether this is the write between two flushes, for which its submitter waits. `false` if other
/// blocking writes are in flight, or writes have to keep their order: then it queues with the
/// others.
fn is_awaited_write(facts: &impl Facts, context: SubmitContext) -> bool {
    context == SubmitContext::NoSubmit
        && facts.is_flush_step()
        && !facts.is_ordered()
        && !facts.has_blocking_writes()
}

/// The route to a pinned file for a request that its submitter cannot remap: a worker waits for a
/// tag of the device below. A cgroup may be throttled as well, so its requests wait in the cgroup's
/// own work item.
fn remap_later(facts: &impl Facts) -> Route {
    match facts.in_cgroup() {
        false => Route::RemapInTask,
        true => Route::Blocking,
    }
}

/// The route of a read or write that a worker issues.
fn in_task(facts: &impl Facts) -> Route {
    let is_write = facts.op() == Op::Write;
    if is_write && facts.is_ordered() {
        return Route::Ordered;
    }
    let is_device = facts.path() == DataPath::BlockDevice;
    if is_device && facts.is_direct() && facts.in_cgroup() {
        return Route::Blocking;
    }
    if facts.can_try() {
        // A bio of a cgroup that is not to wait is charged to it even if it then finds no tag, so a
        // second one would be charged again.
        return match facts.is_direct() && facts.in_cgroup() {
            true => Route::Blocking,
            false => Route::Nowait,
        };
    }
    match is_device {
        true if facts.is_direct() && facts.can_remap() => Route::Blocking,
        false if is_write => Route::Blocking,
        _ => Route::OwnWork,
    }
}

/// Whether all requests like this one would wait for the same thing, or for as long, so that one
/// worker is enough for them. Writes take the inode's lock in turn. A direct read waits for that
/// lock if a write may hold it. A buffered read that was tried has started to read its pages, so
/// while the worker waits for one page, the pages of the other reads arrive too.
fn waits_for_the_same(facts: &impl Facts) -> bool {
    if facts.path() == DataPath::BlockDevice {
        return false;
    }
    match (facts.op(), facts.is_direct()) {
        (Op::Write, _) => true,
        (_, true) => facts.has_blocking_writes(),
        (_, false) => facts.reads_ahead(),
    }
}
