// SPDX-License-Identifier: GPL-2.0

//! The transitions of a device: binding a file, exchanging it, changing the settings of the
//! binding, detaching the file.
//!
//! A transition that fails leaves the binding as it was; but cached pages may have been dropped,
//! and pinned mode may have ended. What the requests of a bound device depend on changes only while
//! the queue is frozen.

use crate::{
    abstractions::{
        block::{
            disk::{Disk, DiskGuard, Ioctl, OpenLocked},
            limits::is_valid_block_size,
            Claim,
        },
        fs::{FileExt, StatMask},
        module::ModuleRef,
        sync::LockKillable,
        sysfs,
    },
    attrs,
    backing::{BackingFile, NoDio, SECTOR_SIZE},
    binding::Binding,
    chain::{self, ChainLock},
    change::{Retry, Tried},
    device::{set_phase, Phase, State},
    driver::Loop,
    hw_queue::HwQueue,
    partition_table,
    pinned::{switch, NotPinned},
    snapshot::{self, SysfsSnapshot},
    times::Times,
    uapi::{
        LoopConfig, LoopInfo64, Settings, LOOP_CONFIGURE_SETTABLE_FLAGS, LO_FLAGS_AUTOCLEAR,
        LO_FLAGS_DIRECT_IO, LO_FLAGS_PARTSCAN, LO_FLAGS_READ_ONLY,
    },
};
use kernel::{prelude::*, sync::atomic::Relaxed, time::Jiffies};

/// Sets the capacity, and sends userspace a change event in any case.
fn set_capacity(disk: &Disk<Loop>, sectors: u64) {
    if !disk.set_capacity_and_notify(sectors) {
        disk.change_uevent();
    }
}

/// Scans for partitions. A failure is logged, and does not fail the caller.
///
/// This clears `GD_SUPPRESS_PART_SCAN`, and scans under the same `open_mutex`: an open or
/// `BLKRRPART` scans only after that, so that the partitions appear once.
fn rescan(disk: &Disk<Loop>) {
    let open = disk.lock_open();
    disk.set_partition_scan(true);
    warn_of(disk, open.rescan_partitions());
}

/// Scans for partitions after the file was exchanged. If the partitions match the new file's table,
/// leaves them as they are, and returns true.
fn rescan_changed(disk: &Disk<Loop>) -> bool {
    let open = disk.lock_open();
    if let Ok(true) = partition_table::matches(&open) {
        return true;
    }
    warn_of(disk, open.rescan_partitions());
    false
}

fn warn_of(disk: &Disk<Loop>, scan: Result) {
    let Err(e) = scan else {
        return;
    };
    if disk.data().may_log() {
        pr_warn!(
            "partition scan of loop{} failed (rc={})\n",
            disk.data().number,
            e.to_errno()
        );
    }
}

/// Logs the writeback error of a file that is let go, if no flush has reported it: none will.
fn warn_of_error(disk: &Disk<Loop>, backing: &BackingFile) {
    let Err(e) = backing.file().check_error() else {
        return;
    };
    if disk.data().may_log() {
        pr_warn!(
            "loop{}: writing to the backing file has failed ({}), which no flush has reported\n",
            disk.data().number,
            e.to_errno()
        );
    }
}

/// Claims the node that the ioctl is called on, unless the caller has it open exclusively.
fn claim_unless_exclusive<'a>(io: &Ioctl<'a, Loop>) -> Result<Option<Claim<'a>>> {
    match io.mode().is_exclusive() {
        true => Ok(None),
        false => io.bdev().claim().map(Some),
    }
}

/// What a task that binds a file asks for, checked.
struct Wanted {
    settings: Settings,
    block_size: u32,
    read_only: bool,
    direct: bool,
    autoclear: bool,
    partscan: bool,
}

