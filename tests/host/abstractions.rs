// SPDX-License-Identifier: GPL-2.0

//! Stands in for `abstractions/`, as far as the tested files use it: files and disks are what a test says.

/// This one is what is tested.
#[path = "../../abstractions/module_param.rs"]
pub(crate) mod module_param;

/// `abstractions::block`
pub(crate) mod block {
    use crate::{driver::Loop, prelude::*, sync::aref::ARef};

    #[derive(Default)]
    pub(crate) struct BlockDevice {
        /// What is on it.
        pub(crate) content: Vec<u8>,
        pub(crate) disk: Option<ARef<disk::Disk<Loop>>>,
        pub(crate) max_bytes: u32,
        pub(crate) has_nowait: bool,
        pub(crate) logical_block_size: u32,
        pub(crate) write_zeroes_sectors: u32,
        pub(crate) discard_granularity: u32,
        pub(crate) dma_alignment: u32,
        pub(crate) is_rotational: bool,
        pub(crate) is_zoned: bool,
        pub(crate) needs_stable_writes: bool,
    }

    /// What can be asked of one that nobody keeps open.
    pub(crate) type DeviceLimits = BlockDevice;

    impl BlockDevice {
        pub(crate) fn disk(&self) -> Option<&disk::Disk<Loop>> {
            self.disk.as_deref()
        }

        pub(crate) fn sectors(&self) -> u64 {
            (self.content.len() / 512) as u64
        }

        pub(crate) fn read_cached(&self, pos: u64, to: &mut [u8]) -> Result {
            let end = pos.checked_add(to.len() as u64).ok_or(EIO)?;
            to.copy_from_slice(self.content.get(pos as usize..end as usize).ok_or(EIO)?);
            Ok(())
        }

        pub(crate) fn is_bottom(&self) -> bool {
            true
        }

        pub(crate) fn max_bytes(&self) -> u32 {
            self.max_bytes
        }

        pub(crate) fn has_nowait(&self) -> bool {
            self.has_nowait
        }

        pub(crate) fn logical_block_size(&self) -> u32 {
            self.logical_block_size
        }

        pub(crate) fn write_zeroes_sectors(&self) -> u32 {
            self.write_zeroes_sectors
        }

        pub(crate) fn discard_granularity(&self) -> u32 {
            self.discard_granularity
        }

        pub(crate) fn dma_alignment(&self) -> u32 {
            self.dma_alignment
        }

        pub(crate) fn is_rotational(&self) -> bool {
            self.is_rotational
        }

        pub(crate) fn is_zoned(&self) -> bool {
            self.is_zoned
        }

        pub(crate) fn needs_stable_writes(&self) -> bool {
            self.needs_stable_writes
        }
    }

    /// `abstractions::block::mq`
    pub(crate) mod mq {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Op {
            Read,
            Write,
            Flush,
            Discard,
            WriteZeroes,
        }

        impl Op {
            pub(crate) fn is_write(self) -> bool {
                matches!(self, Self::Write | Self::Discard | Self::WriteZeroes)
            }
        }
    }

    /// `abstractions::block::disk`
    pub(crate) mod disk {
        use super::BlockDevice;
        use crate::{
            device::{Binding, LoopDevice},
            prelude::*,
        };
        use std::{collections::BTreeMap, marker::PhantomData};

        pub(crate) struct Disk<T> {
            pub(crate) data: LoopDevice,
            pub(crate) config: Option<Binding>,
            pub(crate) part0: BlockDevice,
            pub(crate) _p: PhantomData<T>,
        }

        impl<T> Disk<T> {
            pub(crate) fn data(&self) -> &LoopDevice {
                &self.data
            }

            pub(crate) fn part0(&self) -> &BlockDevice {
                &self.part0
            }

            pub(crate) fn logical_block_size(&self) -> u32 {
                self.part0.logical_block_size
            }

            /// The guard is of no interest here.
            pub(crate) fn lock_killable(&self) -> Result<&Self> {
                Ok(self)
            }

            pub(crate) fn config(&self) -> Option<&Binding> {
                self.config.as_ref()
            }
        }

