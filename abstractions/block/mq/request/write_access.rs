// SPDX-License-Identifier: GPL-2.0

//! The hold on a file system that a write past it has.

use super::{Operations, Request};
pub(super) use crate::abstractions::fs::WriteAccess;
use kernel::prelude::*;

impl<T: Operations> Request<T> {
    /// Begins a write past a file system: has the request hold what `f` gets of its configuration, if anything, until
    /// [`end_write`](Self::end_write) or the end of the request. Fails as `f` does.
    #[inline]
    pub fn begin_write(
        &mut self,
        f: impl FnOnce(&T::Config) -> Result<Option<WriteAccess<'_>>>,
    ) -> Result {
        // SAFETY: It is borrowed from the configuration, which stays as it is until the request ends, as `config` says;
        // the request drops it before.
        let access = f(self.config())?.map(|access| unsafe { access.extend() });
        // SAFETY: By the type invariants what is behind the request is ours, and was written when it was started.
        unsafe { (*Self::pdu_ptr(self.as_ptr())).write_access = access };
        Ok(())
    }

    /// Gives `f` what the request holds since [`begin_write`](Self::begin_write), if it does. Any context.
    #[inline]
    pub fn end_write(&mut self, f: impl FnOnce(&T::Config, WriteAccess<'_>)) {
        // SAFETY: As in `begin_write`.
        let access = unsafe { (*Self::pdu_ptr(self.as_ptr())).write_access.take() };
        if let Some(access) = access {
            f(self.config(), access);
        }
    }
}