impl Wanted {
    fn new(io: &Ioctl<'_, Loop>, config: &LoopConfig, backing: &BackingFile) -> Result<Self> {
        let flags = config.info.lo_flags;
        if flags & !LOOP_CONFIGURE_SETTABLE_FLAGS != 0 {
            return Err(EINVAL);
        }
        let settings = Settings::new(&config.info)?;
        let direct = flags & LO_FLAGS_DIRECT_IO != 0 || backing.opened_direct();
        let part_bits = io.disk().data().shared.params.part_bits;
        Ok(Self {
            settings,
            block_size: match config.block_size {
                0 => default_block_size(backing, direct),
                bytes => bytes,
            },
            read_only: flags & LO_FLAGS_READ_ONLY != 0
                || !backing.is_writable()
                || !io.mode().is_write(),
            direct,
            autoclear: flags & LO_FLAGS_AUTOCLEAR != 0,
            partscan: flags & LO_FLAGS_PARTSCAN != 0 || part_bits > 0,
        })
    }
}

/// Binds a file to a device (`LOOP_SET_FD`, `LOOP_CONFIGURE`). A failure leaves the device unbound,
/// as it was; only its work queues are kept, and perhaps the new number of hardware queues.
pub(crate) fn configure(io: &Ioctl<'_, Loop>, config: &LoopConfig) -> Result {
    let disk = io.disk();
    let backing = BackingFile::new(io.fget(config.fd)?)?;
    // Once, so that not each direct I/O has to, and under no lock: this takes long if the file has
    // many dirty pages.
    backing.write_dirty();
    // The caller has the device open, so the module is loaded.
    let module = ModuleRef::get();
    let claim = claim_unless_exclusive(io)?;
    let mut queues = Loop::lock_unbound(disk)?;
    let settings = disk.data().settings.begin_use();
    let wanted = Wanted::new(io, config, &backing);
    if wanted
        .as_ref()
        .is_ok_and(|wanted| is_valid_block_size(wanted.block_size))
    {
        queues.set(settings.queues())?;
    }
    let chain = match chain::is_loop(backing.file()) {
        true => Some(ChainLock::take(&disk.data().shared)?),
        false => None,
    };
    let valid = ChainLock::validate(chain.as_ref(), backing.file(), disk);

    let mut guard = disk.lock_killable()?;
    let is_zoned = valid?;
    let wanted = wanted?;
    disk.data()
        .make_queues(backing.has_write_cache(wanted.read_only))?;
    let has_poll = settings.queues().poll > 0;
    let direct = bind(&mut guard, backing, &wanted, is_zoned, has_poll, module)?;
    settings.keep();
    drop(guard);
    drop(chain);
    drop(queues);
    if wanted.partscan {
        rescan(disk);
    }
    // Before pinning, which may wait for a thaw: other tasks that open the device exclusively wait
    // for the end of the claim.
    drop(claim);
    if direct {
        switch::pin_by_default(disk);
    }
    Ok(())
}

