// SPDX-License-Identifier: GPL-2.0

//! `pieces.rs`: each range of sectors of small devices, against sets of sectors.

use crate::{
    cases::{edges, Random, CASES},
    pieces::{Blocks, Transfer},
};
use core::ops::Range;

const SECTOR: i64 = 512;

/// Calls `f` with each range of sectors of devices of up to 3 blocks and some sectors, in bytes.
fn for_all(mut f: impl FnMut(u32, u64, Range<i64>)) {
    for block in [1024, 2048, 4096] {
        for sectors in 1..(3 * block / SECTOR + 2) as u64 {
            for start in 0..sectors as i64 {
                for end in start + 1..=sectors as i64 {
                    f((block - 1) as u32, sectors, start * SECTOR..end * SECTOR);
                }
            }
        }
    }
}

#[test]
fn pieces_make_up_the_request() {
    for_all(|mask, sectors, range| {
        let blocks = Blocks::new(mask, sectors);
        let block = i64::from(mask) + 1;
        let device_end = sectors as i64 * SECTOR;
        let whole_end = device_end / block * block;
        for room in [1, 2, 4].map(|n| n * block) {
            let mut left = range.clone();
            while !left.is_empty() {
                let piece = blocks.next(&left, room as usize);
                let say = || format!("{mask} {sectors} {range:?} {room}: {piece:?}");
                // It goes on where the one before has ended, and fits.
                assert!(piece.data.start == left.start && piece.data.end <= range.end);
                assert!(
                    !piece.data.is_empty() && piece.io.end - piece.io.start <= room,
                    "{}",
                    say()
                );
                assert!(piece.io.start <= piece.data.start && piece.data.end <= piece.io.end);
                let edges = piece.edges(mask);
                match piece.transfer {
                    Transfer::Direct => {
                        assert!(piece.io.start % block == 0 && piece.io.end % block == 0);
                        assert!(piece.io.end <= whole_end, "{}", say());
                        // Each block of which it has a part, but not all, is read once.
                        for start in (piece.io.start..piece.io.end).step_by(block as usize) {
                            let is_whole =
                                piece.data.start <= start && start + block <= piece.data.end;
                            let reads = edges
                                .iter()
                                .filter(|edge| **edge == (start..start + block))
                                .count();
                            assert_eq!(reads, usize::from(!is_whole), "{}", say());
                        }
                    }
                    Transfer::Buffered => {
                        assert_eq!(piece.io, piece.data);
                        assert!(piece.io.start >= whole_end, "{}", say());
                    }
                }
                let read: i64 = edges.iter().map(|edge| edge.end - edge.start).sum();
                assert!(
                    read % block == 0 && read <= 2 * block && read <= room,
                    "{}",
                    say()
                );
                left.start = piece.data.end;
            }
        }
    });
}

#[test]
fn whole_blocks_are_those_within() {
    for_all(|mask, sectors, range| {
        let block = i64::from(mask) + 1;
        let within = Blocks::new(mask, sectors).within(&range);
        let around = Blocks::around(mask, &range);
        let device_end = sectors as i64 * SECTOR;
        for start in (0..device_end).step_by(block as usize) {
            let is_whole = range.start <= start && start + block <= range.end;
            assert_eq!(within.contains(&start), is_whole);
            let has_part = start < range.end && range.start < start + block;
            assert_eq!(around.contains(&start), has_part);
        }
        // What is left lies before and behind it, in not more than a block each.
        if !within.is_empty() {
            assert!(within.start - range.start < block && range.end - within.end < block);
        }
    });
}

#[test]
fn large_positions_do_not_overflow() {
    let mut random = Random::new();
    let mut numbers = edges();
    numbers.extend((0..CASES).map(|_| random.number()));
    for number in numbers {
        let pos = (number >> 1) as i64 & !511;
        for mask in [1023, 4095, 32767] {
            let range = pos..pos.saturating_add(512);
            let _ = Blocks::around(mask, &range);
            for sectors in [0, number >> 9, number, u64::MAX] {
                let blocks = Blocks::new(mask, sectors);
                let _ = blocks.within(&range);
                let piece = blocks.next(&range, 32768);
                assert_eq!(piece.data.start, range.start);
                let _ = piece.edges(mask);
            }
        }
    }
}
