// SPDX-License-Identifier: GPL-2.0

//! `backing.rs`: what follows from a file for capacity, limits and direct I/O; and which file may become
//! the backing file of a device.

use crate::{
    abstractions::{
        block::{disk::Disk, limits::QueueLimits, BlockDevice},
        fs::{File, Stat},
    },
    backing::{BackingFile, ChainLock},
    cases::{edges, positive_edges, Random, CASES},
    device::{Binding, Loop, LoopDevice, Phase, Shared},
    prelude::*,
    sync::aref::ARef,
};
use std::marker::PhantomData;

/// A backing file made of this, which has to be fit for one.
fn backing(file: File) -> BackingFile {
    BackingFile::new(ARef::new(file)).unwrap()
}

/// Calls `f` with each power of two that an alignment can be.
fn each_alignment(mut f: impl FnMut(u32)) {
    (0..32).map(|bit| 1 << bit).for_each(&mut f);
}

fn sized_file(size: i64, is_block: bool) -> File {
    let stat = Stat {
        size,
        dio_align: None,
    };
    match is_block {
        true => File {
            block: Some(BlockDevice::default()),
            cached_size: size,
            stat: Err(EIO),
            ..File::default()
        },
        // The inode may be behind.
        false => File {
            cached_size: 12345,
            stat: Ok(stat),
            ..File::default()
        },
    }
}

fn check_sectors(file: &BackingFile, size: i64, offset: i64, limit: i64) {
    let sectors = i128::from(file.sectors(offset, limit));
    let [size, offset, limit] = [size, offset, limit].map(i128::from);
    // They lie in the file, and within the limit; one more would not.
    let fit = |sectors| offset + sectors * 512 <= size && (limit == 0 || sectors * 512 <= limit);
    assert!(
        (sectors == 0 || fit(sectors)) && !fit(sectors + 1),
        "{size} {offset} {limit}: {sectors}"
    );
}

#[test]
fn sectors_lie_in_the_file() {
    for is_block in [false, true] {
        for size in edges() {
            // What a file system says of the size may be anything.
            let size = size as i64;
            let file = backing(sized_file(size, is_block));
            for offset in positive_edges() {
                for limit in positive_edges() {
                    check_sectors(&file, size, offset, limit);
                }
            }
        }
        let mut random = Random::new();
        for _ in 0..CASES {
            let size = random.number() as i64;
            let file = backing(sized_file(size, is_block));
            check_sectors(&file, size, random.positive(), random.positive());
        }
    }
}

#[test]
fn a_file_of_unknown_size_has_no_sectors() {
    let file = backing(File {
        cached_size: i64::MAX,
        stat: Err(EIO),
        ..File::default()
    });
    assert_eq!(file.sectors(0, 0), 0);
}

#[test]
fn direct_io_takes_aligned_offset_and_blocks() {
    let mut random = Random::new();
    let mut offsets = positive_edges();
    offsets.extend((0..1000).map(|_| random.positive()));
    for can_odirect in [false, true] {
        each_alignment(|align| {
            let file = File {
                can_odirect,
                stat: Ok(Stat {
                    size: 0,
                    dio_align: Some((4, align)),
                }),
                ..File::default()
            };
            let file = backing(file);
            assert_eq!(file.dio_block_size(), align);
            assert_eq!(file.has_dio(), can_odirect);
            each_alignment(|block_size| {
                let disk = disk_with(block_size, 511);
                for &offset in &offsets {
                    let fits = block_size >= align && offset % i64::from(align) == 0;
                    assert_eq!(file.can_dio(offset, &disk), can_odirect && fits);
                }
            });
        });
    }
}

#[test]
fn direct_io_takes_aligned_memory() {
    for file_bit in 0..=12 {
        let file = backing(File {
            stat: Ok(Stat {
                size: 0,
                dio_align: Some((1 << file_bit, 512)),
            }),
            ..File::default()
        });
        for disk_bit in 9..=12 {
            let disk = disk_with(512, (1 << disk_bit) - 1);
            assert_eq!(file.can_dio(0, &disk), file_bit <= disk_bit);
        }
    }
}

fn limits_of(file: File, read_only: bool) -> QueueLimits {
    let file = backing(file);
    // As they may be left by another file.
    let mut limits = QueueLimits {
        fua: true,
        ..QueueLimits::default()
    };
    file.set_limits(&mut limits, 1024, file.discard_limits(), read_only);
    limits
}

#[test]
fn dma_alignment_is_that_of_the_file_within_sector_and_page() {
    for bit in 0..32 {
        for (told, align) in [(true, 1u32 << bit), (false, 1 << bit)] {
            let file = |can_odirect, unit| File {
                can_odirect,
                stat: Ok(Stat {
                    size: 0,
                    dio_align: told.then_some((align, unit)),
                }),
                // Asked where the file system does not tell.
                sb_block_device: Some(BlockDevice {
                    dma_alignment: if told { 1 } else { align - 1 },
                    logical_block_size: unit,
                    ..BlockDevice::default()
                }),
                ..File::default()
            };
            // Not where direct I/O is not possible, at all or with blocks of 1024 bytes.
            assert_eq!(limits_of(file(false, 512), false).dma_alignment, 511);
            assert_eq!(limits_of(file(true, 2048), false).dma_alignment, 511);
            let highest = if told { 12 } else { 31 };
            let expected = (1u64 << bit.clamp(9, highest)) - 1;
            for unit in [512, 1024] {
                let limits = limits_of(file(true, unit), false);
                assert_eq!(u64::from(limits.dma_alignment), expected);
            }
        }
    }
    assert_eq!(limits_of(File::default(), false).dma_alignment, 511);
}