/// Makes the binding, publishes it, and announces the new medium. Returns whether I/O is direct.
fn bind(
    guard: &mut DiskGuard<'_, Loop>,
    mut backing: BackingFile,
    wanted: &Wanted,
    is_zoned: bool,
    has_poll: bool,
    module: ModuleRef,
) -> Result<bool> {
    let disk = guard.disk();
    let settings = &wanted.settings;
    let read_only = wanted.read_only;
    let discard = backing.discard_limits();
    let binding = KBox::new_uninit(GFP_KERNEL)?;
    let ordered = match is_zoned && !read_only {
        true => Some(HwQueue::new()?),
        false => None,
    };
    let times = match read_only {
        true => None,
        false => Some(Times::new(backing.file().clone())?),
    };
    let mut limits = guard.update_limits();
    backing.set_limits(&mut limits, wanted.block_size, discard, read_only);
    let direct = wanted.direct && ordered.is_none();
    backing.set_io_hints(&mut limits, settings.offset, wanted.block_size, direct);
    let stable_writes = backing.require_stable_writes(&mut limits, read_only);
    limits.set_poll(has_poll);
    limits.commit_unconfigured()?;

    // Nothing fails from here on: an unbound device has no binding that `publish` would find.
    backing.bind();
    let mut binding = KBox::write(
        binding,
        Binding::new(backing, ordered, settings.offset, wanted.direct, times),
    );
    if wanted.direct {
        // Without memory for the exclusion, `apply_dio` switches direct I/O off if it needs one.
        let params = &disk.data().shared.params;
        let _ = binding.make_exclusion(&binding.backing, wanted.block_size, params);
    }
    let no_dio = binding.apply_dio(disk, NoDio::NotAsked);
    let direct = binding.direct;
    let sectors = binding
        .backing
        .sectors(settings.offset, settings.size_limit);
    if guard.publish(binding).is_err() {
        return Err(EBUSY);
    }

    let mut quiet = guard.suppress_uevents();
    disk.force_media_change();
    disk.set_read_only(read_only);
    quiet.no_dio = no_dio;
    quiet.size_limit = settings.size_limit;
    quiet.file_name = settings.file_name;
    quiet.stable_writes = stable_writes == Some(true);
    disk.set_stable_pages(disk.part0().needs_stable_writes());
    quiet.autoclear = wanted.autoclear;
    quiet.partscan = wanted.partscan;
    quiet.module = Some(module);
    disk.data().is_hard_to_freeze.store(false, Relaxed);
    // The previous snapshot, of an unbound device, holds no file that would have to be dropped
    // elsewhere.
    let _ = snapshot::update(&quiet);
    quiet.has_attributes = sysfs::create_group(disk, &attrs::GROUP).is_ok();
    set_capacity(disk, sectors);
    set_phase(&quiet, Phase::Bound);
    drop(quiet);
    disk.change_uevent();
    Ok(direct)
}

/// Exchanges the bound file (`LOOP_CHANGE_FD`). The device has to be read-only, and of the same
/// size with both files.
pub(crate) fn change_fd(io: &Ioctl<'_, Loop>, fd: u32) -> Result {
    let disk = io.disk();
    let backing = BackingFile::new(io.fget(fd)?)?;
    // As in `configure`: once, and under no lock.
    backing.write_dirty();
    let result = switch_file(disk, backing);
    match result {
        // The partitions stay, but their data may be different.
        Ok(true) if rescan_changed(disk) => disk.change_uevent_of_all(),
        _ => disk.change_uevent(),
    }
    result.map(|_| ())
}

/// Exchanges the file. Returns whether the device scans for partitions.
fn switch_file(disk: &Disk<Loop>, mut backing: BackingFile) -> Result<bool> {
    // Read access to the device is enough to call this, but must have no effect on a writable one.
    check_read_only(Loop::lock_bound(disk)?.config().ok_or(ENXIO)?)?;
    switch::prepare_unpin(disk)?;
    let turn = disk.data().changes.lock_killable()?;
    let (mut retry, mut announced) = (Retry::new(disk), false);
    let (old_snapshot, partscan) = loop {
        let tried = try_switch_file(disk, &mut backing, &retry, &mut announced)?;
        match tried {
            Tried::Done(done) => break done,
            tried => retry.wait(&tried)?,
        }
    };
    drop(turn);
    // The two have changed places.
    let old = backing;
    warn_of_error(disk, &old);
    // Under no lock: the last put of a file may take `open_mutex`.
    drop(old_snapshot);
    drop(old);
    // Pages that were in use, or were read between the announcement and the exchange, hold data of
    // the old file, also those of partitions. Under no lock: this may wait for reads of the new
    // file.
    disk.invalidate_in_use();
    Ok(partscan)
}

/// `EINVAL` if the device is writable: its file cannot be exchanged.
fn check_read_only(binding: &Binding) -> Result {
    match binding.read_only {
        true => Ok(()),
        false => Err(EINVAL),
    }
}

