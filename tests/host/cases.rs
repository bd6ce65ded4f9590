// SPDX-License-Identifier: GPL-2.0

//! Numbers to try.

/// How many random cases a property is tried with.
pub(crate) const CASES: usize = 1_000_000;

/// Where arithmetic goes wrong, if it does: powers of two, and what is beside them. As signed numbers
/// some of them are negative.
pub(crate) fn edges() -> Vec<u64> {
    let mut edges: Vec<u64> = (0..64)
        .map(|bit| 1u64 << bit)
        .flat_map(|power| [power - 1, power, power + 1])
        .chain([u64::MAX - 1, u64::MAX])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Those of the edges that are not negative.
pub(crate) fn positive_edges() -> Vec<i64> {
    edges()
        .into_iter()
        .filter_map(|edge| edge.try_into().ok())
        .collect()
}

/// xorshift64*: the same numbers in each run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of any size: as often small as large, and now and then an edge.
    pub(crate) fn number(&mut self) -> u64 {
        let shift = self.below(64);
        match self.below(8) {
            0 => (1u64 << shift).wrapping_add(self.below(3)) - 1,
            _ => self.next() >> shift,
        }
    }

    /// Such a number that is not negative.
    pub(crate) fn positive(&mut self) -> i64 {
        (self.number() >> 1) as i64
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}
