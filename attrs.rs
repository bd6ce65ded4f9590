// SPDX-License-Identifier: GPL-2.0

//! The attributes in `/sys/block/loopN/loop`, which exist while a device is bound.

use crate::{
    abstractions::{
        block::disk::Disk,
        fs::FileExt,
        sysfs::{attribute_group, ShowBuffer},
    },
    driver::Loop,
    snapshot::SysfsSnapshot,
};
use kernel::{page::PAGE_SIZE, prelude::*};

attribute_group! {
    /// The group `loop`.
    pub(crate) static GROUP: AttributeGroup<Disk<Loop>> = c"loop" {
        c"backing_file": show_backing_file,
        c"offset": |disk, buf| show(disk, |snapshot| writeln!(buf, "{}", snapshot.offset)),
        c"sizelimit": |disk, buf| show(disk, |snapshot| writeln!(buf, "{}", snapshot.size_limit)),
        c"autoclear": |disk, buf| show(disk, |snapshot| show_bool(buf, snapshot.autoclear)),
        c"partscan": |disk, buf| show(disk, |snapshot| show_bool(buf, snapshot.partscan)),
        c"dio": |disk, buf| show(disk, |snapshot| show_bool(buf, snapshot.direct)),
        c"dio_reason": |disk, buf| show(disk, |snapshot| writeln!(buf, "{}", snapshot.no_dio.text())),
        #[cfg(LOOP_PINNED)]
        c"pinned": |disk, buf| show(disk, |snapshot| show_bool(buf, snapshot.not_pinned.is_none()))
            => crate::pinned::switch::store,
        #[cfg(LOOP_PINNED)]
        c"pinned_progress": |disk, buf| show(disk, |snapshot| {
            writeln!(buf, "{}", disk.data().pinning.progress(snapshot.not_pinned.is_none()))
        }),
        #[cfg(LOOP_PINNED)]
        c"pinned_reason": |disk, buf| show(disk, |snapshot| {
            writeln!(buf, "{}", snapshot.not_pinned.map_or("", |reason| reason.text()))
        }),
    }
}

/// Calls `f` with the snapshot. During detach there is none, and the attribute is empty.
fn show(disk: &Disk<Loop>, f: impl FnOnce(&SysfsSnapshot) -> Result) -> Result {
    disk.data().snapshot.lock().as_ref().map_or(Ok(()), f)
}

fn show_bool(buf: &mut ShowBuffer<'_>, value: bool) -> Result {
    writeln!(buf, "{}", i32::from(value))
}

fn show_backing_file(disk: &Disk<Loop>, buf: &mut ShowBuffer<'_>) -> Result {
    // The path's final zero byte makes room for the newline.
    let mut path = KVec::from_elem(0u8, PAGE_SIZE - 1, GFP_KERNEL)?;
    show(disk, |snapshot| {
        buf.push_bytes(snapshot.file.path(&mut path)?)?;
        buf.push_bytes(b"\n")
    })
}