/// Tries once to exchange the file for that in `backing`. If that is done, `backing` is the old
/// file; returns the old snapshot, and whether the device scans for partitions. `announced` says
/// whether an earlier try has announced the new medium.
fn try_switch_file(
    disk: &Disk<Loop>,
    backing: &mut BackingFile,
    retry: &Retry<'_>,
    announced: &mut bool,
) -> Result<Tried<(Option<SysfsSnapshot>, bool)>> {
    let chain = match chain::is_loop(backing.file()) {
        true => Some(ChainLock::take(&disk.data().shared)?),
        false => None,
    };
    let valid = ChainLock::validate(chain.as_ref(), backing.file(), disk);
    Loop::try_change(retry, |guard, retry| {
        let step = retry.step();
        let binding = guard.config().ok_or(ENXIO)?;
        check_read_only(binding)?;
        valid?;
        let (offset, limit) = (binding.offset, guard.size_limit);
        if backing.sectors(offset, limit) != binding.backing.sectors(offset, limit) {
            return Err(EINVAL);
        }
        if binding.direct || backing.opened_direct() {
            let _ = binding.make_exclusion(
                backing,
                disk.logical_block_size(),
                &disk.data().shared.params,
            );
        }
        let partscan = guard.partscan;
        if !switch::unpin(guard, NotPinned::Changed, step) {
            return Ok(Tried::Busy);
        }
        if !*announced {
            // Most of the time the next freeze will succeed too. If not, nothing was announced.
            if guard.freeze_while_progressing(step).is_none() {
                return Ok(Tried::Busy);
            }
            // Before the exchange: this shuts down a file system on the device, which must not read
            // the new file. It may wait for requests. The caller sends one event, when the change
            // is complete.
            let _quiet = guard.suppress_uevents();
            disk.force_media_change();
            *announced = true;
        }
        let Some(mut frozen) = guard.freeze_while_progressing(step) else {
            return Ok(Tried::Busy);
        };
        let (Some(binding), state) = frozen.parts() else {
            return Err(ENXIO);
        };
        binding.direct |= backing.opened_direct();
        // Both may be the same file, so the old binding ends before the new one begins.
        binding.backing.unbind();
        backing.bind();
        core::mem::swap(&mut binding.backing, backing);
        state.no_dio = binding.apply_dio(disk, state.no_dio);
        drop(frozen);
        let old_snapshot = snapshot::update(guard);
        Ok(Tried::Done((old_snapshot, partscan)))
    })
}

/// Marks the device to be detached at its last close (`LOOP_CLR_FD`).
pub(crate) fn clear_fd(disk: &Disk<Loop>) -> Result {
    // Excludes a task that binds another device to this one, and relies on the phase meanwhile.
    let _chain = ChainLock::take(&disk.data().shared)?;
    let mut guard = Loop::lock_bound(disk)?;
    guard.autoclear = true;
    guard.clears = guard.clears.wrapping_add(1);
    if disk.openers() == 1 {
        set_phase(&guard, Phase::Rundown);
    }
    let _ = snapshot::update(&guard);
    Ok(())
}

/// Detaches the file, in the last close. May sleep.
pub(crate) fn detach(open: &OpenLocked<'_, Loop>) {
    let disk = open.disk();
    // The device is in its rundown, so no attempt to pin can begin, which would block writes again.
    disk.data().pinning.cancel();
    disk.data().write_barrier.wait();
    let mut guard = disk.lock();
    // A write after the last close either got the binding, and has ended when this returns, or ends
    // with `EIO`.
    let mut binding = guard.take_config();
    let stable_writes = guard.stable_writes;
    let mut limits = guard.update_limits();
    limits.set_block_size(SECTOR_SIZE);
    if stable_writes {
        limits.release_stable_writes();
        disk.set_stable_pages(false);
    }
    // Cannot fail: the smallest block size suits all other limits.
    let _ = limits.commit_unconfigured();
    let module = guard.module.take();
    let has_attributes = guard.has_attributes;
    *guard = State::new();
    let old_snapshot = snapshot::update(&guard);
    drop(guard);

    disk.invalidate();
    if has_attributes {
        sysfs::remove_group::<Disk<Loop>>(disk, &attrs::GROUP);
    }
    disk.change_uevent();
    disk.force_media_change();
    // With a capacity of 0 this only drops partitions, also those that were added with `BLKPG`.
    warn_of(disk, open.rescan_partitions());
    if disk.data().shared.params.part_bits == 0 {
        disk.set_partition_scan(false);
    }

    if let Some(binding) = &mut binding {
        // Before the phase changes: a task that sees the device unbound may use the file at once.
        if let Some(times) = &binding.times {
            times.finish();
        }
        core::mem::take(&mut binding.pinned);
        warn_of_error(disk, &binding.backing);
        binding.backing.unbind();
    }
    disk.data().settings.end_use();
    set_phase(&disk.lock(), Phase::Unbound);
    drop(old_snapshot);
    drop(binding);
    drop(module);
}

