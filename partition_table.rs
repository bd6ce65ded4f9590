// SPDX-License-Identifier: GPL-2.0

//! Checks whether a disk has the partitions of its partition table, after `LOOP_CHANGE_FD` has
//! exchanged the file.
//!
//! A scan by the block layer drops all partitions before it looks for new ones, so users of a
//! partition take it for gone. The block layer exports no function that compares them instead. So
//! this file does, for tables that it reads as the block layer does: GPT
//! (`block/partitions/efi.c`), and an MBR (`msdos.c`) without nested partitions. It knows nothing
//! of other tables, nor of a table that the block layer would not take as it is.

use crate::{
    abstractions::block::{
        disk::{Disk, OpenLocked, Partition},
        BlockDevice,
    },
    backing::SECTOR_SIZE,
    driver::Loop,
};
use core::mem::offset_of;
use kernel::prelude::*;
use zerocopy::FromZeros;

/// Where the GPT header is, in logical blocks.
const HEADER_LBA: u64 = 1;
const SIGNATURE: u64 = u64::from_le_bytes(*b"EFI PART");
/// The largest GPT that is compared; a larger one has never been seen.
const MAX_ENTRIES: u32 = 1024;

/// The type of the MBR's entry that covers a GPT.
const PROTECTIVE: u8 = 0xee;
/// Types of MBR entries that make the block layer look for more than one partition.
const NESTED: [u8; 11] = [
    0x05, 0x0f, 0x85, // extended
    0x42, // dynamic disk of Windows, with a table at its end
    0x63, // UnixWare
    0x81, // Minix
    0x82, 0xbf, // Solaris; the first one is Linux swap, too
    0xa5, 0xa6, 0xa9, // FreeBSD, OpenBSD, NetBSD
];
/// First bytes of disks that have a label of another kind where an MBR has code: AIX, SGI.
const OTHER_LABELS: [[u8; 4]; 2] = [[0xc9, 0xc2, 0xd4, 0xc1], [0x0b, 0xe5, 0xa9, 0x41]];

/// One of the four entries of an MBR.
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
    label: [u8; 4],
    code: [u8; 436],
    disk_id: [u8; 4],
    reserved: [u8; 2],
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

