// SPDX-License-Identifier: GPL-2.0

//! The attributes in `/sys/block/loopN/loop`, which exist while a device is bound.

use crate::{
    abstractions::{
        block::disk::Disk,
        fs::FileExt,
        sysfs::{attribute_group, ShowBuffer},
        task::capable_sys_admin,
    },
    driver::Loop,
    pinned::{switch, Reason, Sparse},
    snapshot::Shown,
};
use kernel::{page::PAGE_SIZE, prelude::*};

attribute_group! {
    /// The group `loop`.
    pub(crate) static GROUP: AttributeGroup<Disk<Loop>> = c"loop" {
        c"backing_file": show_backing_file,
        c"offset": |disk, buf| show(disk, |shown| writeln!(buf, "{}", shown.offset)),
        c"sizelimit": |disk, buf| show(disk, |shown| writeln!(buf, "{}", shown.size_limit)),
        c"autoclear": |disk, buf| show(disk, |shown| show_bool(buf, shown.autoclear)),
        c"partscan": |disk, buf| show(disk, |shown| show_bool(buf, shown.partscan)),
        c"dio": |disk, buf| show(disk, |shown| show_bool(buf, shown.direct)),
        c"pinned": |disk, buf| show(disk, |shown| show_bool(buf, shown.pinned)) => store_pinned,
        c"pinned_progress": |disk, buf| {
            show(disk, |shown| writeln!(buf, "{}", disk.data().pinning.progress(shown.pinned)))
        },
        c"pinned_reason": |disk, buf| show(disk, |shown| writeln!(buf, "{}", shown.not_pinned.text())),
    }
}

/// Calls `f` with what is shown. While the device is being detached there is nothing.
fn show(disk: &Disk<Loop>, f: impl FnOnce(&Shown) -> Result) -> Result {
    disk.data().shown.lock().as_ref().map_or(Ok(()), f)
}

fn show_bool(buf: &mut ShowBuffer<'_>, value: bool) -> Result {
    writeln!(buf, "{}", i32::from(value))
}

fn show_backing_file(disk: &Disk<Loop>, buf: &mut ShowBuffer<'_>) -> Result {
    // The zero byte that ends the path makes room for the newline.
    let mut path = KVec::from_elem(0u8, PAGE_SIZE - 1, GFP_KERNEL)?;
    show(disk, |shown| {
        buf.push_bytes(shown.file.path(&mut path)?)?;
        buf.push_bytes(b"\n")
    })
}

fn store_pinned(disk: &Disk<Loop>, text: &[u8]) -> Result {
    // As for swapon(2).
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
        Some(sparse) => switch::pin(disk, sparse),
        None => {
            switch::unpin(&mut Loop::lock_to_change(disk)?, Reason::None);
            Ok(())
        }
    }
}
