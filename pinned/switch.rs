// SPDX-License-Identifier: GPL-2.0

//! Switches pinned mode of a device on and off.
//!
//! Both directions call the file system, which may take long. Meanwhile the device's
//! [`WriteBarrier`](super::write_barrier::WriteBarrier) blocks writes, and reads continue. The
//! queue is frozen for as long as [`Patience`] allows at a time, and at the end of pinned mode for
//! a flush of the device below. A task that has frozen the queue must wait neither for the file
//! system nor for memory, since the task that holds either may wait for a request of this device.
//!
//! The long parts come first, a piece at a time: [`write_back`] writes dirty pages, and [`fill`]
//! fills holes. It fills a piece in the page cache while writes are blocked, and writes it back
//! when they are allowed. The disk's mutex is not held most of the time, so a task that changes the
//! device cancels the attempt ([`Pinning`](super::Pinning)).

use super::{
    fill::{fill, fill_rest, write_back},
    held_up::{HeldUp, Patience},
    reason::NotPinned,
    Pinned,
};
use crate::{
    abstractions::{
        block::{
            disk::{Disk, DiskGuard},
            DeviceLimits,
        },
        fs::{FileExt, FileKind, Holes, SwapFile},
        module_param::{module_params, IntParam},
        task::{capable_sys_admin, cond_resched, sleep_killable, IoWorkerScope},
    },
    backing::DioUnit,
    binding::Binding,
    change::Tried,
    device::Phase,
    driver::Loop,
    snapshot,
};
use core::cmp::max;
use kernel::{
    fs::{file::flags::O_APPEND, File},
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef,
    time::{msecs_to_jiffies, Jiffies},
};

/// How often to start again because the claim found a hole that [`fill`] has missed.
const HIDDEN: u32 = 8;
/// How often to start again because more was left than [`fill_rest`] fills.
const MAX_ROUNDS: u32 = 64;

module_params! {
    /// Whether to pin backing files that are attached with direct I/O, where that is possible. Off
    /// by default: a pinned file refuses much that its users may expect to work.
    static PINNED: IntParam = IntParam::new(0) => (
        name: "pinned",
        description: "Pin the blocks of backing files attached with direct I/O. Default: 0",
        parmtype: "int",
    );
}

/// Pins the backing file of a device that was just bound with direct I/O, if the parameter says so.
/// On failure the device stays bound, not pinned. May sleep.
pub(crate) fn pin_by_default(disk: &Disk<Loop>) {
    if PINNED.get() != 0 {
        let _ = pin(disk, Sparse::Refuse);
    }
}

/// Handles a write to the attribute `pinned`. May sleep, as long as [`pin`] does.
pub(crate) fn store(disk: &Disk<Loop>, text: &[u8]) -> Result {
    // As swapon(2).
    if !capable_sys_admin() {
        return Err(EPERM);
    }
    let sparse = match text.trim_ascii() {
        b"0" => None,
        b"1" => Some(Sparse::Refuse),
        b"fill" => Some(Sparse::Fill),
        _ => return Err(EINVAL),
    };
    match sparse {
        Some(sparse) => pin(disk, sparse),
        None => {
            prepare_unpin(disk)?;
            Loop::change(disk, |guard, retry| {
                Ok(match unpin(guard, NotPinned::NotAsked, retry.step()) {
                    true => Tried::Done(()),
                    false => Tried::Busy,
                })
            })
        }
    }
}

/// What pinning does about holes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sparse {
    /// Pinning fails with `ENODATA`.
    Refuse,
    /// Pinning fills them with zeroes.
    Fill,
}

/// Looks for reasons against pinning that can be seen without changing anything.
fn check(disk: &Disk<Loop>, binding: &Binding, sparse: Sparse) -> Result<(), NotPinned> {
    let file = binding.backing.file();
    match file.mapping().kind() {
        FileKind::Regular => (),
        _ => return Err(NotPinned::NotRegular),
    }
    // Before `NotDirect`, which would mislead: an encrypted file may not support direct I/O at all.
    if file.mapping().is_encrypted() {
        return Err(NotPinned::Encrypted);
    }
    if !binding.direct {
        return Err(NotPinned::NotDirect);
    }
    if !binding.backing.is_writable() {
        return Err(NotPinned::NotWritable);
    }
    if sparse == Sparse::Fill && file.flags() & O_APPEND != 0 {
        return Err(NotPinned::Append);
    }
    if !is_aligned(binding.offset) {
        return Err(NotPinned::Offset);
    }
    if !is_aligned(file.mapping().size()) {
        return Err(NotPinned::Size);
    }
    if let Some(result) = file
        .mapping()
        .with_sb_block_device(|bdev| check_device(disk, binding.dio_unit, bdev))
    {
        result?;
    }
    SwapFile::check_supported(file).map_err(NotPinned::from_swap_file)?;
    match SwapFile::is_copied_on_write(file) {
        true => Err(NotPinned::CopyOnWrite),
        false => Ok(()),
    }
}

