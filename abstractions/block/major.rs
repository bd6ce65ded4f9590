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

/// For each major number the [`Probe`] of its [`MajorRegistration`], as [`ForeignOwnable`] makes it a pointer, or null.
/// The C callback is given a device number and nothing else.
static PROBES: [Atomic<*mut c_void>; bindings::BLKDEV_MAJOR_MAX as usize] =
    [const { Atomic::new(core::ptr::null_mut()) }; bindings::BLKDEV_MAJOR_MAX as usize];

/// Creates block devices on demand.
///
/// # Examples
///
/// ```ignore
/// struct Disks { .. }
///
/// impl Probe for Disks {
///     fn probe(&self, minor: u32) {
///         // An error has nowhere to go: opening the node fails with `ENXIO`.
///         let _ = self.add(minor);
///     }
/// }
///
/// let disks = Arc::pin_init(Disks::new(), GFP_KERNEL)?;
/// let major = MajorRegistration::register(240, c"demo", disks)?;
/// ```
pub trait Probe: Send + Sync + 'static {
    /// Called when a node with the registered major number and this minor number is opened, and
    /// there is no such device.
    ///
    /// Process context; may sleep. A lock (`major_names_lock`) is held that serialises this with
    /// all registrations of major numbers, so none may be made or dropped in here; no lock of a
    /// block device is held.
    fn probe(&self, minor: u32);
}

/// A registered major number.
///
/// With `CONFIG_BLOCK_LEGACY_AUTOLOAD` opening the node of a device that does not exist calls
/// [`Probe::probe`]. Without it the number is only reserved, and named in `/proc/devices`.
///
/// # Invariants
///
/// `major` is registered under `name`, with the callback for `T` if there is one, and `slot`, which is its place in
/// [`PROBES`], holds an `Arc<T>` that belongs to this.
pub struct MajorRegistration<T: Probe> {
    major: u32,
    slot: &'static Atomic<*mut c_void>,
    name: &'static CStr,
    _probe: PhantomData<Arc<T>>,
}

impl<T: Probe> MajorRegistration<T> {
    /// Registers `major`. The probe may be called before this returns.
    ///
    /// Process context; may sleep. Fails with [`EBUSY`] if the number is taken, with [`EINVAL`] if it is 0, which C
    /// takes for any number, or too high (`BLKDEV_MAJOR_MAX`), or the name has more than 15 bytes, and with
    /// [`ENOMEM`].
    ///
    /// C: `__register_blkdev()`
    pub fn register(major: u32, name: &'static CStr, probe: Arc<T>) -> Result<Self> {
        // It would be cut off, and then not be found to be unregistered.
        if major == 0 || name.to_bytes().len() > MAX_NAME {
            return Err(EINVAL);
        }
        let slot = PROBES.get(major as usize).ok_or(EINVAL)?;
        let probe = probe.into_foreign();
        if slot.cmpxchg(core::ptr::null_mut(), probe, Full).is_err() {
            // SAFETY: It was made above, and is not in the slot.
            drop(unsafe { Arc::<T>::from_foreign(probe) });
            return Err(EBUSY);
        }

        let callback: Option<unsafe extern "C" fn(bindings::dev_t)> =
            if cfg!(CONFIG_BLOCK_LEGACY_AUTOLOAD) {
                Some(Self::probe_callback)
            } else {
                None
            };

        // SAFETY: `name` ends with a NUL, and is copied. From now on the callback may be called: the slot holds an
        // `Arc<T>` until after the number was unregistered.
        let ret = unsafe { bindings::__register_blkdev(major, name.as_char_ptr(), callback) };
        if let Err(e) = to_result(ret) {
            // SAFETY: Filled above; the callback has not been registered.
            unsafe { Self::empty(slot) };
            return Err(e);
        }

        // INVARIANT: Registered above, with what is in the slot.
        Ok(Self {
            major,
            slot,
            name,
            _probe: PhantomData,
        })
    }

    /// Drops what a slot holds, and makes it free for another registration.
    ///
    /// # Safety
    ///
    /// The slot holds an `Arc<T>` of the caller's, and its number is not registered with the callback.
    unsafe fn empty(slot: &Atomic<*mut c_void>) {
        let probe = slot.xchg(core::ptr::null_mut(), Full);
        // SAFETY: By the safety requirements; nobody else finds it any more.
        drop(unsafe { Arc::<T>::from_foreign(probe) });
    }

    /// Looks up the probe, and calls it. Called in process context, under `major_names_lock`.
    ///
    /// # Safety
    ///
    /// The major number of `devt` has a `MajorRegistration<T>`, or is being registered or unregistered by one, which
    /// waits for this.
    unsafe extern "C" fn probe_callback(devt: bindings::dev_t) {
        let major = devt >> bindings::MINORBITS;
        if let Some(slot) = PROBES.get(major as usize) {
            // SAFETY: By the safety requirements the slot holds an `Arc<T>`: it is filled before the number is registered,
            // and emptied after it was unregistered, which takes the lock that is held during this call.
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
        // SAFETY: `name` ends with a NUL, and is the one `major` is registered under, by the type
        // invariants.
        unsafe { bindings::unregister_blkdev(self.major, self.name.as_char_ptr()) };

        // SAFETY: By the type invariants it holds an `Arc<T>` of this one. `unregister_blkdev()` takes the lock that
        // the callback runs under, so it is not running, and will not be called again.
        unsafe { Self::empty(self.slot) };
    }
}
