// SPDX-License-Identifier: GPL-2.0

//! Answers of the file system that hold for a while, since to ask for each request would cost too much.

use crate::abstractions::time::jiffies;
use kernel::{
    sync::atomic::{Atomic, Relaxed},
    time::{msecs_to_jiffies, Msecs},
};

/// How often the file system is asked while requests keep coming. Its answer holds for twice as long.
const ASK_EVERY_MS: Msecs = 20;

/// When the file system last said yes.
pub(crate) struct Recent {
    /// In jiffies.
    confirmed_at: Atomic<usize>,
    /// When a request was last sent to ask, in jiffies.
    asked_at: Atomic<usize>,
    /// [`ASK_EVERY_MS`] in jiffies, at least 1.
    ask_every: usize,
}

impl Recent {
    /// It has said nothing yet.
    pub(crate) fn new() -> Self {
        let ask_every = msecs_to_jiffies(ASK_EVERY_MS);
        let long_ago = jiffies().wrapping_sub(ask_every.saturating_mul(2));
        Self {
            confirmed_at: Atomic::new(long_ago),
            asked_at: Atomic::new(long_ago),
            ask_every,
        }
    }

    /// Whether the last yes still holds. When it is time to ask again, one request is told no, so that it asks, and the
    /// others need not wait for the answer unless that takes as long again. Any context.
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

    /// Whether it was said in the jiffy `now`. Any context.
    pub(crate) fn is_of(&self, now: usize) -> bool {
        self.confirmed_at.load(Relaxed) == now
    }

    /// The file system has said yes, when it was asked in the jiffy `asked` or later. Any context.
    #[inline]
    pub(crate) fn confirm(&self, asked: usize) {
        // Requests of all CPUs read the cache line, so it is written once a jiffy at most.
        if !self.is_of(asked) {
            self.confirmed_at.store(asked, Relaxed);
        }
    }
}
