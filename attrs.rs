// SPDX-License-Identifier: GPL-2.0

//! The attributes in `/sys/block/loopN/loop`, which exist while a device is bound.

use crate::{
    abstractions::{
        block::disk::Disk,
        fs::FileExt,
        sysfs::{attribute_group, ShowBuffer},
    },
    device::{Binding, Loop, State},
};
use kernel::{page::PAGE_SIZE, prelude::*};

attribute_group! {
    /// The group `loop`.
    pub(crate) static GROUP: AttributeGroup<Disk<Loop>> = c"loop" {
        c"backing_file": show_backing_file,
        c"offset": |disk, buf| show(disk, |binding, _| writeln!(buf, "{}", binding.offset)),
        c"sizelimit": |disk, buf| show(disk, |_, state| writeln!(buf, "{}", state.size_limit)),
        c"autoclear": |disk, buf| show(disk, |_, state| show_bool(buf, state.autoclear)),
        c"partscan": |disk, buf| show(disk, |_, state| show_bool(buf, state.partscan)),
        c"dio": |disk, buf| show(disk, |binding, _| show_bool(buf, binding.direct)),
    }
}

/// Calls `f` with what the disk is bound to. Between binding and the end of detaching there is nothing
/// to show.
fn show(disk: &Disk<Loop>, f: impl FnOnce(&Binding, &State) -> Result) -> Result {
    let guard = disk.lock_killable()?;
    match guard.config() {
        Some(binding) => f(binding, &guard),
        None => Ok(()),
    }
}

fn show_bool(buf: &mut ShowBuffer<'_>, value: bool) -> Result {
    writeln!(buf, "{}", i32::from(value))
}

fn show_backing_file(disk: &Disk<Loop>, buf: &mut ShowBuffer<'_>) -> Result {
    // One byte less than what is shown may have, for the newline.
    let mut path = KVec::from_elem(0u8, PAGE_SIZE - 1, GFP_KERNEL)?;
    show(disk, |binding, _| {
        buf.push_bytes(binding.backing.file().path(&mut path)?)?;
        buf.push_bytes(b"\n")
    })
}