/// Drops the pages that are cached of a device and its partitions, for a change that must not carry
/// them over. Returns false if there are dirty ones, which [`Tried::Dirty`] has written. If other
/// tasks go on to modify pages, this writes them itself in the end.
fn drop_pages(disk: &Disk<Loop>, writes: &mut u32) -> bool {
    const MAX_WRITES: u32 = 8;

    if *writes < MAX_WRITES && disk.has_dirty_pages() {
        *writes += 1;
        return false;
    }
    disk.write_and_drop_caches();
    true
}

/// Changes offset, size limit, name and flags (`LOOP_SET_STATUS`).
pub(crate) fn set_status(disk: &Disk<Loop>, info: &LoopInfo64) -> Result {
    switch::prepare_unpin(disk)?;
    let clears = Loop::lock_bound(disk)?.clears;
    let mut writes = 0;
    let (resized, partscan) = Loop::change(disk, |guard, retry| {
        let step = retry.step();
        let binding = guard.config().ok_or(ENXIO)?;
        let resized =
            binding.offset as u64 != info.lo_offset || guard.size_limit as u64 != info.lo_sizelimit;
        // The cached pages belong to the old range of the file. As in the C driver, this comes
        // before the new values are checked.
        if resized && !drop_pages(disk, &mut writes) {
            return Ok(Tried::Dirty);
        }
        let settings = Settings::new(info)?;
        // Queried once, so that all uses below see the same size. A file that grows later is left
        // to `LOOP_SET_CAPACITY`.
        let sectors = resized.then(|| {
            binding
                .backing
                .sectors(settings.offset, settings.size_limit)
        });
        if let Some(sectors) = sectors {
            if let Some(tried) = retry.needs_cache_lock(guard) {
                return Ok(tried);
            }
            if !switch::unpin_unsuitable(guard, settings.offset, sectors, step) {
                return Ok(Tried::Busy);
            }
        }

        let Some(mut frozen) = guard.freeze_while_progressing(step) else {
            return Ok(Tried::Busy);
        };
        let (Some(binding), state) = frozen.parts() else {
            return Err(ENXIO);
        };
        binding.offset = settings.offset;
        state.no_dio = binding.apply_dio(disk, state.no_dio);
        state.size_limit = settings.size_limit;
        state.file_name = settings.file_name;
        // A `LOOP_CLR_FD` that came while this waited stays in force.
        state.autoclear = info.lo_flags & LO_FLAGS_AUTOCLEAR != 0 || state.clears != clears;
        // Can be switched on, not off.
        let partscan = info.lo_flags & LO_FLAGS_PARTSCAN != 0 && !state.partscan;
        state.partscan |= partscan;
        drop(frozen);
        let _ = snapshot::update(guard);
        if let Some(sectors) = sectors {
            set_capacity(disk, sectors);
        }
        Ok(Tried::Done((resized, partscan)))
    })?;
    if resized {
        // Pages that were read in between hold data of the old range. Under no lock: this may wait
        // for reads of the file.
        disk.invalidate_in_use();
    }
    if partscan {
        rescan(disk);
    }
    Ok(())
}

