// SPDX-License-Identifier: GPL-2.0

//! What is to be done with a request. This file decides and has no side effects; [`LoopCmd::dispatch`] acts.
//!
//! [`route`] decides for a request that the block layer hands over, [`reroute`] for one whose way turned out to be
//! closed. Both are tested for every combination of facts, without a kernel (`tests/host/test_route.rs`).
//!
//! The rules, first match:
//!
//! | | route |
//! |---|---|
//! | a write to a read-only device | [`Route::Fail`] |
//! | not made of whole blocks of the file's direct I/O, or excluded by such a write | [`Route::Rmw`] |
//! | flush, discard, write-zeroes; the write between two flushes | [`Route::OwnWork`] |
//! | a write while writes are blocked | [`Route::OwnWork`], which waits until they are allowed |
//! | direct I/O on a block device, or a pinned file | [`Route::Remap`] by the submitter, if it may |
//! | a small buffered read | [`Route::CopyCached`] by the submitter |
//! | a pinned file, and the submitter may not | [`Route::RemapInTask`], or [`Route::Blocking`] in a cgroup |
//! | a write to a zoned device | [`Route::Ordered`] |
//! | a cgroup's direct I/O on a block device | [`Route::Blocking`], since it may be throttled there |
//! | what can be tried without waiting | [`Route::Nowait`] |
//! | a write to a file | [`Route::Blocking`]: writes take the lock of the inode in turn anyway |
//! | everything else | [`Route::OwnWork`] |
//!
//! [`LoopCmd::dispatch`]: crate::loop_cmd::LoopCmd

use crate::abstractions::block::mq::Op;

/// What the task that submits a request allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubmitContext {
    /// It may not submit bios: other requests, or another task, may depend on what it would wait for.
    NoSubmit,
    /// It may submit bios, but must not wait for a tag of the device below.
    NoWait,
    /// It may submit bios and wait.
    MayWait,
}

/// The way that a request's data takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataPath {
    /// The backing file is a block device.
    BlockDevice,
    /// The backing file is pinned: its blocks are known.
    Pinned,
    /// By way of the file system.
    File,
}

/// What is known of a request, of what it is bound to, and of the moment. Each question is asked at most once for a
/// decision.
pub(crate) trait Facts {
    fn op(&self) -> Op;
    fn path(&self) -> DataPath;
    /// Whether I/O goes past the page cache of the backing file.
    fn is_direct(&self) -> bool;
    fn is_read_only(&self) -> bool;
    /// Whether direct I/O does not take the request as it is, or another one that is carried out as
    /// [`Route::Rmw`] excludes it.
    fn needs_rmw(&self) -> bool;
    /// Whether the request belongs to a cgroup other than the root one.
    fn in_cgroup(&self) -> bool;
    /// Whether the request is a step of a flush sequence, for which its submitter waits.
    fn is_flush_step(&self) -> bool;
    /// Whether writes have to reach the device below in the order in which they were submitted.
    fn is_ordered(&self) -> bool;
    /// Whether writes are blocked while pinned mode is switched on or off.
    fn are_writes_blocked(&self) -> bool;
    /// Whether writes that may block are on their way.
    fn has_blocking_writes(&self) -> bool;
    /// Whether bios to the block device would do what direct I/O on its file does.
    fn can_remap(&self) -> bool;
    /// Whether a copy out of the page cache may serve the request.
    fn can_copy(&self) -> bool;
    /// Whether the file's I/O can be, and should be, tried without waiting.
    fn can_try(&self) -> bool;
    /// Whether a buffered read that found a page missing has started to read it.
    fn reads_ahead(&self) -> bool;
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// End it with `EIO`.
    Fail,
    /// Submit it to the device below as a bio; fail if that needs a tag that is not free, if `nowait` is set.
    Remap { nowait: bool },
    /// Copy its data out of the page cache.
    CopyCached,
    /// Issue it in the nowait work of its hardware queue, which does not wait.
    Nowait,
    /// Submit it as bios in the nowait work, which waits for tags only.
    RemapInTask,
    /// Carry it out by whole blocks, in a work item of its own, while no other writes to them.
    Rmw,
    /// Add it to the queue that writes of a zoned device share.
    Ordered,
    /// Let it block in the task that requests of its cgroup and direction share.
    Blocking,
    /// Let it block in a work item of its own.
    OwnWork,
}

/// Why a request could not go its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It cannot be submitted as one bio, or the file system does not admit writes at the moment.
    NotRemapped,
    /// The page cache does not have all of it.
    NotCached,
    /// The file system would have to wait.
    WouldBlock,
    /// The device below has no free tag.
    NoTag,
    /// The device below cannot be polled for it.
    CannotPoll,
}

/// The route of a request that was handed over by the block layer.
#[inline]
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
    match facts.path() {
        DataPath::BlockDevice => {
            if facts.is_direct() && context != SubmitContext::NoSubmit && facts.can_remap() {
                return Route::Remap { nowait };
            }
        }
        _ if op == Op::Write && facts.are_writes_blocked() => return Route::OwnWork,
        DataPath::Pinned if context == SubmitContext::NoSubmit => return remap_later(facts),
        DataPath::Pinned => return Route::Remap { nowait },
        DataPath::File => (),
    }
    if op == Op::Read && !facts.is_direct() && facts.can_copy() {
        return Route::CopyCached;
    }
    in_task(facts)
}

/// The route of a request that could not go the way that [`route`] chose. `in_task_context`: whether this is process
/// context; only there may the lists of a hardware queue be changed.
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

/// Whether this is the write between two flushes, for which its submitter waits. A write that others follow, or that
/// has to keep its order, is none.
fn is_awaited_write(facts: &impl Facts, context: SubmitContext) -> bool {
    context == SubmitContext::NoSubmit
        && facts.is_flush_step()
        && !facts.is_ordered()
        && !facts.has_blocking_writes()
}

/// For a pinned file: a task waits for a tag of the device below. A cgroup has a task of its own for that, since it
/// may be throttled, too.
fn remap_later(facts: &impl Facts) -> Route {
    match facts.in_cgroup() {
        false => Route::RemapInTask,
        true => Route::Blocking,
    }
}

/// The route of a read or write that a task of the driver does.
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
        return Route::Nowait;
    }
    match is_write && !is_device {
        true => Route::Blocking,
        false => Route::OwnWork,
    }
}

/// Whether requests that would block wait for the same thing, or for as long, so that one task is enough for them.
/// Writes take the lock of the inode in turn. A direct read waits for that lock if a write may hold it. A buffered
/// read that was tried has started to read its pages: while one waits, the pages of the others come too.
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