/// Checks the limits of the device below. `unit` is what direct I/O on the file takes.
fn check_device(disk: &Disk<Loop>, unit: DioUnit, bdev: &DeviceLimits) -> Result<(), NotPinned> {
    if bdev.is_zoned() {
        return Err(NotPinned::Zoned);
    }
    // The extents of the file are known in whole pages.
    if unit.mask as usize >= PAGE_SIZE
        || max(disk.logical_block_size(), unit.mask.saturating_add(1)) < bdev.logical_block_size()
    {
        return Err(NotPinned::BlockSize);
    }
    if bdev.dma_alignment() & !(disk.dma_alignment() | unit.memory) != 0 {
        return Err(NotPinned::Alignment);
    }
    Ok(())
}

/// Whether a position or size suits pinned mode: a multiple of the page size.
fn is_aligned(pos: i64) -> bool {
    pos & (PAGE_SIZE as i64 - 1) == 0
}

/// Pins the backing file of a device. A failure changes nothing, except that holes may be filled
/// already, and `BLK_FEAT_STABLE_WRITES` be set. May sleep, for as long as filling takes.
///
/// Neither holds the disk's mutex nor blocks writes for long. A change of the device cancels this.
///
/// Fails as [`NotPinned::error`] says, and with `EBUSY` if another task is pinning the file.
fn pin(disk: &Disk<Loop>, sparse: Sparse) -> Result {
    {
        let mut guard = Loop::lock_bound(disk)?;
        if guard.config().and_then(Binding::pinned).is_some() {
            return Ok(());
        }
        if guard.pinned.is_pinning {
            return Err(EBUSY);
        }
        guard.pinned.is_pinning = true;
        guard.pinned.reason = NotPinned::NotAsked;
        disk.data().pinning.begin();
        let _ = snapshot::update(&guard);
    }
    let result = try_pin(disk, sparse);
    disk.data().pinning.end();
    let (mut guard, reason) = match result {
        Ok(guard) => (guard, NotPinned::NotAsked),
        Err(reason) => (disk.lock(), reason),
    };
    guard.pinned.is_pinning = false;
    // Otherwise the task that changed the device has set the reason, or no file is bound.
    if reason != NotPinned::Changed && disk.data().phase() == Phase::Bound {
        guard.pinned.reason = reason;
        let _ = snapshot::update(&guard);
    }
    if disk.data().may_log() {
        let number = disk.data().number;
        match guard.config().and_then(Binding::pinned) {
            Some(pinned) => pr_info!("loop{number}: pinned, {} extents\n", pinned.file.extents()),
            None => pr_info!("loop{number}: not pinned: {}\n", reason.text()),
        }
    }
    match reason {
        NotPinned::NotAsked => Ok(()),
        reason => Err(reason.error()),
    }
}

fn try_pin(disk: &Disk<Loop>, sparse: Sparse) -> Result<DiskGuard<'_, Loop>, NotPinned> {
    let (file, unit) = {
        let guard = Loop::lock_bound(disk).map_err(NotPinned::Error)?;
        let binding = guard.config().ok_or(NotPinned::Error(ENXIO))?;
        check(disk, binding, sparse)?;
        (binding.backing.file().clone(), binding.dio_unit)
    };
    require_stable_writes(disk)?;
    let holes = Holes::of(&file).map_err(NotPinned::Error)?;
    if sparse == Sparse::Refuse && holes.next(0).map_err(NotPinned::Error)?.is_some() {
        return Err(NotPinned::Sparse);
    }
    // What is written now need not be written while writes are blocked.
    write_back(disk, &holes)?;
    let mut patience = Patience::new();
    let (mut hidden, mut rounds) = (0, 0);
    let guard = loop {
        if sparse == Sparse::Fill {
            fill(disk, &file, &holes, &mut patience)?;
        }
        holes.sync().map_err(NotPinned::Error)?;
        let held_up = HeldUp::begin(disk, &file, &mut patience)?;
        // Memory reclaim in this task must not wait for writes that are blocked.
        let _scope = IoWorkerScope::enter();
        // If discards made new holes, start again.
        if sparse == Sparse::Fill && !fill_rest(&held_up, &holes).map_err(NotPinned::from_fill)? {
            rounds += 1;
            if rounds > MAX_ROUNDS {
                return Err(NotPinned::Sparse);
            }
            continue;
        }
        let pinned = match claim(disk, &file, unit, &holes) {
            // A read has hidden a hole from the search: its clean pages passed for data.
            Err(NotPinned::Sparse) if sparse == Sparse::Fill && hidden < HIDDEN => {
                hidden += 1;
                continue;
            }
            result => result?,
        };
        let guard = disk.lock();
        // Check again: the mutex was not held.
        let result = match guard.config() {
            Some(binding) if disk.data().phase() == Phase::Bound => check(disk, binding, sparse)
                .and_then(|()| disk.data().pinning.check().map_err(NotPinned::from_fill))
                .and_then(|()| check_pinned(disk, binding, &pinned))
                .map(|()| binding),
            _ => Err(NotPinned::Changed),
        };
        match result {
            Ok(binding) => {
                binding.pinned.0.populate(pinned);
            }
            Err(reason) => {
                drop(guard);
                return Err(reason);
            }
        }
        break guard;
    };
    set_limits(disk, guard)
}