#[test]
fn discard_limits_are_those_of_the_file() {
    let expected = |sectors, granularity| (sectors, sectors, granularity);
    let found = |file| {
        let limits = limits_of(file, false);
        (limits.discard, limits.write_zeroes, limits.granularity)
    };
    for number in edges() {
        let number = number as u32;
        let block = BlockDevice {
            write_zeroes_sectors: number,
            discard_granularity: 8192,
            ..BlockDevice::default()
        };
        let file = File {
            block: Some(block),
            ..File::default()
        };
        // Without discard there is no granularity.
        assert_eq!(
            found(file),
            expected(number, if number == 0 { 0 } else { 8192 })
        );
        for has_deallocate in [false, true] {
            for fs_block_size in [Ok(number), Err(EIO)] {
                let file = File {
                    has_deallocate,
                    fs_block_size,
                    ..File::default()
                };
                // As many whole sectors as 32 bits of bytes hold.
                let limits = match fs_block_size {
                    Ok(bytes) if has_deallocate => expected(0x7f_ffff, bytes),
                    _ => expected(0, 0),
                };
                assert_eq!(found(file), limits);
            }
        }
    }
}

#[test]
fn other_limits_are_those_of_the_file() {
    for bits in 0..8 {
        let (has_fsync, read_only, is_rotational) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let device = || BlockDevice {
            is_rotational,
            ..BlockDevice::default()
        };
        let on_a_device = File {
            has_fsync,
            sb_block_device: Some(device()),
            ..File::default()
        };
        let is_a_device = File {
            has_fsync,
            block: Some(device()),
            ..File::default()
        };
        for file in [on_a_device, is_a_device] {
            let limits = limits_of(file, read_only);
            assert_eq!(limits.block_size, 1024);
            assert_eq!(limits.write_cache, has_fsync && !read_only);
            assert_eq!(limits.rotational, is_rotational);
            assert!(!limits.fua);
        }
    }
}

#[test]
fn stable_writes_are_required_where_data_passes_as_it_is() {
    for bits in 0..32 {
        let [of_file, of_device, can_odirect, read_only, was_on] =
            [1, 2, 4, 8, 16].map(|bit| bits & bit != 0);
        let device = || BlockDevice {
            needs_stable_writes: of_device,
            ..BlockDevice::default()
        };
        let on_a_device = File {
            needs_stable_writes: of_file,
            can_odirect,
            sb_block_device: Some(device()),
            ..File::default()
        };
        let is_a_device = File {
            needs_stable_writes: of_file,
            can_odirect,
            block: Some(device()),
            ..File::default()
        };
        for file in [on_a_device, is_a_device] {
            let mut limits = QueueLimits {
                stable_writes: was_on,
                ..QueueLimits::default()
            };
            let required = (of_file || of_device) && can_odirect && !read_only;
            let is_new = backing(file).require_stable_writes(&mut limits, read_only);
            assert_eq!(is_new, required && !was_on);
            assert_eq!(limits.stable_writes, required || was_on);
        }
    }
}

#[test]
fn files_are_readable_and_writable_if_opened_so() {
    for bits in 0..8 {
        let (is_readable, is_writable, has_write_iter) =
            (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
        let file = BackingFile::new(ARef::new(File {
            is_readable,
            is_writable,
            has_write_iter,
            ..File::default()
        }));
        match file {
            Ok(file) => {
                assert!(is_readable);
                assert_eq!(file.is_writable(), is_writable && has_write_iter);
            }
            Err(e) => {
                assert_eq!(e, EINVAL);
                assert!(!is_readable || (is_writable && !has_write_iter));
            }
        }
    }
}

/// A disk on top of another one, or of a regular file.
fn disk(phase: Phase, below: Option<ARef<Disk<Loop>>>) -> ARef<Disk<Loop>> {
    disk_on(phase, file_on(below))
}

fn disk_on(phase: Phase, file: File) -> ARef<Disk<Loop>> {
    ARef::new(Disk {
        data: LoopDevice { phase },
        config: Some(Binding {
            backing: backing(file),
        }),
        logical_block_size: 512,
        dma_alignment: 511,
        _p: PhantomData,
    })
}

/// A disk with these limits.
fn disk_with(logical_block_size: u32, dma_alignment: u32) -> Disk<Loop> {
    Disk {
        data: LoopDevice {
            phase: Phase::Bound,
        },
        config: None,
        logical_block_size,
        dma_alignment,
        _p: PhantomData,
    }
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
