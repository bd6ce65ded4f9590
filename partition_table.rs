// SPDX-License-Identifier: GPL-2.0

//! Whether a disk has the partitions that its table says, after another file has taken the place of the first.
//!
//! The block layer drops all partitions before it looks for new ones, and whoever depends on one takes it for gone.
//! What it exports to modules does not compare. So this does, for GPT, as the block layer reads it
//! (`block/partitions/efi.c`), which stops there. Of other tables, and those that the block layer would not take as
//! they are, nothing is known.

use crate::{
    abstractions::block::disk::{OpenLocked, Partition},
    backing::SECTOR_SIZE,
    driver::Loop,
};
use core::mem::offset_of;
use kernel::prelude::*;
use zerocopy::FromZeros;

/// Where the table begins, in logical blocks.
const HEADER_LBA: u64 = 1;
const SIGNATURE: u64 = u64::from_le_bytes(*b"EFI PART");
/// More have never been seen.
const MAX_ENTRIES: u32 = 1024;
/// What a table that says GPT where others would have one calls its partition.
const PROTECTIVE: u8 = 0xee;

/// One of the four partitions that the first sector has place for.
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct MbrRecord {
    boot_indicator: u8,
    start_chs: [u8; 3],
    os_type: u8,
    end_chs: [u8; 3],
    start: [u8; 4],
    sectors: [u8; 4],
}

#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Mbr {
    code: [u8; 446],
    records: [MbrRecord; 4],
    signature: [u8; 2],
}

/// `gpt_header`; numbers are little-endian.
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Header {
    signature: u64,
    revision: u32,
    size: u32,
    crc: u32,
    reserved: u32,
    my_lba: u64,
    alternate_lba: u64,
    first_usable: u64,
    last_usable: u64,
    guid: [u8; 16],
    entries_lba: u64,
    entries: u32,
    entry_size: u32,
    entries_crc: u32,
    end: u32,
}

/// `gpt_entry`; numbers are little-endian.
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
struct Entry {
    type_guid: [u8; 16],
    guid: [u8; 16],
    start: u64,
    end: u64,
    attributes: u64,
    name: [u16; 36],
}

const HEADER_SIZE: usize = offset_of!(Header, end);

const _: () = {
    assert!(size_of::<Mbr>() == 512);
    assert!(HEADER_SIZE == 92);
    assert!(size_of::<Entry>() == 128);
};

/// Goes on with the CRC of what comes before `data`, as `crc32_le()` does, which not every kernel has.
fn crc32(crc: u32, data: &[u8]) -> u32 {
    data.iter().fold(crc, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// A GUID as `%pUl` prints it.
fn print_guid(guid: &[u8; 16], to: &mut [u8]) {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digit = |half: u8| match half {
        0..10 => b'0' + half,
        _ => b'a' - 10 + half,
    };
    let chars = ORDER.iter().enumerate().flat_map(|(i, &from)| {
        let byte = guid.get(from).copied().unwrap_or(0);
        let dash = matches!(i, 4 | 6 | 8 | 10).then_some(b'-');
        [dash, Some(digit(byte >> 4)), Some(digit(byte & 15))]
    });
    for (to, char) in to.iter_mut().zip(chars.flatten()) {
        *to = char;
    }
}

impl Entry {
    /// The partition that it stands for, on a disk of so many blocks. `None` if it stands for none, an error if the
    /// block layer would make something else of it.
    fn partition(&self, blocks: u64, sectors_per_block: u64) -> Result<Option<Partition>> {
        let (start, end) = (u64::from_le(self.start), u64::from_le(self.end));
        if self.type_guid == [0; 16] || start >= blocks || end >= blocks {
            return Ok(None);
        }
        let length = end.checked_sub(start).ok_or(EINVAL)?.saturating_add(1);
        let mut partition = Partition {
            start: start.saturating_mul(sectors_per_block),
            sectors: length.saturating_mul(sectors_per_block),
            ..Partition::default()
        };
        print_guid(&self.guid, &mut partition.uuid);
        for (to, &char) in partition.name.iter_mut().zip(&self.name) {
            *to = match (u16::from_le(char) & 0x7f) as u8 {
                char @ (0 | b' '..=b'~') => char,
                _ => b'!',
            };
        }
        Ok(Some(partition))
    }
}

/// Whether the partitions of a disk are those that its table says. Reads the table through the disk's page cache.
/// May sleep. Fails if the table cannot be read, or is none that this knows.
pub(crate) fn matches(open: &OpenLocked<'_, Loop>) -> Result<bool> {
    let disk = open.disk();
    let device = disk.part0();
    let block_size = disk.logical_block_size();
    let sectors_per_block = u64::from(block_size / SECTOR_SIZE);
    let blocks = device
        .sectors()
        .checked_div(sectors_per_block)
        .ok_or(EINVAL)?;

    let mut mbr = Mbr::new_zeroed();
    device.read_cached(0, mbr.as_mut_bytes())?;
    let is_protective = mbr.records.iter().any(|record| {
        record.os_type == PROTECTIVE && u64::from(u32::from_le_bytes(record.start)) == HEADER_LBA
    });
    if mbr.signature != [0x55, 0xaa] || !is_protective {
        return Err(EINVAL);
    }

    let mut header = Header::new_zeroed();
    let position = |lba: u64| lba.checked_mul(u64::from(block_size)).ok_or(EINVAL);
    device.read_cached(position(HEADER_LBA)?, header.as_mut_bytes())?;
    let crc = core::mem::take(&mut header.crc);
    let count = u32::from_le(header.entries);
    if u64::from_le(header.signature) != SIGNATURE
        || u32::from_le(header.size) as usize != HEADER_SIZE
        || !crc32(!0, header.as_mut_bytes().get(..HEADER_SIZE).ok_or(EINVAL)?) != u32::from_le(crc)
        || u64::from_le(header.my_lba) != HEADER_LBA
        || u64::from_le(header.first_usable) > u64::from_le(header.last_usable)
        || u64::from_le(header.last_usable) >= blocks
        || u32::from_le(header.entry_size) as usize != size_of::<Entry>()
        || count > MAX_ENTRIES
    {
        return Err(EINVAL);
    }

    let mut place = position(u64::from_le(header.entries_lba))?;
    let mut crc = !0;
    let mut same = true;
    // The first one is that of partition 1.
    for number in 1..=count.max(Partition::MAX_NUMBER) {
        let mut expected = None;
        if number <= count {
            let mut entry = Entry::new_zeroed();
            device.read_cached(place, entry.as_mut_bytes())?;
            place = place.saturating_add(size_of::<Entry>() as u64);
            crc = crc32(crc, entry.as_mut_bytes());
            expected = entry.partition(blocks, sectors_per_block)?;
        }
        if number <= Partition::MAX_NUMBER {
            same &= open.partition(number) == expected;
        }
    }
    if !crc != u32::from_le(header.entries_crc) {
        return Err(EINVAL);
    }
    Ok(same)
}