        pub(crate) struct OpenLocked<'a, T> {
            pub(crate) disk: &'a Disk<T>,
            pub(crate) partitions: BTreeMap<u32, Partition>,
        }

        impl<'a, T> OpenLocked<'a, T> {
            pub(crate) fn disk(&self) -> &'a Disk<T> {
                self.disk
            }

            pub(crate) fn partition(&self, number: u32) -> Option<Partition> {
                self.partitions.get(&number).copied()
            }
        }

        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct Partition {
            pub(crate) start: u64,
            pub(crate) sectors: u64,
            pub(crate) uuid: [u8; 37],
            pub(crate) name: [u8; 64],
        }

        impl Partition {
            pub(crate) const MAX_NUMBER: u32 = 255;
        }

        impl Default for Partition {
            fn default() -> Self {
                Self {
                    start: 0,
                    sectors: 0,
                    uuid: [0; 37],
                    name: [0; 64],
                }
            }
        }
    }

    /// `abstractions::block::limits`
    pub(crate) mod limits {
        #[derive(Debug, Default, PartialEq, Eq)]
        pub(crate) struct QueueLimits {
            pub(crate) block_size: u32,
            pub(crate) dma_alignment: u32,
            /// In sectors.
            pub(crate) discard: u32,
            /// In sectors.
            pub(crate) write_zeroes: u32,
            /// Of discards, in bytes.
            pub(crate) granularity: u32,
            pub(crate) write_cache: bool,
            pub(crate) fua: bool,
            pub(crate) rotational: bool,
            pub(crate) stable_writes: bool,
        }

        impl QueueLimits {
            pub(crate) fn set_block_size(&mut self, bytes: u32) -> &mut Self {
                self.block_size = bytes;
                self
            }

            pub(crate) fn set_preferred_block_size(&mut self, _bytes: u32) -> &mut Self {
                self
            }

            pub(crate) fn set_dma_alignment(&mut self, mask: u32) -> &mut Self {
                self.dma_alignment = mask;
                self
            }

            pub(crate) fn set_discard(
                &mut self,
                discard: u32,
                write_zeroes: u32,
                granularity: u32,
            ) -> &mut Self {
                self.discard = discard;
                self.write_zeroes = write_zeroes;
                self.granularity = granularity;
                self
            }

            pub(crate) fn set_write_cache(&mut self, on: bool) -> &mut Self {
                self.write_cache = on;
                self
            }

            pub(crate) fn set_fua(&mut self, on: bool) -> &mut Self {
                self.fua = on;
                self
            }

            pub(crate) fn set_rotational(&mut self, on: bool) -> &mut Self {
                self.rotational = on;
                self
            }

            pub(crate) fn require_stable_writes(&mut self) -> bool {
                !core::mem::replace(&mut self.stable_writes, true)
            }
        }
    }
}

/// `abstractions::fs`
pub(crate) mod fs {
    use super::block::BlockDevice;
    use crate::{prelude::*, sync::aref::ARef};
    use std::ops::Deref;

    #[derive(Clone, Copy)]
    pub(crate) enum FileKind<'a> {
        Regular,
        Block(&'a BlockDevice),
        Other,
    }

    pub(crate) struct FileBlockDevice(ARef<File>);

    impl FileBlockDevice {
        pub(crate) fn of(file: &ARef<File>) -> Option<Self> {
            file.block.is_some().then(|| Self(file.clone()))
        }
    }

    impl Deref for FileBlockDevice {
        type Target = BlockDevice;

        fn deref(&self) -> &BlockDevice {
            self.0.block.as_ref().unwrap()
        }
    }

    pub(crate) enum StatMask {
        Size,
        Inode,
        DioAlign,
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Stat {
        pub(crate) size: i64,
        pub(crate) dio_align: Option<(u32, u32)>,
    }

    impl Stat {
        pub(crate) fn size(&self) -> i64 {
            self.size
        }

        pub(crate) fn dio_align(&self) -> Option<(u32, u32)> {
            self.dio_align
        }
    }

    /// Its methods are the file's own here.
    pub(crate) trait FileExt {}

