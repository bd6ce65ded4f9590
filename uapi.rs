// SPDX-License-Identifier: GPL-2.0

//! The structures of `include/uapi/linux/loop.h`, and conversions between their versions.

use core::mem::offset_of;
use kernel::{pr_warn_once, prelude::*};
use zerocopy::FromZeros;

pub(crate) const LO_NAME_SIZE: usize = 64;
const LO_KEY_SIZE: usize = 32;

pub(crate) const LO_FLAGS_READ_ONLY: u32 = 1;
pub(crate) const LO_FLAGS_AUTOCLEAR: u32 = 4;
pub(crate) const LO_FLAGS_PARTSCAN: u32 = 8;
pub(crate) const LO_FLAGS_DIRECT_IO: u32 = 16;

/// The flags that `LOOP_CONFIGURE` accepts.
pub(crate) const LOOP_CONFIGURE_SETTABLE_FLAGS: u32 =
    LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN | LO_FLAGS_DIRECT_IO;

const LO_CRYPT_NONE: u32 = 0;
const LO_CRYPT_XOR: u32 = 1;
const LO_CRYPT_CRYPTOAPI: u32 = 18;

/// `struct loop_info64`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct LoopInfo64 {
    pub(crate) lo_device: u64,
    pub(crate) lo_inode: u64,
    pub(crate) lo_rdevice: u64,
    pub(crate) lo_offset: u64,
    pub(crate) lo_sizelimit: u64,
    pub(crate) lo_number: u32,
    pub(crate) lo_encrypt_type: u32,
    pub(crate) lo_encrypt_key_size: u32,
    pub(crate) lo_flags: u32,
    pub(crate) lo_file_name: [u8; LO_NAME_SIZE],
    pub(crate) lo_crypt_name: [u8; LO_NAME_SIZE],
    pub(crate) lo_encrypt_key: [u8; LO_KEY_SIZE],
    pub(crate) lo_init: [u64; 2],
}

const _: () = {
    assert!(size_of::<LoopInfo64>() == 232);
    assert!(offset_of!(LoopInfo64, lo_number) == 40);
    assert!(offset_of!(LoopInfo64, lo_file_name) == 56);
    assert!(offset_of!(LoopInfo64, lo_init) == 216);
};

impl LoopInfo64 {
    /// All zero.
    pub(crate) fn zeroed() -> Self {
        Self::new_zeroed()
    }
}

/// `struct loop_config`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct LoopConfig {
    pub(crate) fd: u32,
    pub(crate) block_size: u32,
    pub(crate) info: LoopInfo64,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

impl LoopConfig {
    /// Defaults for all but the file.
    pub(crate) fn for_fd(fd: u32) -> Self {
        Self {
            fd,
            ..Self::new_zeroed()
        }
    }
}

#[cfg(not(CONFIG_64BIT))]
compile_error!("struct loop_info is laid out for 64-bit kernels only");

/// The type of a device number in `struct loop_info` (`__kernel_old_dev_t`).
#[cfg(CONFIG_X86_64)]
type OldDev = u64;
#[cfg(not(CONFIG_X86_64))]
type OldDev = u32;

/// `compat_dev_t`
#[cfg(CONFIG_X86_64)]
type CompatDev = u16;
#[cfg(not(CONFIG_X86_64))]
type CompatDev = u32;

const DEV_PADDING: usize = size_of::<OldDev>() - size_of::<u32>();

/// `struct loop_info`, of a 64-bit program
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct LoopInfo {
    lo_number: i32,
    padding1: [u8; DEV_PADDING],
    lo_device: OldDev,
    lo_inode: u64,
    lo_rdevice: OldDev,
    lo_offset: i32,
    lo_encrypt_type: i32,
    lo_encrypt_key_size: i32,
    lo_flags: i32,
    lo_name: [u8; LO_NAME_SIZE],
    lo_encrypt_key: [u8; LO_KEY_SIZE],
    padding3: [u8; 4 - DEV_PADDING],
    lo_init: [u64; 2],
    reserved: [u8; 4],
    padding4: [u8; 4],
}

