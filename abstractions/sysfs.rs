// SPDX-License-Identifier: GPL-2.0

//! Groups of sysfs attributes of a device.
//!
//! An attribute is a function that writes text to a buffer of one page, and optionally a function
//! that gets the text that is written to the file. [`attribute_group!`] collects attributes in a
//! directory, which [`create_group`] adds to the directory of a device and [`remove_group`] removes
//! again.
//!
//! C headers: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)

use core::marker::PhantomData;
use kernel::{
    bindings,
    container_of,
    error::to_result,
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    str::as_char_ptr_in_const_context,
    types::Opaque, //
};

/// An object that stands for a `struct device`.
///
/// # Safety
///
/// - [`as_device`](Self::as_device) always returns the same `struct device`, which is initialised,
///   and stays valid at least as long as the object.
/// - The object lives until the device, if it was added, has been deleted (`device_del()`).
/// - Others cannot access the object while `device_add()` runs for its device, except by attributes
///   that it adds ([`AttributeGroups`]). (They may afterwards, also while the device is deleted.)
pub unsafe trait DeviceOwner: Sync {
    /// Returns the object `dev` belongs to.
    ///
    /// # Safety
    ///
    /// `dev` is what [`as_device`](Self::as_device) returns for an object of this type. During `'a`
    /// the device has been added, or is being added, and its deletion, if it starts, does not come
    /// to its end.
    unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self;

    /// Returns the device of this object.
    fn as_device(&self) -> *mut bindings::device;
}

/// The buffer an attribute is written to. It takes up to `PAGE_SIZE - 1` bytes.
///
/// Writing more is an error. If an attribute's function returns it, the reader gets the error and
/// none of the text.
///
/// # Invariants
///
/// `len` is at most the length of `bytes`.
pub struct ShowBuffer<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> ShowBuffer<'a> {
    /// Creates an empty buffer.
    fn new(page: &'a mut [u8; PAGE_SIZE]) -> Self {
        // sysfs treats a full page as an overflow, and warns.
        let (bytes, _) = page.split_at_mut(PAGE_SIZE - 1);

        // INVARIANT: `len` is 0.
        Self { bytes, len: 0 }
    }

    /// Appends bytes, which need not be UTF-8.
    ///
    /// Fails with [`ENOSPC`], and appends nothing, if there is not enough room.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Result {
        let free = self.bytes.get_mut(self.len..).ok_or(ENOSPC)?;

        free.get_mut(..bytes.len())
            .ok_or(ENOSPC)?
            .copy_from_slice(bytes);

        // INVARIANT: There was room for `bytes` after the first `len` bytes.
        self.len += bytes.len();
        Ok(())
    }

    /// Appends formatted text. This is what `write!` and `writeln!` call.
    ///
    /// Fails with [`ENOSPC`] if there is not enough room, or if an implementation of
    /// [`fmt::Display`] reports an error, which formatting does not tell apart. Parts may have been
    /// appended.
    pub fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> Result {
        fmt::Write::write_fmt(self, args).map_err(|_| ENOSPC)
    }
}

