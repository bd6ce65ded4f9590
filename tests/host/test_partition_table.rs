// SPDX-License-Identifier: GPL-2.0

//! `partition_table.rs`: whether a disk has the partitions of its MBR. A GPT is what `part_15` and `part_16` try.

use crate::{
    abstractions::block::{
        disk::{Disk, OpenLocked, Partition},
        BlockDevice,
    },
    cases::Random,
    device::{LoopDevice, Phase},
    driver::Loop,
    partition_table::matches,
    prelude::*,
};
use std::{collections::BTreeMap, marker::PhantomData};

type Partitions = BTreeMap<u32, Partition>;

const SECTORS: usize = 256;
const ID: usize = 440;
const FIRST: usize = 446;
const TYPE: usize = FIRST + 4;
const START: usize = FIRST + 8;
const SIZE: usize = FIRST + 12;

fn compare(content: &[u8], block_size: u32, partitions: &Partitions) -> Result<bool> {
    let disk = Disk::<Loop> {
        data: LoopDevice {
            phase: Phase::Bound,
        },
        config: None,
        part0: BlockDevice {
            content: content.to_vec(),
            logical_block_size: block_size,
            ..BlockDevice::default()
        },
        _p: PhantomData,
    };
    matches(&OpenLocked {
        disk: &disk,
        partitions: partitions.clone(),
    })
}

/// A disk with an MBR of these entries: number, type, start, size in blocks.
fn image(entries: &[(usize, u8, u32, u32)]) -> Vec<u8> {
    let mut content = vec![0; SECTORS * 512];
    content[ID..ID + 4].copy_from_slice(&[0x0d, 0xf0, 0xad, 0xba]);
    content[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (number, os_type, start, size) in entries {
        let entry = &mut content[FIRST + (number - 1) * 16..][..16];
        entry[4] = *os_type;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..16].copy_from_slice(&size.to_le_bytes());
    }
    content
}

/// One of the disks' above, in sectors.
fn partition(number: u32, start: u64, sectors: u64) -> (u32, Partition) {
    let mut partition = Partition {
        start,
        sectors,
        ..Partition::default()
    };
    let text = format!("baadf00d-{number:02x}");
    partition.uuid[..text.len()].copy_from_slice(text.as_bytes());
    (number, partition)
}

/// Two partitions, and the disk that has them.
fn two() -> (Vec<u8>, Partitions) {
    (
        image(&[(1, 0x83, 8, 64), (2, 0x83, 72, 100)]),
        [partition(1, 8, 64), partition(2, 72, 100)].into(),
    )
}

/// Bytes of the table that change, and what comes of it.
#[test]
fn differences_in_the_table_are_found() {
    const UNKNOWN: Result<bool> = Err(EINVAL);
    let table: &[(&str, usize, &[u8], Result<bool>)] = &[
        ("nothing", 0, &[], Ok(true)),
        // What the block layer does not keep.
        ("code", 100, &[0x90], Ok(true)),
        ("type", TYPE, &[0x07], Ok(true)),
        ("active", FIRST, &[0x80], Ok(true)),
        ("start by CHS", FIRST + 1, &[1], Ok(true)),
        ("end by CHS", FIRST + 5, &[1], Ok(true)),
        ("reserved", ID + 4, &[1], Ok(true)),
        ("type of none", TYPE + 32, &[0x83], Ok(true)),
        ("behind the end", START + 32, &[0xff; 8], Ok(true)),
        // What it does.
        ("first byte of the ID", ID, &[0], Ok(false)),
        ("last byte of the ID", ID + 3, &[0], Ok(false)),
        ("start", START, &[9], Ok(false)),
        ("size", SIZE + 16, &[99], Ok(false)),
        ("one more", SIZE + 32, &[1], Ok(false)),
        ("one less", SIZE, &[0], Ok(false)),
        // Of these nothing is known.
        ("no signature", 511, &[0], UNKNOWN),
        ("no table", FIRST + 48, &[1], UNKNOWN),
        ("AIX", 0, b"\xc9\xc2\xd4\xc1", UNKNOWN),
        ("SGI", 0, b"\x0b\xe5\xa9\x41", UNKNOWN),
        ("GPT", 512, b"EFI PART", UNKNOWN),
        ("GPT at the end", 255 * 512, b"EFI PART", UNKNOWN),
    ];
    for (name, place, bytes, expected) in table {
        let (mut content, partitions) = two();
        content[*place..][..bytes.len()].copy_from_slice(bytes);
        assert_eq!(compare(&content, 512, &partitions), *expected, "{name}");
    }
    let (mut content, partitions) = two();
    content.truncate(512);
    assert_eq!(compare(&content, 512, &partitions), Err(EIO));
}