#[cfg(CONFIG_X86_64)]
const _: () = {
    assert!(size_of::<LoopInfo>() == 168);
    assert!(offset_of!(LoopInfo, lo_device) == 8);
    assert!(offset_of!(LoopInfo, lo_offset) == 32);
    assert!(offset_of!(LoopInfo, lo_name) == 48);
    assert!(offset_of!(LoopInfo, lo_init) == 144);
};

/// `struct loop_info`, of a 32-bit program
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct CompatLoopInfo {
    lo_number: i32,
    lo_device: CompatDev,
    padding1: [u8; 4 - size_of::<CompatDev>()],
    lo_inode: u32,
    lo_rdevice: CompatDev,
    padding2: [u8; 4 - size_of::<CompatDev>()],
    lo_offset: i32,
    lo_encrypt_type: i32,
    lo_encrypt_key_size: i32,
    lo_flags: i32,
    lo_name: [u8; LO_NAME_SIZE],
    lo_encrypt_key: [u8; LO_KEY_SIZE],
    lo_init: [u32; 2],
    reserved: [u8; 4],
}

const _: () = assert!(size_of::<CompatLoopInfo>() == 140);

/// The native and the 32-bit `struct loop_info` convert alike; only the widths differ.
macro_rules! impl_old_info {
    ($info:ty) => {
        impl From<$info> for LoopInfo64 {
            fn from(old: $info) -> Self {
                Self {
                    lo_number: old.lo_number as u32,
                    lo_device: old.lo_device.into(),
                    lo_inode: old.lo_inode.into(),
                    lo_rdevice: old.lo_rdevice.into(),
                    // Sign-extended, so that a negative offset is out of range.
                    lo_offset: i64::from(old.lo_offset) as u64,
                    lo_flags: old.lo_flags as u32,
                    lo_file_name: old.lo_name,
                    ..Self::new_zeroed()
                }
            }
        }

        impl TryFrom<&LoopInfo64> for $info {
            type Error = Error;

            /// `EOVERFLOW` if a value does not fit.
            fn try_from(info: &LoopInfo64) -> Result<Self> {
                Ok(Self {
                    lo_number: info.lo_number as i32,
                    lo_device: info.lo_device.try_into().map_err(|_| EOVERFLOW)?,
                    lo_inode: info.lo_inode.try_into().map_err(|_| EOVERFLOW)?,
                    lo_rdevice: info.lo_rdevice.try_into().map_err(|_| EOVERFLOW)?,
                    lo_offset: info.lo_offset.try_into().map_err(|_| EOVERFLOW)?,
                    lo_flags: info.lo_flags as i32,
                    lo_name: info.lo_file_name,
                    ..Self::new_zeroed()
                })
            }
        }
    };
}

impl_old_info!(LoopInfo);
impl_old_info!(CompatLoopInfo);

/// What userspace may set on a bound device, checked.
pub(crate) struct Settings {
    /// Bytes into the file; not negative.
    pub(crate) offset: i64,
    /// Bytes at most, 0 for all; not negative.
    pub(crate) size_limit: i64,
    /// Ends with a zero byte.
    pub(crate) file_name: [u8; LO_NAME_SIZE],
}

impl Settings {
    /// `EINVAL` if encryption is asked for or the key is too long, `EOVERFLOW` if a number of bytes
    /// exceeds `i64`.
    pub(crate) fn new(info: &LoopInfo64) -> Result<Self> {
        if info.lo_encrypt_key_size as usize > LO_KEY_SIZE {
            return Err(EINVAL);
        }
        match info.lo_encrypt_type {
            LO_CRYPT_NONE => (),
            LO_CRYPT_XOR | LO_CRYPT_CRYPTOAPI => {
                pr_warn_once!("loop devices do not encrypt; use dm-crypt\n");
                return Err(EINVAL);
            }
            _ => return Err(EINVAL),
        }
        let mut file_name = info.lo_file_name;
        if let Some(last) = file_name.last_mut() {
            *last = 0;
        }
        Ok(Self {
            offset: info.lo_offset.try_into().map_err(|_| EOVERFLOW)?,
            size_limit: info.lo_sizelimit.try_into().map_err(|_| EOVERFLOW)?,
            file_name,
        })
    }
}
