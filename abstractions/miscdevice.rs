// SPDX-License-Identifier: GPL-2.0

//! Miscellaneous devices that have a fixed minor number and are controlled by `ioctl()` alone.
//!
//! [`kernel::miscdevice`] serves devices with a dynamic minor number and data of their own for each
//! open file. Here all open files share the data of the registration, and the module that
//! registered the device cannot be unloaded while a file is open.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)
//!
//! Reference: <https://www.kernel.org/doc/html/latest/driver-api/misc_devices.html>

use core::marker::PhantomData;
use kernel::{
    bindings,
    container_of,
    error::to_result,
    ffi,
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::Arc,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// A kind of misc device.
///
/// # Examples
///
/// ```no_run
/// # use crate::abstractions::miscdevice::{MiscDevice, Registration};
/// # use crate::abstractions::module::this_module;
/// use kernel::{
///     ioctl::_IO,
///     sync::{
///         atomic::{Atomic, Relaxed},
///         Arc, //
///     }, //
/// };
///
/// const DEMO_ADD: u32 = _IO(0xd1, 0);
///
/// struct Control;
///
/// impl MiscDevice for Control {
///     type Data = Atomic<i32>;
///     const NAME: &'static CStr = c"demo-control";
///     const MINOR: i32 = 100;
///     const OWNER: &'static ThisModule = this_module();
///
///     fn ioctl(sum: &Atomic<i32>, cmd: u32, arg: usize) -> Result<i32> {
///         match cmd {
///             DEMO_ADD => Ok(sum.fetch_add(i32::try_from(arg)?, Relaxed)),
///             _ => Err(ENOTTY),
///         }
///     }
/// }
///
/// let sum = Arc::new(Atomic::new(0), GFP_KERNEL)?;
/// let control = KBox::pin_init(Registration::<Control>::new(sum), GFP_KERNEL)?;
/// # Ok::<(), Error>(())
/// ```
pub trait MiscDevice: Sized + 'static {
    /// The data that the registration and every open file share.
    ///
    /// Whichever of them goes last drops it, in process context, where it may sleep.
    type Data: Send + Sync + 'static;

    /// The name of the device, and of its node below `/dev`.
    const NAME: &'static CStr;

    /// The minor number, below `MISC_DYNAMIC_MINOR` (255).
    const MINOR: i32;

    /// The module that contains the implementation. It is pinned while a file is open.
    const OWNER: &'static ThisModule;

    /// Carries out an `ioctl()`, and returns its result, which is not negative.
    ///
    /// Called in process context; may sleep. Calls may be concurrent, also on the same file.
    ///
    /// Also called for 32-bit processes on a 64-bit kernel, with `arg` as they passed it, without
    /// `compat_ptr()`.
    fn ioctl(data: &Self::Data, cmd: u32, arg: usize) -> Result<i32>;
}

/// The registration of a misc device.
///
/// The device can be opened while this exists. A file that is open when this is dropped keeps
/// working, and keeps the data alive, since each file holds a reference of its own.
///
/// # Invariants
///
/// `misc` is registered by `misc_register()`, and `data` was initialised before it was.
#[pin_data(PinnedDrop)]
pub struct Registration<T: MiscDevice> {
    data: Arc<T::Data>,
    #[pin]
    misc: Opaque<bindings::miscdevice>,
}

// SAFETY: `misc_deregister()` may be called by another task than `misc_register()`, and
// `Arc<T::Data>` is `Send` as `T::Data` is `Send` and `Sync`.
unsafe impl<T: MiscDevice> Send for Registration<T> {}
// SAFETY: There is nothing to call on a `&Registration`.
unsafe impl<T: MiscDevice> Sync for Registration<T> {}