/// Returns the settings of the binding (`LOOP_GET_STATUS`). May sleep.
pub(crate) fn status(disk: &Disk<Loop>) -> Result<LoopInfo64> {
    let mut info = LoopInfo64::zeroed();
    let file = {
        let guard = Loop::lock_bound(disk)?;
        let binding = guard.config().ok_or(ENXIO)?;
        info.lo_number = disk.data().number;
        info.lo_offset = binding.offset as u64;
        info.lo_sizelimit = guard.size_limit as u64;
        info.lo_file_name = guard.file_name;
        for (set, flag) in [
            (binding.read_only, LO_FLAGS_READ_ONLY),
            (guard.autoclear, LO_FLAGS_AUTOCLEAR),
            (guard.partscan, LO_FLAGS_PARTSCAN),
            (binding.direct, LO_FLAGS_DIRECT_IO),
        ] {
            if set {
                info.lo_flags |= flag;
            }
        }
        binding.backing.file().clone()
    };
    // The file system is queried under no lock.
    let stat = file.stat(StatMask::Inode)?;
    info.lo_device = stat.device();
    info.lo_inode = stat.inode();
    info.lo_rdevice = stat.rdevice();
    Ok(info)
}

/// Takes over a new size of the backing file (`LOOP_SET_CAPACITY`).
pub(crate) fn refresh_capacity(disk: &Disk<Loop>) -> Result {
    switch::prepare_unpin(disk)?;
    Loop::change(disk, |guard, retry| {
        let binding = guard.config().ok_or(ENXIO)?;
        let offset = binding.offset;
        let sectors = binding.backing.sectors(offset, guard.size_limit);
        if sectors < disk.part0().sectors() {
            if let Some(tried) = retry.needs_cache_lock(guard) {
                return Ok(tried);
            }
        }
        if !switch::unpin_unsuitable(guard, offset, sectors, retry.step()) {
            return Ok(Tried::Busy);
        }
        set_capacity(disk, sectors);
        Ok(Tried::Done(()))
    })
}

/// Switches direct I/O on or off (`LOOP_SET_DIRECT_IO`); `EINVAL` if it is not possible.
pub(crate) fn set_direct(disk: &Disk<Loop>, direct: bool) -> Result {
    switch::prepare_unpin(disk)?;
    let file = {
        let guard = Loop::lock_bound(disk)?;
        let binding = guard.config().ok_or(ENXIO)?;
        (direct && !binding.direct).then(|| binding.backing.file().clone())
    };
    if let Some(file) = file {
        // As in `configure`: once, and under no lock.
        let _ = file.mapping().write_dirty();
    }
    Loop::change(disk, |guard, retry| {
        try_set_direct(guard, direct, retry.step())
    })
}

fn try_set_direct(
    guard: &mut DiskGuard<'_, Loop>,
    direct: bool,
    step: Jiffies,
) -> Result<Tried<()>> {
    let disk = guard.disk();
    let binding = guard.config().ok_or(ENXIO)?;
    if binding.direct == direct {
        guard.no_dio = NoDio::NotAsked;
        let _ = snapshot::update(guard);
        return Ok(Tried::Done(()));
    }
    if direct {
        binding.make_exclusion(
            &binding.backing,
            disk.logical_block_size(),
            &disk.data().shared.params,
        )?;
        if let Err(reason) = binding.check_dio(binding.offset, disk) {
            guard.no_dio = reason;
            let _ = snapshot::update(guard);
            return Err(EINVAL);
        }
    } else if !switch::unpin(guard, NotPinned::Changed, step) {
        return Ok(Tried::Busy);
    }
    // Limits are committed even if none changes, as in the C driver of 7.3: a commit raises a
    // read-ahead below the default to that (`blk_apply_bdi_limits()`).
    let mut update = guard.update_limits();
    let (Some(binding), limits) = update.parts() else {
        return Err(ENXIO);
    };
    binding.apply_unsupported(limits);
    let block_size = disk.logical_block_size();
    binding
        .backing
        .set_io_hints(limits, binding.offset, block_size, direct);
    let stable_writes = match direct {
        true => binding
            .backing
            .require_stable_writes(limits, binding.read_only),
        false => None,
    };
    let Some(frozen) = update.freeze_while_progressing(step) else {
        return Ok(Tried::Busy);
    };
    let (result, mut frozen) = frozen.commit();
    result?;
    if let (Some(binding), state) = frozen.parts() {
        binding.direct = direct;
        state.no_dio = binding.apply_dio(disk, NoDio::NotAsked);
        if let Some(is_new) = stable_writes {
            state.require_stable_writes(disk, is_new);
        }
    }
    drop(frozen);
    let _ = snapshot::update(guard);
    Ok(Tried::Done(()))
}