/// Gives a device that was just pinned the limits of the device below. The limits of the file are
/// still valid, if not optimal. So if a request in flight hangs, all others continue between the
/// tries, and this gives up in the end.
fn set_limits<'a>(
    disk: &'a Disk<Loop>,
    mut guard: DiskGuard<'a, Loop>,
) -> Result<DiskGuard<'a, Loop>, NotPinned> {
    let pinning = &disk.data().pinning;
    let mut patience = Patience::new();
    loop {
        let is_set = {
            let mut update = guard.update_limits();
            let (binding, limits) = update.parts();
            let pinned = binding.and_then(Binding::pinned);
            pinned.ok_or(NotPinned::Changed)?.set_limits(limits);
            update
                .freeze_timeout(msecs_to_jiffies(patience.ms()))
                .map(|frozen| frozen.commit())
                .is_some()
        };
        if is_set {
            return Ok(guard);
        }
        drop(guard);
        let is_last = patience.pause(pinning).is_err() || patience.is_over();
        guard = disk.lock();
        if guard.config().and_then(Binding::pinned).is_none() {
            return Err(NotPinned::Changed);
        }
        if is_last {
            return Ok(guard);
        }
    }
}

/// Sets `BLK_FEAT_STABLE_WRITES` if the device below needs it by now. Before the file is pinned:
/// afterwards, pinned mode could not go on without it.
fn require_stable_writes(disk: &Disk<Loop>) -> Result<(), NotPinned> {
    let mut patience = Patience::new();
    loop {
        {
            let mut guard = Loop::lock_bound(disk).map_err(NotPinned::Error)?;
            let mut update = guard.update_limits();
            let (Some(binding), limits) = update.parts() else {
                return Err(NotPinned::Changed);
            };
            let needs = binding
                .backing
                .require_stable_writes(limits, binding.read_only);
            if needs != Some(true) {
                return Ok(());
            }
            let frozen = update.freeze_timeout(msecs_to_jiffies(patience.ms()));
            if let Some(frozen) = frozen {
                let (result, mut frozen) = frozen.commit();
                result.map_err(NotPinned::Error)?;
                frozen.parts().1.require_stable_writes(disk, true);
                return Ok(());
            }
        }
        if patience.is_over() {
            return Err(NotPinned::Error(ETIMEDOUT));
        }
        patience
            .pause(&disk.data().pinning)
            .map_err(NotPinned::from_fill)?;
    }
}

/// Looks for reasons against pinning in what is known of the file by now.
fn check_pinned(disk: &Disk<Loop>, binding: &Binding, pinned: &Pinned) -> Result<(), NotPinned> {
    let part0 = disk.part0();
    // A truncated file ends before the device. In ordinary mode writes beyond its end extend it.
    if pinned.is_beyond(binding.offset, part0.sectors()) {
        return Err(NotPinned::Size);
    }
    // A file system may store a file on another device than `require_stable_writes()` has asked.
    match binding.read_only || !pinned.bdev().needs_stable_writes() || part0.needs_stable_writes() {
        true => Ok(()),
        false => Err(NotPinned::StableWrites),
    }
}