impl fmt::Write for ShowBuffer<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push_bytes(s.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// An attribute that can be read by everybody (mode 0444), and perhaps written by its owner (0644).
///
/// # Invariants
///
/// `attribute` is an initialised `struct device_attribute` whose operations are the
/// `show_callback()` of the same `T`, and its `store_callback()` or none. It is embedded in an
/// `Attribute<T>`.
#[repr(C)]
pub struct Attribute<T> {
    // The C side takes attributes by mutable pointers.
    attribute: Opaque<bindings::device_attribute>,
    show: fn(&T, &mut ShowBuffer<'_>) -> Result,
    store: Option<fn(&T, &[u8]) -> Result>,
}

// SAFETY: An attribute consists of constants, which the C side does not modify.
unsafe impl<T> Sync for Attribute<T> {}

impl<T: DeviceOwner> Attribute<T> {
    /// Creates an attribute with the given file name.
    ///
    /// `show` is called in process context, may sleep, and may run several times at once. It runs
    /// while the file exists, so it must not take a lock that is held around [`remove_group`] or
    /// the deletion of the device.
    ///
    /// `store`, if there is one, is called in the same way, with the text of one write to the file.
    /// Its error is the writer's.
    pub const fn new(
        name: &'static CStr,
        show: fn(&T, &mut ShowBuffer<'_>) -> Result,
        store: Option<fn(&T, &[u8]) -> Result>,
    ) -> Self {
        let mut attribute: bindings::device_attribute = pin_init::zeroed();
        attribute.attr.name = as_char_ptr_in_const_context(name);
        attribute.attr.mode = 0o444;
        attribute.__bindgen_anon_1.show = Some(Self::show_callback);
        if store.is_some() {
            attribute.attr.mode = 0o644;
            attribute.__bindgen_anon_2.store = Some(Self::store_callback);
        }

        // INVARIANT: `attribute` has been initialised as required.
        Self {
            attribute: Opaque::new(attribute),
            show,
            store,
        }
    }

    /// Passes a write to `store`. Returns the number of bytes, or a negative errno.
    ///
    /// # Safety
    ///
    /// As for `show_callback`, except that `text` points to `len` bytes.
    unsafe extern "C" fn store_callback(
        dev: *mut bindings::device,
        attribute: *mut bindings::device_attribute,
        text: *const c_char,
        len: usize,
    ) -> isize {
        // SAFETY: By the safety requirements, as in `show_callback`, the attribute is embedded in
        // an `Attribute<T>`, and the device belongs to a `T` and is not deleted during the call.
        let this =
            unsafe { &*container_of!(Opaque::cast_from(attribute).cast_mut(), Self, attribute) };
        // SAFETY: By the safety requirements, as in `show_callback`, the attribute is embedded in
        // an `Attribute<T>`, and the device belongs to a `T` and is not deleted during the call.
        let owner = unsafe { T::from_device(dev) };
        // SAFETY: By the safety requirements `text` points to `len` bytes.
        let text = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), len) };
        match this.store.map_or(Err(EACCES), |store| store(owner, text)) {
            Ok(()) => len as isize,
            Err(e) => e.to_errno() as isize,
        }
    }

    /// Shows the attribute. Returns the number of bytes, or a negative errno.
    ///
    /// # Safety
    ///
    /// - `dev` is a device for which [`create_group`] was called with a `T`, or that is added with
    ///   the [`AttributeGroups`] of a `T`. It is not deleted completely before this returns.
    /// - `attribute` is part of an `Attribute<T>`.
    /// - `page` points to `PAGE_SIZE` initialised bytes that nothing else uses during the call.
    unsafe extern "C" fn show_callback(
        dev: *mut bindings::device,
        attribute: *mut bindings::device_attribute,
        page: *mut c_char,
    ) -> isize {
        // SAFETY: `attribute` is embedded in an `Attribute<T>` by the safety requirements. It is
        // `'static`, as `create_group()` requires.
        let this =
            unsafe { &*container_of!(Opaque::cast_from(attribute).cast_mut(), Self, attribute) };

        // SAFETY: The device belongs to a `T`, and is not deleted during the call, by the safety
        // requirements.
        let owner = unsafe { T::from_device(dev) };

        // SAFETY: By the safety requirements `page` is valid, and exclusive to this call.
        let mut buffer = ShowBuffer::new(unsafe { &mut *page.cast::<[u8; PAGE_SIZE]>() });

        match (this.show)(owner, &mut buffer) {
            Ok(()) => buffer.len as isize,
            Err(e) => e.to_errno() as isize,
        }
    }
}

/// The list of the attributes of a group, as [`attribute_group!`] builds it.
///
/// # Invariants
///
/// `pointers` point to the attributes of `'static` [`Attribute<T>`]s, and `end` is null.
#[doc(hidden)]
#[repr(C)]
pub struct AttributeList<T, const N: usize> {
    pointers: [*mut bindings::attribute; N],
    end: *mut bindings::attribute,
    _attributes: PhantomData<Attribute<T>>,
}

// SAFETY: A list consists of constants, which may be used by any thread.
unsafe impl<T, const N: usize> Sync for AttributeList<T, N> {}

impl<T, const N: usize> AttributeList<T, N> {
    /// Creates the list of `attributes`.
    pub const fn new(attributes: &'static [Attribute<T>; N]) -> Self {
        let mut pointers = [core::ptr::null_mut(); N];
        let mut i = 0;

        while i < N {
            // `attr` is the first field of `struct device_attribute`.
            const { assert!(core::mem::offset_of!(bindings::device_attribute, attr) == 0) };

            pointers[i] = attributes[i].attribute.get().cast();
            i += 1;
        }

        // INVARIANT: `pointers` has been filled with attributes of a `'static` array.
        Self {
            pointers,
            end: core::ptr::null_mut(),
            _attributes: PhantomData,
        }
    }
}

/// A directory of attributes, declared by [`attribute_group!`].
///
/// # Invariants
///
/// `group` is an initialised `struct attribute_group`, whose `attrs` are the attributes of
/// `'static` [`Attribute<T>`]s followed by null.
pub struct AttributeGroup<T> {
    group: bindings::attribute_group,
    _attributes: PhantomData<Attribute<T>>,
}

// SAFETY: A group consists of constants, which the C side does not modify.
unsafe impl<T> Sync for AttributeGroup<T> {}