impl<T: MiscDevice> Registration<T> {
    /// Registers the device, whose files will all refer to `data`.
    ///
    /// The device can be opened before this call returns. Process context; may sleep.
    ///
    /// The initialiser fails with [`EBUSY`] if the minor number is taken, with [`EINVAL`] if it is
    /// not a fixed one, or with the error of creating the device in sysfs.
    ///
    /// C: `misc_register()`
    pub fn new(data: Arc<T::Data>) -> impl PinInit<Self, Error> {
        // INVARIANT: The fields are initialised in this order, so `data` is valid before
        // `misc_register()` makes the device known; and if that fails, so does the initialiser.
        try_pin_init!(Self {
            data,
            misc <- Opaque::try_ffi_init(|slot: *mut bindings::miscdevice| {
                let mut misc: bindings::miscdevice = pin_init::zeroed();
                misc.minor = T::MINOR;
                misc.name = as_char_ptr_in_const_context(T::NAME);
                misc.fops = FileOperations::<T>::VTABLE;

                // SAFETY: `try_ffi_init()` passes a pointer that is valid for writes.
                unsafe { slot.write(misc) };

                if T::MINOR == bindings::MISC_DYNAMIC_MINOR as i32 {
                    return Err(EINVAL);
                }

                // SAFETY: `slot` was initialised above. It is pinned, and `PinnedDrop` deregisters
                // it before the memory is released.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        })
    }
}

#[pinned_drop]
impl<T: MiscDevice> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The device is registered, by the type invariants. An `open()` that has found it
        // runs under `misc_mtx`, which this takes, so none uses `self` when this returns.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// The file operations of a `T`.
struct FileOperations<T>(PhantomData<T>);

impl<T: MiscDevice> FileOperations<T> {
    const VTABLE: &'static bindings::file_operations = &bindings::file_operations {
        owner: T::OWNER.as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        llseek: Some(bindings::noop_llseek),
        unlocked_ioctl: Some(Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: Some(Self::ioctl),
        ..pin_init::zeroed()
    };

    /// Gives the file a reference to the data. Called in process context, under `misc_mtx`.
    ///
    /// # Safety
    ///
    /// `inode` and `file` are those of a file that is being opened, and the private data of the
    /// file points to the `misc` of a [`Registration<T>`] that is not deregistered during the call.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `inode` and `file` are valid by the safety requirements.
        let ret = unsafe { bindings::nonseekable_open(inode, file) };
        if ret != 0 {
            return ret;
        }

        // SAFETY: `file` is valid, and only its opener has access to it yet.
        let misc = unsafe { (*file).private_data }.cast::<bindings::miscdevice>();

        // SAFETY: `misc` is embedded in a `Registration<T>` by the safety requirements.
        let registration =
            unsafe { container_of!(Opaque::cast_from(misc).cast_mut(), Registration<T>, misc) };

        // SAFETY: The registration is alive during the call by the safety requirements. Its `data`
        // is initialised, by the type invariants; only that field is borrowed, as the initialiser
        // of the registration may not have returned yet.
        let data = unsafe { &(*registration).data }.clone();

        // SAFETY: `file` is valid, and only its opener has access to it yet.
        unsafe { (*file).private_data = data.into_foreign() };

        0
    }

    /// Drops the file's reference to the data. Called in process context.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`], and nothing uses it any more.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `file` is valid by the safety requirements.
        let data = unsafe { (*file).private_data };

        // SAFETY: `open()` stored the result of `into_foreign()`, and a file is released once, when
        // there are no more calls on it that could have borrowed the data.
        drop(unsafe { <Arc<T::Data> as ForeignOwnable>::from_foreign(data) });

        0
    }

    /// Carries out an `ioctl()`, native or compat. Called in process context.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`], and is not released during the call.
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        cmd: ffi::c_uint,
        arg: ffi::c_ulong,
    ) -> ffi::c_long {
        // SAFETY: `file` is valid by the safety requirements.
        let data = unsafe { (*file).private_data };

        // SAFETY: `open()` stored the result of `into_foreign()`, and `release()`, which takes it
        // back, is not called during the call.
        let data = unsafe { <Arc<T::Data> as ForeignOwnable>::borrow(data) };

        match T::ioctl(&data, cmd, arg) {
            Ok(value) => value as ffi::c_long,
            Err(e) => e.to_errno() as ffi::c_long,
        }
    }
}
