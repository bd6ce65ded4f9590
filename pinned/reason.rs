// SPDX-License-Identifier: GPL-2.0

//! Why a device is not pinned: the text that `pinned_reason` shows, and the error that an attempt
//! to pin fails with.

use crate::abstractions::error::{ecanceled, enodata, eopnotsupp};
use kernel::prelude::*;

/// Why a device is not pinned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotPinned {
    /// Pinning was not asked for, or the device is pinned.
    NotAsked,
    NotDirect,
    NotRegular,
    NotWritable,
    Append,
    Offset,
    Size,
    BlockSize,
    Alignment,
    StableWrites,
    Zoned,
    Encrypted,
    SmallBlocks,
    Sparse,
    Busy,
    Unsupported,
    CopyOnWrite,
    FileSystem,
    FileSystemBusy,
    Error(Error),
    /// A change of the device has ended pinned mode, or an attempt to pin.
    Changed,
}

impl NotPinned {
    /// The text of `pinned_reason`.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotAsked => "",
            Self::NotDirect => "direct I/O is off",
            Self::NotRegular => "the backing file is not a regular file",
            Self::NotWritable => "the backing file was opened read-only",
            Self::Append => "the backing file was opened to be appended to",
            Self::Offset => "the offset is not a multiple of the page size",
            Self::Size => {
                "the size of the backing file is not a multiple of the page size, or too large, or less than that of the device"
            }
            Self::BlockSize => "the block size is smaller than that of the device below",
            Self::Alignment => "the device below needs buffers of a larger alignment",
            Self::StableWrites => "the device below needs stable pages (queue/stable_writes)",
            Self::Zoned => "the device below is zoned",
            Self::Encrypted => "the backing file is encrypted",
            Self::SmallBlocks => {
                "the blocks of the file system are smaller than a page, and those of the backing file do not lie in whole pages"
            }
            Self::Sparse => "the backing file has ranges that were never written",
            Self::Busy => {
                "the backing file is in use as a swap file, or open for writing elsewhere"
            }
            Self::Unsupported => {
                "the file system of the backing file has no swap files, or does not keep their blocks in place"
            }
            Self::CopyOnWrite => {
                "the backing file is copy-on-write or compressed (chattr +C has to come before the data)"
            }
            Self::FileSystem => {
                "the file system refuses the backing file: its data is journalled, or its blocks are shared with a snapshot or reflink copy, held by a scrub or balance, or on several devices (see its line in the log)"
            }
            Self::FileSystemBusy => {
                "the file system is busy with a balance, or a device being added, removed, replaced or resized"
            }
            Self::Error(e) => e
                .name()
                .and_then(|name| name.to_str().ok())
                .unwrap_or("there was an error"),
            Self::Changed => "the device was changed",
        }
    }

    /// The error of the write to the attribute `pinned`.
    pub(super) fn error(self) -> Error {
        match self {
            Self::Busy | Self::FileSystemBusy => EBUSY,
            Self::Sparse => enodata(),
            Self::Unsupported | Self::NotRegular => eopnotsupp(),
            Self::Error(e) => e,
            Self::Changed => ecanceled(),
            _ => EINVAL,
        }
    }

    /// The reason for an error of filling, or of [`Pinning::check`](super::Pinning::check).
    pub(super) fn from_fill(e: Error) -> Self {
        match e {
            EBUSY => Self::Busy,
            e if e == ecanceled() => Self::Changed,
            e => Self::Error(e),
        }
    }

    pub(super) fn from_swap_file(e: Error) -> Self {
        match e {
            EINVAL => Self::FileSystem,
            EAGAIN => Self::FileSystemBusy,
            EBUSY => Self::Busy,
            EFBIG => Self::Size,
            ERANGE => Self::SmallBlocks,
            e if e == enodata() => Self::Sparse,
            e if e == eopnotsupp() => Self::Unsupported,
            e => Self::Error(e),
        }
    }
}