/// Makes a swap file of the backing file. The caller has blocked writes.
fn claim(
    disk: &Disk<Loop>,
    file: &ARef<File>,
    unit: DioUnit,
    holes: &Holes,
) -> Result<Pin<KBox<Pinned>>, NotPinned> {
    let swap_file = SwapFile::new(file, holes).map_err(NotPinned::from_swap_file)?;
    check_device(disk, unit, swap_file.bdev())?;
    Pinned::new(file.clone(), swap_file).map_err(NotPinned::Error)
}

/// Prepares the end of pinned mode, if the device is pinned: drops the pages of the file that
/// programs have read, which takes long, without the mutex.
pub(crate) fn prepare_unpin(disk: &Disk<Loop>) -> Result {
    let file = {
        let guard = Loop::lock_bound(disk)?;
        guard
            .config()
            .filter(|binding| binding.pinned().is_some())
            .map(|binding| binding.backing.file().clone())
    };
    file.map_or(Ok(()), |file| drop_cached(&file))
}

/// Drops the clean pages of a file's page cache, a piece at a time. May sleep.
fn drop_cached(file: &File) -> Result {
    const PIECE: u32 = 4 << 20;

    let (mut pos, size) = (0, file.mapping().size());
    while pos < size {
        if file.mapping().is_cached(pos, PIECE) {
            file.mapping().invalidate(pos, PIECE);
            sleep_killable(0)?;
        }
        cond_resched();
        pos = pos.saturating_add(i64::from(PIECE));
    }
    Ok(())
}

/// Ends pinned mode, or cancels an attempt to pin, if the pinned file does not suit a device of so
/// many sectors that begins `offset` bytes into it. Returns false as [`unpin`] does. May sleep.
pub(crate) fn unpin_unsuitable(
    guard: &mut DiskGuard<'_, Loop>,
    offset: i64,
    sectors: u64,
    step: Jiffies,
) -> bool {
    let disk = guard.disk();
    let suits = guard.config().is_none_or(|binding| {
        !guard.pinned.is_pinning && binding.pinned().is_none()
            || is_aligned(offset)
                && binding.check_dio(offset, disk).is_ok()
                && binding
                    .pinned()
                    .is_none_or(|pinned| !pinned.is_beyond(offset, sectors))
    });
    suits || unpin(guard, NotPinned::Changed, step)
}

/// Ends pinned mode, or cancels an attempt to pin, within [`Loop::change`]. Returns false, and
/// changes nothing, if no request ends for `step`, in jiffies. May sleep.
pub(crate) fn unpin(guard: &mut DiskGuard<'_, Loop>, reason: NotPinned, step: Jiffies) -> bool {
    let disk = guard.disk();
    let Some(binding) = guard.config().filter(|binding| binding.pinned().is_some()) else {
        if guard.pinned.is_pinning {
            disk.data().pinning.cancel();
            guard.pinned.reason = reason;
            let _ = snapshot::update(guard);
        }
        return true;
    };
    // `discard_limits()` calls the file system, which must not happen under `limits_lock`.
    let discard = binding.backing.discard_limits();
    let mut update = guard.update_limits();
    if let (Some(binding), limits) = update.parts() {
        binding.backing.set_mode_limits(limits, discard);
        binding.apply_unsupported(limits);
    }
    // Memory reclaim in this task must not wait for writes that are blocked.
    let _scope = IoWorkerScope::enter();
    let (blocked, pinned) = {
        let Some(frozen) = update.freeze_while_progressing(step) else {
            return false;
        };
        // Cannot fail: the file's limits were valid before.
        let (_, mut frozen) = frozen.commit();
        let blocked = disk.data().write_barrier.block(&frozen);
        kernel::warn_on!(blocked.is_none());
        let (binding, state) = frozen.parts();
        // Before a flush can go to the file again: the file system knows nothing of the writes. If
        // this flush fails, the next `fsync` of the file reports it.
        if let Some(pinned) = binding.as_ref().and_then(|binding| binding.pinned()) {
            pinned.file.flush_for_file_system();
        }
        state.pinned.reason = reason;
        (
            blocked,
            binding.map(|binding| core::mem::take(&mut binding.pinned)),
        )
    };
    // Here, and not in the work item of `times`: to run that may take a new worker, whose memory
    // may wait for writes that are blocked.
    if let Some(times) = guard.config().and_then(|binding| binding.times.as_ref()) {
        times.update();
    }
    // The file refuses writes until `pinned` is dropped. Not with the queue frozen: the drop takes
    // locks of the file system.
    drop(pinned);
    drop(blocked);
    let _ = snapshot::update(guard);
    if disk.data().may_log() {
        pr_info!("loop{}: not pinned any more\n", disk.data().number);
    }
    true
}