impl<T: DeviceOwner> AttributeGroup<T> {
    #[doc(hidden)]
    pub const fn new<const N: usize>(
        name: &'static CStr,
        attributes: &'static AttributeList<T, N>,
    ) -> Self {
        let mut group: bindings::attribute_group = pin_init::zeroed();
        group.name = as_char_ptr_in_const_context(name);
        group.__bindgen_anon_2.attrs = core::ptr::from_ref(attributes).cast_mut().cast();

        // INVARIANT: By the type invariants of `AttributeList`, which is `repr(C)`, it is an array
        // of pointers to attributes that a null pointer terminates.
        Self {
            group,
            _attributes: PhantomData,
        }
    }
}

/// Parses the text that was written to an attribute, as `kstrtoint()` does with base 0, so that
/// decimal, `0x` and `0` prefixes are understood. Fails with `EINVAL`, or `ERANGE` for a number
/// that is no `i32`.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::sysfs::parse_int;
/// assert_eq!(parse_int(b"-12\n"), Ok(-12));
/// assert_eq!(parse_int(b"0x10"), Ok(16));
/// assert_eq!(parse_int(b"010"), Ok(8));
/// assert_eq!(parse_int(b""), Err(EINVAL));
/// assert_eq!(parse_int(b"1 2"), Err(EINVAL));
/// assert_eq!(parse_int(b"2147483648"), Err(ERANGE));
/// assert_eq!(parse_int(&[b'1'; 64]), Err(EINVAL));
/// ```
pub fn parse_int(text: &[u8]) -> Result<i32> {
    // Longer than any number. What is behind the text stays 0.
    let mut string = [0u8; 64];
    match string.get_mut(..text.len()) {
        Some(start) if text.len() < 64 => start.copy_from_slice(text),
        _ => return Err(EINVAL),
    }
    let mut value = 0;
    // SAFETY: `string` ends with a 0, and `value` is a local variable.
    to_result(unsafe { bindings::kstrtoint(string.as_ptr().cast(), 0, &mut value) })?;
    Ok(value)
}

/// The groups of attributes that a device is added with, and has until it is deleted.
///
/// # Invariants
///
/// `groups` are [`AttributeGroup<T>`]s followed by null.
#[repr(transparent)]
pub struct AttributeGroups<T> {
    groups: [*const bindings::attribute_group; 2],
    _attributes: PhantomData<Attribute<T>>,
}

// SAFETY: The groups are constants, which the C side does not modify.
unsafe impl<T> Sync for AttributeGroups<T> {}

impl<T: DeviceOwner> AttributeGroups<T> {
    /// Creates a list of one group.
    pub const fn new(group: &'static AttributeGroup<T>) -> Self {
        // INVARIANT: One group, then null.
        Self {
            groups: [&raw const group.group, core::ptr::null()],
            _attributes: PhantomData,
        }
    }

    /// The groups, for `device_add()`.
    pub(super) fn as_ptr(&'static self) -> *mut *const bindings::attribute_group {
        self.groups.as_ptr().cast_mut()
    }
}