/// Changes the logical block size (`LOOP_SET_BLOCK_SIZE`); 0 for the default.
pub(crate) fn set_block_size(io: &Ioctl<'_, Loop>, size: usize) -> Result {
    let disk = io.disk();
    drop(claim_unless_exclusive(io)?);
    switch::prepare_unpin(disk)?;
    let _turn = disk.data().changes.lock_killable()?;
    let mut retry = Retry::new(disk);
    let mut writes = 0;
    loop {
        // Not held between the tries: a task that opens the device exclusively waits for the end
        // of the claim, and cannot be killed.
        let claim = claim_unless_exclusive(io)?;
        let tried = Loop::try_change(&retry, |guard, retry| {
            try_set_block_size(guard, size, &mut writes, retry.step())
        })?;
        drop(claim);
        match tried {
            Tried::Done(()) => return Ok(()),
            tried => retry.wait(&tried)?,
        }
    }
}

fn try_set_block_size(
    guard: &mut DiskGuard<'_, Loop>,
    size: usize,
    writes: &mut u32,
    step: Jiffies,
) -> Result<Tried<()>> {
    let disk = guard.disk();
    if disk.logical_block_size() as usize == size {
        return Ok(Tried::Done(()));
    }
    // Buffers of the old size may be too small for the new one.
    if !drop_pages(disk, writes) {
        return Ok(Tried::Dirty);
    }
    let binding = guard.config().ok_or(ENXIO)?;
    // ABI: only the low 32 bits count.
    let block_size = match size as u32 {
        0 => default_block_size(&binding.backing, binding.direct),
        bytes => bytes,
    };
    // Pinned mode ends only for a size that the block layer accepts.
    if is_valid_block_size(block_size) && !switch::unpin(guard, NotPinned::Changed, step) {
        return Ok(Tried::Busy);
    }
    let binding = guard.config().ok_or(ENXIO)?;
    let discard = binding.backing.discard_limits();
    let read_only = binding.read_only;
    if binding.direct {
        let _ = binding.make_exclusion(&binding.backing, block_size, &disk.data().shared.params);
    }
    let mut update = guard.update_limits();
    if let (Some(binding), limits) = update.parts() {
        binding
            .backing
            .set_limits(limits, block_size, discard, read_only);
        let direct = binding.direct && binding.ordered.is_none();
        binding
            .backing
            .set_io_hints(limits, binding.offset, block_size, direct);
    }
    let Some(frozen) = update.freeze_while_progressing(step) else {
        return Ok(Tried::Busy);
    };
    let (result, mut frozen) = frozen.commit();
    result?;
    if let (Some(binding), state) = frozen.parts() {
        binding.reset_unsupported();
        state.no_dio = binding.apply_dio(disk, state.no_dio);
    }
    drop(frozen);
    let _ = snapshot::update(guard);
    Ok(Tried::Done(()))
}

fn default_block_size(backing: &BackingFile, direct: bool) -> u32 {
    if direct {
        backing.dio_block_size()
    } else {
        SECTOR_SIZE
    }
}
