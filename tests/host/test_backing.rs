// SPDX-License-Identifier: GPL-2.0

//! `backing.rs`: what follows from a file for capacity, limits and direct I/O.

use crate::{
    abstractions::{
        block::{limits::QueueLimits, BlockDevice},
        fs::{File, Stat},
    },
    backing::{BackingFile, DioUnit, NoDio, MAX_TRANSFER},
    cases::{edges, positive_edges, Random, CASES},
    prelude::*,
    sync::aref::ARef,
};

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
                for &offset in &offsets {
                    let mask = if block_size < align { align - 1 } else { 0 };
                    let expected = match (can_odirect, offset % i64::from(align) == 0) {
                        (false, _) => Err(NoDio::Unsupported),
                        (_, false) => Err(NoDio::Offset),
                        _ if mask >= MAX_TRANSFER => Err(NoDio::LargeBlocks),
                        // A block is in one piece of memory.
                        _ if mask != 0 => Ok(DioUnit {
                            mask,
                            memory: mask | 3,
                            // As well what the page cache writes at once.
                            rewritten: mask | 4095,
                        }),
                        _ => Ok(DioUnit::default()),
                    };
                    assert_eq!(file.check_dio(offset, block_size, 511), expected);
                    let preferred = match expected {
                        Ok(_) => block_size.max(align),
                        Err(_) => block_size,
                    };
                    assert_eq!(
                        file.preferred_block_size(offset, block_size, true),
                        preferred
                    );
                    assert_eq!(
                        file.preferred_block_size(offset, block_size, false),
                        block_size
                    );
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
            let expected = match file_bit <= disk_bit {
                true => Ok(DioUnit::default()),
                false => Err(NoDio::Memory),
            };
            assert_eq!(file.check_dio(0, 512, (1 << disk_bit) - 1), expected);
            // Otherwise the data is copied.
            assert!(file.check_dio(0, 256, (1 << disk_bit) - 1).is_ok());
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
            assert_eq!(is_new, required.then_some(!was_on));
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
