// SPDX-License-Identifier: GPL-2.0

//! Major numbers of block devices, and the creation of devices when their nodes are opened.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Release, //
        },
        Arc, //
    }, //
};

/// The longest name that is kept, in bytes (`struct blk_major_name`).
const MAX_NAME: usize = 15;

/// Creates block devices on demand.
///
/// # Examples
///
/// ```ignore
/// struct Disks { .. }
///
/// probe_slot!(Disks);
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
pub trait Probe: HasProbeSlot + Send + Sync {
    /// Called when a node with the registered major number and this minor number is opened, and
    /// there is no such device.
    ///
    /// Process context; may sleep. A lock (`major_names_lock`) is held that serialises this with
    /// all registrations of major numbers, so none may be made or dropped in here; no lock of a
    /// block device is held.
    fn probe(&self, minor: u32);
}

/// Types that have a [`ProbeSlot`]. This is implemented by [`probe_slot!`].
///
/// # Safety
///
/// [`slot`](Self::slot) always returns the same slot.
pub unsafe trait HasProbeSlot: Sized + 'static {
    /// Returns the slot of this type.
    fn slot() -> &'static ProbeSlot<Self>;
}

/// The place where the C callback, which is given nothing but a device number, finds the [`Probe`].
///
/// # Invariants
///
/// While `taken` is false nobody accesses `probe`, and it is [`None`]. While it is true `probe`
/// belongs to the [`MajorRegistration`] that has set it, which only modifies it while its major
/// number is not registered; while that is registered the callback may read it.
pub struct ProbeSlot<T> {
    taken: Atomic<bool>,
    probe: UnsafeCell<Option<Arc<T>>>,
}

// SAFETY: By the type invariants `probe` is either only read, or owned by one registration. It is
// read, and dropped, by other threads than the one that has stored it, which is fine for an `Arc`
// of what is `Send` and `Sync`.
unsafe impl<T: Send + Sync> Sync for ProbeSlot<T> {}

impl<T> ProbeSlot<T> {
    /// Creates an empty slot.
    pub const fn new() -> Self {
        // INVARIANT: `taken` is false, and `probe` is `None`.
        Self {
            taken: Atomic::new(false),
            probe: UnsafeCell::new(None),
        }
    }
}

impl<T> ProbeSlot<T> {
    /// Takes the slot for a registration. Fails with [`EBUSY`] if there is one.
    fn take(&self) -> Result {
        self.taken
            .cmpxchg(false, true, Full)
            .map(drop)
            .map_err(|_| EBUSY)
    }

    /// Puts `probe` into the slot, and returns what was in it.
    ///
    /// # Safety
    ///
    /// The caller has taken the slot, and the callback that reads it is not registered.
    unsafe fn replace(&self, probe: Option<Arc<T>>) -> Option<Arc<T>> {
        // SAFETY: By the safety requirements and the type invariants only the caller accesses it.
        core::mem::replace(unsafe { &mut *self.probe.get() }, probe)
    }

    /// Empties the slot, makes it free for another registration, and returns what was in it.
    ///
    /// # Safety
    ///
    /// As for [`Self::replace`]; and the slot is not the caller's any more.
    unsafe fn release(&self) -> Option<Arc<T>> {
        // SAFETY: The requirements are the same.
        let probe = unsafe { self.replace(None) };

        // INVARIANT: `probe` is `None`, and the caller will not access it.
        self.taken.store(false, Release);
        probe
    }
}

/// Gives a type, which has no generic parameters, its [`ProbeSlot`].
macro_rules! probe_slot {
    ($probe:ty) => {
        #[allow(unsafe_code)]
        // SAFETY: There is one slot, a static.
        unsafe impl $crate::abstractions::block::major::HasProbeSlot for $probe {
            fn slot() -> &'static $crate::abstractions::block::major::ProbeSlot<Self> {
                static SLOT: $crate::abstractions::block::major::ProbeSlot<$probe> =
                    $crate::abstractions::block::major::ProbeSlot::new();

                &SLOT
            }
        }
    };
}
pub(crate) use probe_slot;

/// A registered major number.
///
/// With `CONFIG_BLOCK_LEGACY_AUTOLOAD` opening the node of a device that does not exist calls
/// [`Probe::probe`]. Without it the number is only reserved, and named in `/proc/devices`.
///
/// # Invariants
///
/// `major` is registered under `name`, with the callback for `T` if there is one, and this has
/// taken the slot of `T`, which holds the probe.
pub struct MajorRegistration<T: Probe> {
    major: u32,
    name: &'static CStr,
    _probe: PhantomData<Arc<T>>,
}

impl<T: Probe> MajorRegistration<T> {
    /// Registers `major`, or, if it is 0, any number that is free.
    ///
    /// The probe may be called before this returns. There can be one registration for a type `T`.
    ///
    /// Process context; may sleep. Fails with [`EBUSY`] if there is a registration for `T`, or the
    /// number is taken, with [`EINVAL`] if it is too high (`BLKDEV_MAJOR_MAX`) or the name has more than 15
    /// bytes, and with [`ENOMEM`].
    ///
    /// C: `__register_blkdev()`
    pub fn register(major: u32, name: &'static CStr, probe: Arc<T>) -> Result<Self> {
        // It would be cut off, and then not be found to be unregistered.
        if name.to_bytes().len() > MAX_NAME {
            return Err(EINVAL);
        }
        let slot = T::slot();
        slot.take()?;

        // SAFETY: The slot was taken just now, so there is no registration yet. It was empty.
        drop(unsafe { slot.replace(Some(probe)) });

        let callback: Option<unsafe extern "C" fn(bindings::dev_t)> =
            if cfg!(CONFIG_BLOCK_LEGACY_AUTOLOAD) {
                Some(Self::probe_callback)
            } else {
                None
            };

        // SAFETY: `name` ends with a NUL, and is copied. From now on the callback may be called:
        // the slot holds the probe until after the number was unregistered.
        let ret = unsafe { bindings::__register_blkdev(major, name.as_char_ptr(), callback) };

        if let Err(e) = to_result(ret) {
            // SAFETY: The slot was taken above, and the callback has not been registered.
            drop(unsafe { slot.release() });
            return Err(e);
        }

        // INVARIANT: `__register_blkdev()` returns the number if it has chosen it, else zero. The
        // slot is released by `drop()`.
        Ok(Self {
            major: if major == 0 { ret as u32 } else { major },
            name,
            _probe: PhantomData,
        })
    }

    /// Looks up the probe, and calls it. Called in process context, under `major_names_lock`.
    ///
    /// # Safety
    ///
    /// `T` has a registration, or is being registered or unregistered, which waits for this.
    unsafe extern "C" fn probe_callback(devt: bindings::dev_t) {
        // SAFETY: By the safety requirements the slot is taken, and by its type invariants `probe`
        // is not modified while the major number is registered. Unregistering it takes the lock
        // that is held during this call.
        let probe = unsafe { &*T::slot().probe.get() };

        if let Some(probe) = probe {
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

        // SAFETY: `self` has taken the slot, by the type invariants. `unregister_blkdev()` takes
        // the lock the callback runs under, so it is not running, and will not be called again.
        drop(unsafe { T::slot().release() });
    }
}