/// Continues a CRC with `data`, as `crc32_le()` does, which not every kernel has.
fn crc32(crc: u32, data: &[u8]) -> u32 {
    data.iter().fold(crc, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Prints bytes as `%02x` does, with a dash before those whose index is in `dashes`.
fn print_hex(bytes: &[u8], dashes: &[usize], to: &mut [u8]) {
    let digit = |half: u8| match half {
        0..10 => b'0' + half,
        _ => b'a' - 10 + half,
    };
    let chars = bytes.iter().enumerate().flat_map(|(i, byte)| {
        let dash = dashes.contains(&i).then_some(b'-');
        [dash, Some(digit(byte >> 4)), Some(digit(byte & 15))]
    });
    for (to, char) in to.iter_mut().zip(chars.flatten()) {
        *to = char;
    }
}

/// Prints a GUID as `%pUl` does.
fn print_guid(guid: &[u8; 16], to: &mut [u8]) {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let bytes = ORDER.map(|from| guid.get(from).copied().unwrap_or(0));
    print_hex(&bytes, &[4, 6, 8, 10], to);
}

/// A disk, measured in the logical blocks of its table.
struct Medium<'a> {
    device: &'a BlockDevice,
    block_size: u32,
    sectors_per_block: u64,
    blocks: u64,
}

impl<'a> Medium<'a> {
    fn new(disk: &'a Disk<Loop>) -> Result<Self> {
        let device = disk.part0();
        let block_size = disk.logical_block_size();
        let sectors_per_block = u64::from(block_size / SECTOR_SIZE);
        Ok(Self {
            device,
            block_size,
            sectors_per_block,
            blocks: device
                .sectors()
                .checked_div(sectors_per_block)
                .ok_or(EINVAL)?,
        })
    }

    /// The position of a block, in bytes.
    fn position(&self, lba: u64) -> Result<u64> {
        lba.checked_mul(u64::from(self.block_size)).ok_or(EINVAL)
    }

    /// Converts blocks to sectors.
    fn sectors(&self, blocks: u64) -> u64 {
        blocks.saturating_mul(self.sectors_per_block)
    }
}

impl Mbr {
    /// Whether the MBR covers a GPT.
    fn is_protective(&self) -> bool {
        self.records.iter().any(|record| {
            record.os_type == PROTECTIVE
                && u64::from(u32::from_le_bytes(record.start)) == HEADER_LBA
        })
    }

    /// Whether the block layer makes one partition of each entry, and no others. It takes a boot
    /// indicator other than 0 and 0x80 as a sign that this is no table but, for example, the boot
    /// sector of a file system.
    fn is_plain(&self) -> bool {
        !OTHER_LABELS.contains(&self.label)
            && self.records.iter().all(|record| {
                matches!(record.boot_indicator, 0 | 0x80)
                    && record.os_type != PROTECTIVE
                    && !NESTED.contains(&record.os_type)
            })
    }

    /// The partition of that number, from 1 on, if there is one. A partition that begins beyond the
    /// end of the disk does not count; one that ends there is cut.
    fn partition(&self, number: u32, medium: &Medium<'_>) -> Option<Partition> {
        let record = self.records.get(number.checked_sub(1)? as usize)?;
        let [start, sectors] = [record.start, record.sectors]
            .map(|blocks| medium.sectors(u64::from(u32::from_le_bytes(blocks))));
        let left = medium.device.sectors().saturating_sub(start);
        let mut partition = Partition {
            start,
            sectors: sectors.min(left),
            ..Partition::default()
        };
        let [a, b, c, d] = self.disk_id;
        print_hex(&[d, c, b, a, number as u8], &[4], &mut partition.uuid);
        (partition.sectors > 0).then_some(partition)
    }
}

impl Entry {
    /// The partition that the entry describes; `None` if it describes none. Fails if the block
    /// layer would make something else of it.
    fn partition(&self, medium: &Medium<'_>) -> Result<Option<Partition>> {
        let (start, end) = (u64::from_le(self.start), u64::from_le(self.end));
        if self.type_guid == [0; 16] || start >= medium.blocks || end >= medium.blocks {
            return Ok(None);
        }
        let length = end.checked_sub(start).ok_or(EINVAL)?.saturating_add(1);
        let mut partition = Partition {
            start: medium.sectors(start),
            sectors: medium.sectors(length),
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

/// Whether the partitions of a disk are the ones of its table, and there are any. Reads the table
/// through the disk's page cache. May sleep. Fails if the table cannot be read, or is of a kind
/// that this file does not know.
pub(crate) fn matches(open: &OpenLocked<'_, Loop>) -> Result<bool> {
    let medium = Medium::new(open.disk())?;
    let mut mbr = Mbr::new_zeroed();
    medium.device.read_cached(0, mbr.as_mut_bytes())?;
    if mbr.signature != [0x55, 0xaa] {
        return Err(EINVAL);
    }
    // The block layer looks for these formats first, in other sectors. The other formats of Acorn
    // cannot have this signature.
    if cfg!(any(
        CONFIG_ACORN_PARTITION_ADFS,
        CONFIG_ACORN_PARTITION_CUMANA,
        CONFIG_ACORN_PARTITION_EESOX
    )) {
        return Err(EINVAL);
    }
    match mbr.is_protective() {
        true => matches_gpt(open, &medium),
        false => matches_mbr(open, &medium, &mbr),
    }
}

fn matches_mbr(open: &OpenLocked<'_, Loop>, medium: &Medium<'_>, mbr: &Mbr) -> Result<bool> {
    if !mbr.is_plain() {
        return Err(EINVAL);
    }
    // With `gpt` on its command line, the kernel looks for a GPT even if the MBR has no entry for
    // it.
    for lba in [HEADER_LBA, medium.blocks.saturating_sub(1)] {
        let mut signature = [0; size_of_val(&SIGNATURE)];
        medium
            .device
            .read_cached(medium.position(lba)?, &mut signature)?;
        if u64::from_le_bytes(signature) == SIGNATURE {
            return Err(EINVAL);
        }
    }
    let (mut same, mut any) = (true, false);
    for number in 1..=Partition::MAX_NUMBER {
        let present = open.partition(number);
        any |= present.is_some();
        same &= present == mbr.partition(number, medium);
    }
    Ok(same && any)
}

fn matches_gpt(open: &OpenLocked<'_, Loop>, medium: &Medium<'_>) -> Result<bool> {
    let device = medium.device;
    let mut header = Header::new_zeroed();
    device.read_cached(medium.position(HEADER_LBA)?, header.as_mut_bytes())?;
    let crc = core::mem::take(&mut header.crc);
    let count = u32::from_le(header.entries);
    if u64::from_le(header.signature) != SIGNATURE
        || u32::from_le(header.size) as usize != HEADER_SIZE
        || !crc32(!0, header.as_mut_bytes().get(..HEADER_SIZE).ok_or(EINVAL)?) != u32::from_le(crc)
        || u64::from_le(header.my_lba) != HEADER_LBA
        || u64::from_le(header.first_usable) > u64::from_le(header.last_usable)
        || u64::from_le(header.last_usable) >= medium.blocks
        || u32::from_le(header.entry_size) as usize != size_of::<Entry>()
        || count > MAX_ENTRIES
    {
        return Err(EINVAL);
    }

    let mut place = medium.position(u64::from_le(header.entries_lba))?;
    let mut crc = !0;
    let (mut same, mut any) = (true, false);
    // The first entry is partition 1.
    for number in 1..=count.max(Partition::MAX_NUMBER) {
        let mut expected = None;
        if number <= count {
            let mut entry = Entry::new_zeroed();
            device.read_cached(place, entry.as_mut_bytes())?;
            place = place.saturating_add(size_of::<Entry>() as u64);
            crc = crc32(crc, entry.as_mut_bytes());
            expected = entry.partition(medium)?;
        }
        if number <= Partition::MAX_NUMBER {
            let present = open.partition(number);
            any |= present.is_some();
            same &= present == expected;
        }
    }
    if !crc != u32::from_le(header.entries_crc) {
        return Err(EINVAL);
    }
    Ok(same && any)
}