    /// `kernel::fs::File`
    pub(crate) struct File {
        /// Set where the file is one.
        pub(crate) block: Option<BlockDevice>,
        pub(crate) is_other: bool,
        pub(crate) flags: u32,
        pub(crate) is_readable: bool,
        pub(crate) is_writable: bool,
        pub(crate) has_write_iter: bool,
        pub(crate) has_fsync: bool,
        pub(crate) has_deallocate: bool,
        pub(crate) can_odirect: bool,
        pub(crate) can_nowait: bool,
        pub(crate) needs_stable_writes: bool,
        pub(crate) cached_size: i64,
        pub(crate) stat: Result<Stat>,
        pub(crate) sb_block_device: Option<BlockDevice>,
        pub(crate) fs_block_size: Result<u32>,
    }

    /// A regular file, of a filesystem that knows all and has no device.
    impl Default for File {
        fn default() -> Self {
            Self {
                block: None,
                is_other: false,
                flags: 0,
                is_readable: true,
                is_writable: true,
                has_write_iter: true,
                has_fsync: true,
                has_deallocate: true,
                can_odirect: true,
                can_nowait: true,
                needs_stable_writes: false,
                cached_size: 0,
                stat: Ok(Stat {
                    size: 0,
                    dio_align: None,
                }),
                sb_block_device: None,
                fs_block_size: Ok(4096),
            }
        }
    }

    impl File {
        pub(crate) fn flags(&self) -> u32 {
            self.flags
        }

        /// Its methods are the file's own, too.
        pub(crate) fn mapping(&self) -> &Self {
            self
        }

        pub(crate) fn data_mapping(&self) -> &Self {
            self
        }

        pub(crate) fn has_read_iter(&self) -> bool {
            self.is_readable
        }

        pub(crate) fn is_writable(&self) -> bool {
            self.is_writable
        }

        pub(crate) fn has_write_iter(&self) -> bool {
            self.has_write_iter
        }

        pub(crate) fn has_fsync(&self) -> bool {
            self.has_fsync
        }

        pub(crate) fn has_deallocate(&self) -> bool {
            self.has_deallocate
        }

        pub(crate) fn write_dirty(&self) -> Result {
            Ok(())
        }

        pub(crate) fn can_odirect(&self) -> bool {
            self.can_odirect
        }

        pub(crate) fn can_nowait(&self) -> bool {
            self.can_nowait
        }

        pub(crate) fn needs_stable_writes(&self) -> bool {
            self.needs_stable_writes
        }

        pub(crate) fn has_buffer_rasync(&self) -> bool {
            true
        }

        pub(crate) fn kind(&self) -> FileKind<'_> {
            match &self.block {
                Some(bdev) => FileKind::Block(bdev),
                None if self.is_other => FileKind::Other,
                None => FileKind::Regular,
            }
        }

        pub(crate) fn with_sb_block_device<R>(
            &self,
            f: impl FnOnce(&BlockDevice) -> R,
        ) -> Option<R> {
            self.sb_block_device.as_ref().map(f)
        }

        pub(crate) fn size(&self) -> i64 {
            self.cached_size
        }

        pub(crate) fn stat(&self, _mask: StatMask) -> Result<Stat> {
            self.stat
        }

        pub(crate) fn block_size(&self) -> u32 {
            self.fs_block_size.unwrap_or(512)
        }

        pub(crate) fn fs_block_size(&self) -> Result<u32> {
            self.fs_block_size
        }
    }

    pub(crate) struct NoFsRecursion;

    impl NoFsRecursion {
        pub(crate) fn new(_file: &File) -> Self {
            Self
        }
    }
}

/// `abstractions::sync`
pub(crate) mod sync {
    use crate::{
        prelude::*,
        sync::{Mutex, MutexGuard},
    };

    pub(crate) trait LockKillable<T> {
        fn lock_killable(&self) -> Result<MutexGuard<'_, T>>;
    }

    impl<T> LockKillable<T> for Mutex<T> {
        fn lock_killable(&self) -> Result<MutexGuard<'_, T>> {
            self.lock().map_err(|_| EINTR)
        }
    }
}
