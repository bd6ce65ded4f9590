// SPDX-License-Identifier: GPL-2.0

//! Ioctls on a loop device: permissions, and copying arguments from and to userspace.

use crate::{
    abstractions::{block::disk::Ioctl, task::capable_sys_admin},
    configure,
    driver::Loop,
    uapi::{CompatLoopInfo, LoopConfig, LoopInfo, LoopInfo64},
};
use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};

const LOOP_SET_FD: u32 = 0x4c00;
const LOOP_CLR_FD: u32 = 0x4c01;
const LOOP_SET_STATUS: u32 = 0x4c02;
const LOOP_GET_STATUS: u32 = 0x4c03;
const LOOP_SET_STATUS64: u32 = 0x4c04;
const LOOP_GET_STATUS64: u32 = 0x4c05;
const LOOP_CHANGE_FD: u32 = 0x4c06;
const LOOP_SET_CAPACITY: u32 = 0x4c07;
const LOOP_SET_DIRECT_IO: u32 = 0x4c08;
const LOOP_SET_BLOCK_SIZE: u32 = 0x4c09;
const LOOP_CONFIGURE: u32 = 0x4c0a;

/// `EPERM` for an ioctl that changes the settings of a device, without write access to the device
/// or `CAP_SYS_ADMIN`.
fn check_permission(io: &Ioctl<'_, Loop>) -> Result {
    match io.cmd() {
        LOOP_SET_STATUS | LOOP_SET_STATUS64 | LOOP_SET_CAPACITY | LOOP_SET_DIRECT_IO
        | LOOP_SET_BLOCK_SIZE
            if !io.mode().is_write() && !capable_sys_admin() =>
        {
            Err(EPERM)
        }
        _ => Ok(()),
    }
}

/// Reads a structure from userspace, of a type for which all contents are valid.
fn read<T: FromBytes + IntoBytes>(addr: usize) -> Result<T> {
    let mut value = T::new_zeroed();
    UserSlice::new(UserPtr::from_addr(addr), size_of::<T>())
        .reader()
        .read_slice(value.as_mut_bytes())?;
    Ok(value)
}

/// Writes a structure to userspace, of a type without padding.
fn write<T: FromBytes + IntoBytes>(addr: usize, mut value: T) -> Result {
    UserSlice::new(UserPtr::from_addr(addr), size_of::<T>())
        .writer()
        .write_slice(value.as_mut_bytes())
}

/// The status of the device; `EINVAL` if the caller passed a null pointer for it.
fn status(io: &Ioctl<'_, Loop>) -> Result<LoopInfo64> {
    if io.arg() == 0 {
        return Err(EINVAL);
    }
    configure::status(io.disk())
}

/// Handles an ioctl of a native program, or one whose argument is the same for 32-bit programs.
pub(crate) fn native(io: &Ioctl<'_, Loop>) -> Result<i32> {
    check_permission(io)?;
    match io.cmd() {
        LOOP_SET_FD => configure::configure(io, &LoopConfig::for_fd(io.arg() as u32)),
        LOOP_CONFIGURE => configure::configure(io, &read(io.arg())?),
        LOOP_CHANGE_FD => configure::change_fd(io, io.arg() as u32),
        LOOP_CLR_FD => configure::clear_fd(io.disk()),
        LOOP_SET_STATUS => configure::set_status(io.disk(), &read::<LoopInfo>(io.arg())?.into()),
        LOOP_GET_STATUS => write(io.arg(), LoopInfo::try_from(&status(io)?)?),
        LOOP_SET_STATUS64 => configure::set_status(io.disk(), &read(io.arg())?),
        LOOP_GET_STATUS64 => write(io.arg(), status(io)?),
        LOOP_SET_CAPACITY => configure::refresh_capacity(io.disk()),
        LOOP_SET_DIRECT_IO => configure::set_direct(io.disk(), io.arg() != 0),
        LOOP_SET_BLOCK_SIZE => configure::set_block_size(io, io.arg()),
        _ => Err(EINVAL),
    }?;
    Ok(0)
}

/// Handles an ioctl of a 32-bit program.
pub(crate) fn compat(io: &Ioctl<'_, Loop>) -> Result<i32> {
    match io.cmd() {
        LOOP_SET_STATUS => {
            check_permission(io)?;
            configure::set_status(io.disk(), &read::<CompatLoopInfo>(io.arg())?.into())?;
            Ok(0)
        }
        LOOP_GET_STATUS => {
            write(io.arg(), CompatLoopInfo::try_from(&status(io)?)?)?;
            Ok(0)
        }
        LOOP_SET_FD | LOOP_CONFIGURE | LOOP_CHANGE_FD | LOOP_CLR_FD | LOOP_SET_STATUS64
        | LOOP_GET_STATUS64 | LOOP_SET_CAPACITY | LOOP_SET_DIRECT_IO | LOOP_SET_BLOCK_SIZE => {
            native(io)
        }
        _ => Err(ENOIOCTLCMD),
    }
}
