// SPDX-License-Identifier: GPL-2.0

//! Remembers for a while that the file system admits reads, or writes: asking it for each request
//! would cost too much.

use crate::abstractions::time::jiffies;
use kernel::{
    sync::atomic::{Atomic, Relaxed},
    time::{msecs_to_jiffies, Msecs},
};

/// Time in ms between questions to the file system while requests keep coming. Its answer holds for
/// twice as long.
const ASK_EVERY_MS: Msecs = 20;

/// When the file system last said yes. Relaxed throughout: the times stand for themselves, and an
/// old one makes a request ask once more, or not yet.
pub(crate) struct Recent {
    /// In jiffies.
    confirmed_at: Atomic<usize>,
    /// When [`holds`](Self::holds) last made a request ask, in jiffies.
    asked_at: Atomic<usize>,
    /// [`ASK_EVERY_MS`] in jiffies, at least 1.
    ask_every: usize,
}

impl Recent {
    /// The file system has said nothing yet.
    pub(crate) fn new() -> Self {
        let ask_every = msecs_to_jiffies(ASK_EVERY_MS);
        let long_ago = jiffies().wrapping_sub(ask_every.saturating_mul(2));
        Self {
            confirmed_at: Atomic::new(long_ago),
            asked_at: Atomic::new(long_ago),
            ask_every,
        }
    }

    /// Whether the last yes still holds. When it is time to ask again, one caller gets `false`, so
    /// that it asks. For the others the yes holds for as long again, so that they need not wait for
    /// the answer. Any context.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        let now = jiffies();
        let age = now.wrapping_sub(self.confirmed_at.load(Relaxed));
        if age < self.ask_every {
            return true;
        }
        let asked = self.asked_at.load(Relaxed);
        age / 2 < self.ask_every
            && (now.wrapping_sub(asked) < self.ask_every
                || self.asked_at.cmpxchg(asked, now, Relaxed).is_err())
    }

    /// Whether the file system said yes in the jiffy `now`. Any context.
    pub(crate) fn is_of(&self, now: usize) -> bool {
        self.confirmed_at.load(Relaxed) == now
    }

    /// Notes that the file system said yes, asked in the jiffy `asked` or later. Any context.
    #[inline]
    pub(crate) fn confirm(&self, asked: usize) {
        // Requests of all CPUs read the cache line, so it is written once a jiffy at most.
        if !self.is_of(asked) {
            self.confirmed_at.store(asked, Relaxed);
        }
    }
}