/// The same with the partitions.
#[test]
fn differences_of_partitions_are_found() {
    let table: &[fn(&mut Partitions)] = &[
        |all| all.retain(|number, _| *number != 1),
        |all| all.extend([partition(3, 8, 8)]),
        |all| all.extend([partition(5, 8, 8)]),
        |all| all.extend([partition(255, 8, 8)]),
        |all| all.extend([partition(1, 9, 64)]),
        |all| all.extend([partition(1, 8, 63)]),
        |all| all.get_mut(&1).unwrap().uuid = [0; 37],
        |all| all.get_mut(&1).unwrap().name[0] = b'a',
        |all| all.clear(),
    ];
    for (row, change) in table.iter().enumerate() {
        let (content, mut partitions) = two();
        change(&mut partitions);
        assert_eq!(compare(&content, 512, &partitions), Ok(false), "row {row}");
    }
    // None that could stay.
    assert_eq!(compare(&image(&[]), 512, &Partitions::new()), Ok(false));
}

#[test]
fn of_nested_tables_nothing_is_known() {
    let partitions = [partition(4, 8, 64)].into();
    for os_type in 0..=u8::MAX {
        let expected = match os_type {
            // Extended, dynamic, UnixWare, Minix, Solaris, BSD, GPT.
            0x05 | 0x0f | 0x85 | 0x42 | 0x63 | 0x81 | 0x82 | 0xbf | 0xa5 | 0xa6 | 0xa9 | 0xee => {
                Err(EINVAL)
            }
            _ => Ok(true),
        };
        let content = image(&[(4, os_type, 8, 64)]);
        assert_eq!(
            compare(&content, 512, &partitions),
            expected,
            "{os_type:#x}"
        );
    }
}

/// Any table on disks of any block size, with numbers within the disk and without. The model does not overflow.
#[test]
fn partitions_are_those_of_the_table() {
    let mut random = Random::new();
    let mut kept = 0;
    for _ in 0..5_000 {
        let block_size = 512u32 << random.below(4);
        let mut entries = Vec::new();
        let mut partitions = Partitions::new();
        for number in 1..=4 {
            let mut numbers = [0, 0].map(|_| match random.below(4) {
                0 => random.number() as u32,
                _ => random.below(SECTORS as u64 / u64::from(block_size / 512)) as u32,
            });
            if random.below(4) == 0 {
                numbers[1] = 0;
            }
            let [start, size] =
                numbers.map(|blocks| i128::from(blocks) * i128::from(block_size / 512));
            let size = size.min(SECTORS as i128 - start);
            entries.push((number, 0x83, numbers[0], numbers[1]));
            if size > 0 {
                partitions.extend([partition(number as u32, start as u64, size as u64)]);
            }
        }
        let content = image(&entries);
        let expected = Ok(!partitions.is_empty());
        assert_eq!(
            compare(&content, block_size, &partitions),
            expected,
            "{block_size} {entries:?}"
        );
        kept += partitions.len();
        // None of them is left out of the comparison.
        for number in 1..=4 {
            let mut others = partitions.clone();
            if let Some(one) = others.get_mut(&number) {
                one.sectors -= 1;
                assert_eq!(compare(&content, block_size, &others), Ok(false));
            }
        }
    }
    assert!(kept > 5_000);
}