/// Declares an [`AttributeGroup`]: the type of the objects it describes, the name of the directory,
/// and the files with the functions that show them, and perhaps store to them. A file may have
/// `#[cfg]`s.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::sysfs::{attribute_group, parse_int, DeviceOwner, ShowBuffer};
/// use kernel::{
///     bindings,
///     container_of,
///     sync::atomic::{Atomic, Relaxed},
///     types::Opaque, //
/// };
///
/// /// # Invariants
/// ///
/// /// `device` was initialised by `device_initialize()`, and is deleted before the disk is gone.
/// struct DemoDisk {
///     device: Opaque<bindings::device>,
///     label: &'static [u8],
///     depth: Atomic<i32>,
/// }
///
/// // SAFETY: The C side locks what it changes of a device; besides only `depth` changes.
/// unsafe impl Sync for DemoDisk {}
///
/// // SAFETY: By the type invariants the device is valid, and deleted before the disk is gone.
/// unsafe impl DeviceOwner for DemoDisk {
///     unsafe fn from_device<'a>(dev: *mut bindings::device) -> &'a Self {
///         // SAFETY: By the safety requirements `dev` is the `device` of a disk that lives.
///         unsafe { &*container_of!(Opaque::cast_from(dev).cast_mut(), Self, device) }
///     }
///
///     fn as_device(&self) -> *mut bindings::device {
///         self.device.get()
///     }
/// }
///
/// fn show_label(disk: &DemoDisk, buffer: &mut ShowBuffer<'_>) -> Result {
///     buffer.push_bytes(disk.label)?;
///     buffer.push_bytes(b"\n")
/// }
///
/// fn show_depth(disk: &DemoDisk, buffer: &mut ShowBuffer<'_>) -> Result {
///     writeln!(buffer, "{}", disk.depth.load(Relaxed))
/// }
///
/// fn store_depth(disk: &DemoDisk, text: &[u8]) -> Result {
///     disk.depth.store(parse_int(text)?, Relaxed);
///     Ok(())
/// }
///
/// attribute_group! {
///     /// What user space sees in `/sys/block/demo*/demo`.
///     static GROUP: AttributeGroup<DemoDisk> = c"demo" {
///         c"label": show_label,
///         c"depth": show_depth => store_depth,
///     }
/// }
/// ```
macro_rules! attribute_group {
    (
        $(#[$attribute:meta])*
        $vis:vis static $ident:ident: AttributeGroup<$owner:ty> = $name:literal {
            $($(#[$entry:meta])* $file:literal: $show:expr $(=> $store:expr)?),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        $vis static $ident: $crate::abstractions::sysfs::AttributeGroup<$owner> = {
            use $crate::abstractions::sysfs::{Attribute, AttributeGroup, AttributeList};

            const COUNT: usize = [$($(#[$entry])* $file),*].len();
            static ATTRIBUTES: [Attribute<$owner>; COUNT] = [
                $($(#[$entry])* Attribute::new(
                    $file,
                    $show,
                    $crate::abstractions::sysfs::attribute_group!(@store $($store)?),
                )),*
            ];
            static LIST: AttributeList<$owner, COUNT> = AttributeList::new(&ATTRIBUTES);

            AttributeGroup::new($name, &LIST)
        };
    };
    (@store) => { None };
    (@store $store:expr) => { Some($store) };
}
pub(crate) use attribute_group;

/// Whether a device was not added yet, or is being deleted: `device_del()` sets `dead` with the
/// device locked, before it modifies anything else.
pub(super) fn is_dead<T: DeviceOwner>(owner: &T) -> bool {
    // SAFETY: The device is initialised, and lives as long as `owner`. `p` is set when the device
    // is added, and lives as long as the device.
    unsafe {
        let private = (*owner.as_device()).p;

        private.is_null() || bindings::device_private::dead_raw(private) != 0
    }
}

/// Calls `f` with the kobject of a device that was added, and keeps the device from being deleted
/// while `f` runs.
///
/// Returns [`None`], and does not call `f`, if the device was not added yet or is being deleted.
fn with_kobject<T: DeviceOwner, R>(
    owner: &T,
    f: impl FnOnce(*mut bindings::kobject) -> R,
) -> Option<R> {
    let dev = owner.as_device();

    // SAFETY: `dev` is initialised, and lives as long as `owner`. This is `device_lock()`.
    unsafe { bindings::mutex_lock(&raw mut (*dev).mutex) };

    // SAFETY: `sd` is set when a device is added, which does not happen now, and is not cleared
    // before `dead` is set.
    let added = !is_dead(owner) && !unsafe { (*dev).kobj.sd }.is_null();

    // SAFETY: `dev` is valid.
    let result = added.then(|| f(unsafe { &raw mut (*dev).kobj }));

    // SAFETY: The mutex was locked above. This is `device_unlock()`.
    unsafe { bindings::mutex_unlock(&raw mut (*dev).mutex) };

    result
}

/// Adds a group to the directory of a device.
///
/// Process context; may sleep; locks the device. Fails with [`EEXIST`] if the device has an entry
/// of that name, with [`ENODEV`] if the device was not added yet or is being deleted, and with
/// [`ENOMEM`]. A `show` function must not call this.
///
/// The files disappear with [`remove_group`], or with the device.
///
/// C: `sysfs_create_group()`
pub fn create_group<T: DeviceOwner>(owner: &T, group: &'static AttributeGroup<T>) -> Result {
    with_kobject(owner, |kobject| {
        // SAFETY: The kobject is in sysfs during the call. By the type invariants `group` and its
        // attributes are valid and `'static`. The attributes and the device belong to the same `T`.
        to_result(unsafe { bindings::sysfs_create_group(kobject, &group.group) })
    })
    .unwrap_or(Err(ENODEV))
}

/// Removes a group that [`create_group`] added, and waits until its `show` functions have returned.
///
/// Process context; may sleep; locks the device. A `show` function must not call this, nor may a
/// caller hold a lock that one takes: it would wait for itself.
///
/// Does nothing if the group is not there, for example because the device is being deleted, which
/// removes all its files. A `show` function may then still be running.
///
/// C: `sysfs_remove_group()`
pub fn remove_group<T: DeviceOwner>(owner: &T, group: &'static AttributeGroup<T>) {
    with_kobject(owner, |kobject| {
        // SAFETY: The kobject is in sysfs during the call, and `group` is valid by the type
        // invariants.
        unsafe { bindings::sysfs_remove_group(kobject, &group.group) }
    });
}
