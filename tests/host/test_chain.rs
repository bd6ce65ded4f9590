// SPDX-License-Identifier: GPL-2.0

//! `chain.rs`: which file may become the backing file of a device.

use crate::{
    abstractions::{
        block::{disk::Disk, BlockDevice},
        fs::File,
    },
    backing::BackingFile,
    chain::ChainLock,
    device::{Binding, LoopDevice, Phase},
    driver::{Loop, Shared},
    prelude::*,
    sync::aref::ARef,
};
use std::marker::PhantomData;

/// A disk on top of another one, or of a regular file.
fn disk(phase: Phase, below: Option<ARef<Disk<Loop>>>) -> ARef<Disk<Loop>> {
    disk_on(phase, file_on(below))
}

fn disk_on(phase: Phase, file: File) -> ARef<Disk<Loop>> {
    ARef::new(Disk {
        data: LoopDevice { phase },
        config: Some(Binding {
            backing: BackingFile::new(ARef::new(file)).unwrap(),
        }),
        part0: BlockDevice::default(),
        _p: PhantomData,
    })
}

fn file_on(disk: Option<ARef<Disk<Loop>>>) -> File {
    File {
        block: disk.map(|disk| BlockDevice {
            disk: Some(disk),
            ..BlockDevice::default()
        }),
        ..File::default()
    }
}

/// Chains of up to six devices, of which each may be unbound: what is found first on the way down
/// decides.
#[test]
fn chains_have_no_circles() {
    let shared = Shared::default();
    let lock = ChainLock::take(&shared).unwrap();
    for length in 0..=6 {
        for unbound in 0..1 << length {
            // From the bottom up.
            let mut chain: Vec<ARef<Disk<Loop>>> = Vec::new();
            for place in 0..length {
                let phase = match unbound & (1 << place) {
                    0 => Phase::Bound,
                    _ => Phase::Unbound,
                };
                chain.push(disk(phase, chain.last().cloned()));
            }
            let file = file_on(chain.last().cloned());
            let stranger = disk(Phase::Unbound, None);
            for (place, on_top) in chain.iter().chain([&stranger]).enumerate() {
                let expected = match (0..length)
                    .rev()
                    .find(|&below| below == place || unbound & (1 << below) != 0)
                {
                    Some(found) if found == place => Err(EBADF),
                    Some(_) => Err(EINVAL),
                    None => Ok(false),
                };
                let result = ChainLock::validate(Some(&lock), &file, on_top);
                assert_eq!(result, expected, "{length} {unbound:b} {place}");
                // Nobody may look without the lock.
                let unlocked = ChainLock::validate(None, &file, on_top);
                assert_eq!(unlocked, if length > 0 { Err(EINVAL) } else { Ok(false) });
            }
        }
    }
    let other = File {
        is_other: true,
        ..File::default()
    };
    let disk = disk(Phase::Unbound, None);
    assert_eq!(ChainLock::validate(Some(&lock), &other, &disk), Err(EINVAL));
}

/// Whether a device is zoned is told for the lowest one, however many of ours are above it.
#[test]
fn zones_are_seen_through_chains() {
    let shared = Shared::default();
    let lock = ChainLock::take(&shared).unwrap();
    let stranger = disk(Phase::Unbound, None);
    for is_zoned in [false, true] {
        let mut file = File {
            block: Some(BlockDevice {
                is_zoned,
                ..BlockDevice::default()
            }),
            ..File::default()
        };
        for _ in 0..3 {
            let told = ChainLock::validate(Some(&lock), &file, &stranger);
            assert_eq!(told, Ok(is_zoned));
            file = file_on(Some(disk_on(Phase::Bound, file)));
        }
    }
}
