// SPDX-License-Identifier: GPL-2.0

//! The write access to a file system that a request holds while it writes past it.

use super::{Operations, Request};
pub(super) use crate::abstractions::fs::WriteAccess;
use kernel::prelude::*;

impl<T: Operations> Request<T> {
    /// Begins a write that bypasses a file system: stores the write access that `f` gets from the
    /// configuration, if any, in the request until [`end_write`](Self::end_write) or the end of the
    /// request. Fails as `f` does.
    #[inline]
    pub fn begin_write(
        &mut self,
        f: impl FnOnce(&T::Config) -> Result<Option<WriteAccess<'_>>>,
    ) -> Result {
        // SAFETY: `access` borrows from the configuration, which stays valid until the request ends
        // (`config`). The request drops `access` before that (`release`).
        let access = f(self.config())?.map(|access| unsafe { access.extend() });
        // SAFETY: By the type invariants the request's `Pdu` is ours, and `start` wrote
        // `write_access`.
        unsafe { (*Self::pdu_ptr(self.as_ptr())).write_access = access };
        Ok(())
    }

    /// Calls `f` with the write access that [`begin_write`](Self::begin_write) stored, if there is
    /// one. Any context.
    #[inline]
    pub fn end_write(&mut self, f: impl FnOnce(&T::Config, WriteAccess<'_>)) {
        // SAFETY: As in `begin_write`: the `Pdu` is ours, and `start` wrote `write_access`.
        let access = unsafe { (*Self::pdu_ptr(self.as_ptr())).write_access.take() };
        if let Some(access) = access {
            f(self.config(), access);
        }
    }
}
