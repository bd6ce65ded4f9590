// SPDX-License-Identifier: GPL-2.0

//! Major numbers of block devices, and the creation of devices when their nodes are opened.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use core::marker::PhantomData;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full},
        Arc,
    },
    types::ForeignOwnable,
};

/// The longest name that is kept, in bytes (`struct blk_major_name`).
const MAX_NAME: usize = 15;

/// The [`Probe`] of the [`MajorRegistration`] of each major number, as the pointer that
/// [`ForeignOwnable`] makes of it, or null. The C callback gets a device number and nothing else.
static PROBES: [Atomic<*mut c_void>; bindings::BLKDEV_MAJOR_MAX as usize] =
    [const { Atomic::new(core::ptr::null_mut()) }; bindings::BLKDEV_MAJOR_MAX as usize];

/// Creates block devices on demand.
///
/// # Examples
///
/// ```no_run
/// # use crate::abstractions::block::major::{MajorRegistration, Probe};
/// use kernel::sync::{
///     atomic::{Atomic, Relaxed},
///     Arc, //
/// };
///
/// struct Disks {
///     asked_for: Atomic<u32>,
/// }
///
/// impl Probe for Disks {
///     fn probe(&self, minor: u32) {
///         // Here the disk is added. An error has nowhere to go: opening the node fails with
///         // `ENXIO`.
///         self.asked_for.store(minor, Relaxed);
///     }
/// }
///
/// let disks = Arc::new(Disks { asked_for: Atomic::new(0) }, GFP_KERNEL)?;
/// let major = MajorRegistration::register(240, c"demo", disks)?;
/// # Ok::<(), Error>(())
/// ```
pub trait Probe: Send + Sync + 'static {
    /// Called when a node with the registered major number and this minor number is opened, and
    /// there is no such device.
    ///
    /// Process context; may sleep. `major_names_lock` is held, so no registration of a major number
    /// may be made or dropped in here. No lock of a block device is held.
    fn probe(&self, minor: u32);
}

/// A registered major number.
///
/// With `CONFIG_BLOCK_LEGACY_AUTOLOAD` opening the node of a device that does not exist calls
/// [`Probe::probe`]. Without it the number is only reserved, and named in `/proc/devices`.
///
/// # Invariants
///
/// `major` is registered under `name`, with the callback for `T` if there is one. `slot` is the
/// entry of `major` in `PROBES`, and holds an `Arc<T>` that belongs to this.
pub struct MajorRegistration<T: Probe> {
    major: u32,
    slot: &'static Atomic<*mut c_void>,
    name: &'static CStr,
    _probe: PhantomData<Arc<T>>,
}

impl<T: Probe> MajorRegistration<T> {
    /// Registers `major`. The probe may be called before this returns.
    ///
    /// Process context; may sleep. Fails with [`EBUSY`] if the number is taken; with [`EINVAL`] if
    /// it is 0 (which asks C for any number) or too high (`BLKDEV_MAJOR_MAX`), or if the name has
    /// more than 15 bytes; and with [`ENOMEM`].
    ///
    /// C: `__register_blkdev()`
    pub fn register(major: u32, name: &'static CStr, probe: Arc<T>) -> Result<Self> {
        // `unregister_blkdev()` would not find a name that was cut off.
        if major == 0 || name.to_bytes().len() > MAX_NAME {
            return Err(EINVAL);
        }
        let slot = PROBES.get(major as usize).ok_or(EINVAL)?;
        let probe = probe.into_foreign();
        // Full: one registration wins the slot; pairs with the acquire in `probe_callback`.
        if slot.cmpxchg(core::ptr::null_mut(), probe, Full).is_err() {
            // SAFETY: `into_foreign` made `probe` above, and the slot does not hold it.
            drop(unsafe { Arc::<T>::from_foreign(probe) });
            return Err(EBUSY);
        }

        let callback: Option<unsafe extern "C" fn(bindings::dev_t)> =
            if cfg!(CONFIG_BLOCK_LEGACY_AUTOLOAD) {
                Some(Self::probe_callback)
            } else {
                None
            };

        // SAFETY: `name` ends with a NUL, and is copied. The callback may be called from now on;
        // the slot holds an `Arc<T>` until the number is unregistered.
        let ret = unsafe { bindings::__register_blkdev(major, name.as_char_ptr(), callback) };
        if let Err(e) = to_result(ret) {
            // SAFETY: The slot was filled above, and the callback is not registered.
            unsafe { Self::empty(slot) };
            return Err(e);
        }

        // INVARIANT: `major` was registered above, and `slot` filled with an `Arc<T>`.
        Ok(Self {
            major,
            slot,
            name,
            _probe: PhantomData,
        })
    }

    /// Drops the `Arc<T>` of a slot, and frees the slot for another registration.
    ///
    /// # Safety
    ///
    /// The slot holds an `Arc<T>` of the caller's, and its number is not registered with the
    /// callback.
    unsafe fn empty(slot: &Atomic<*mut c_void>) {
        let probe = slot.xchg(core::ptr::null_mut(), Full);
        // SAFETY: By the safety requirements the slot held an `Arc<T>`. Nobody else finds it any
        // more.
        drop(unsafe { Arc::<T>::from_foreign(probe) });
    }

    /// Looks up the probe and calls it. Called in process context, under `major_names_lock`.
    ///
    /// # Safety
    ///
    /// The major number of `devt` has a `MajorRegistration<T>`, or is being registered or
    /// unregistered by one, which waits for this.
    unsafe extern "C" fn probe_callback(devt: bindings::dev_t) {
        let major = devt >> bindings::MINORBITS;
        if let Some(slot) = PROBES.get(major as usize) {
            // SAFETY: By the safety requirements the slot holds an `Arc<T>`: it is filled before
            // the number is registered, and emptied after the number is unregistered, which takes
            // the lock held during this call.
            //
            // Acquire: pairs with the `cmpxchg` in `register`, as the lock does.
            let probe = unsafe { Arc::<T>::borrow(slot.load(Acquire)) };
            probe.probe(devt & ((1 << bindings::MINORBITS) - 1));
        }
    }
}

impl<T: Probe> Drop for MajorRegistration<T> {
    /// Unregisters the number, waits for a probe that is running, and drops the reference to it.
    ///
    /// Process context; may sleep.
    fn drop(&mut self) {
        // SAFETY: `name` ends with a NUL. By the type invariants `major` is registered under it.
        unsafe { bindings::unregister_blkdev(self.major, self.name.as_char_ptr()) };

        // SAFETY: By the type invariants the slot holds an `Arc<T>` of this registration. The
        // callback runs under a lock that `unregister_blkdev()` takes, so it is neither running nor
        // called again.
        unsafe { Self::empty(self.slot) };
    }
}
