// SPDX-License-Identifier: GPL-2.0

//! Settings of one device for its next binding, in `/sys/block/loopN/settings`, which exists as
//! long as the device. They are the module's parameters until somebody writes others, and cannot
//! be written while the device is bound.
//!
//! The depth is none of them: `queue/nr_requests` lowers it at any time. Its upper limit, the
//! parameter `hw_queue_depth`, is the number of tags, which the block layer cannot change later.

use crate::{
    abstractions::{
        block::{disk::EarlyDisk, mq::QueueCounts},
        sysfs::{attribute_group, parse_int, AttributeGroups},
    },
    driver::Loop,
};
use kernel::{new_mutex, prelude::*, sync::Mutex};

attribute_group! {
    /// The group `settings`.
    static GROUP: AttributeGroup<EarlyDisk<Loop>> = c"settings" {
        c"nr_hw_queues": |disk, buf| writeln!(buf, "{}", disk.data().settings.queues().default)
            => |disk, text| disk.data().settings.store(text, 1, |queues| &mut queues.default),
        c"poll_queues": |disk, buf| writeln!(buf, "{}", disk.data().settings.queues().poll)
            => |disk, text| disk.data().settings.store(text, 0, |queues| &mut queues.poll),
    }
}

/// The attributes of a device from its first to its last event.
pub(crate) static ATTRIBUTES: AttributeGroups<EarlyDisk<Loop>> = AttributeGroups::new(&GROUP);

struct Inner {
    /// As many as the user asked for: the block layer makes at most one of each kind for each CPU.
    queues: QueueCounts,
    /// A file is bound, or about to be.
    in_use: bool,
}

/// The settings of one device.
#[pin_data]
pub(crate) struct Settings {
    #[pin]
    inner: Mutex<Inner>,
}

/// Settings that nobody can change. Dropping this allows it again.
#[must_use = "others can change the settings at once when unused"]
pub(crate) struct InUse<'a>(&'a Settings);

impl Settings {
    pub(crate) fn new(queues: QueueCounts) -> impl PinInit<Self> {
        let inner = Inner {
            queues,
            in_use: false,
        };
        pin_init!(Self {
            inner <- new_mutex!(inner, "loop_settings"),
        })
    }

    fn queues(&self) -> QueueCounts {
        self.inner.lock().queues
    }

    /// Keeps others from changing the settings.
    pub(crate) fn begin_use(&self) -> InUse<'_> {
        self.inner.lock().in_use = true;
        InUse(self)
    }

    /// Allows the settings to be changed.
    pub(crate) fn end_use(&self) {
        self.inner.lock().in_use = false;
    }

    /// Handles a write to an attribute. Takes what the module's parameter takes; `EINVAL` or
    /// `ERANGE` for anything else, `EBUSY` while the device is bound.
    fn store(
        &self,
        text: &[u8],
        minimum: u32,
        field: impl FnOnce(&mut QueueCounts) -> &mut u32,
    ) -> Result {
        let value = u32::try_from(parse_int(text)?).map_err(|_| EINVAL)?;
        if value < minimum {
            return Err(EINVAL);
        }
        let mut inner = self.inner.lock();
        if inner.in_use {
            return Err(EBUSY);
        }
        *field(&mut inner.queues) = value;
        Ok(())
    }
}

impl InUse<'_> {
    pub(crate) fn queues(&self) -> QueueCounts {
        self.0.queues()
    }

    /// Leaves the settings in use until [`Settings::end_use`].
    pub(crate) fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.end_use();
    }
}
