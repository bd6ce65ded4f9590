// SPDX-License-Identifier: GPL-2.0

//! The tags and requests of a disk.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{operations::VTable, request::Pdu, Operations};
use core::marker::PhantomData;
use kernel::{
    bindings, error::to_result, impl_flags, prelude::*, sync::LockClassKey, types::Opaque,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_tag_set_lock_class(
        set: *mut bindings::blk_mq_tag_set,
        key: *mut bindings::lock_class_key,
    );
}

impl_flags!(
    /// Flags of a tag set.
    #[derive(Clone, Copy)]
    pub struct TagSetFlags(u32);

    /// A flag of a tag set (`BLK_MQ_F_*`).
    #[derive(Clone, Copy)]
    pub enum TagSetFlag {
        /// The driver's `queue_rq` may sleep.
        Blocking = bindings::BLK_MQ_F_BLOCKING,

        /// The driver issues its requests to another block device.
        Stacking = bindings::BLK_MQ_F_STACKING,

        /// All hardware queues share one set of tags, and so one pool of requests.
        TagHctxShared = bindings::BLK_MQ_F_TAG_HCTX_SHARED,

        /// No I/O scheduler unless the user asks for one.
        NoSchedByDefault = bindings::BLK_MQ_F_NO_SCHED_BY_DEFAULT,
    }
);

/// Parameters of a tag set.
pub struct TagSetParams {
    /// Number of hardware queues; it is lowered to the number of possible CPUs.
    pub nr_hw_queues: u32,
    /// Number of additional hardware queues for polled requests, lowered in the same way. A request
    /// that is remapped to a device that can be polled is polled there
    /// ([`Request::remap`](super::Request::remap)).
    pub nr_poll_queues: u32,
    /// Number of requests of each hardware queue, or of all together with
    /// [`TagSetFlag::TagHctxShared`].
    pub queue_depth: u32,
    /// Flags of the set.
    pub flags: TagSetFlags,
}

/// Limits a number of queues to the number of possible CPUs.
fn possible_queues(count: u32) -> u32 {
    match count {
        // `blk_mq_num_possible_queues()` takes 0 for "no limit".
        0 => 0,
        // SAFETY: No requirements.
        _ => unsafe { bindings::blk_mq_num_possible_queues(count) },
    }
}

/// A `struct blk_mq_tag_set`.
///
/// # Invariants
///
/// `inner` was set up by `blk_mq_alloc_tag_set()` and stays in place until it is freed.
#[pin_data(PinnedDrop)]
pub(in super::super) struct TagSet<T: Operations> {
    #[pin]
    inner: Opaque<bindings::blk_mq_tag_set>,
    /// The lock class of `blk_mq_tag_set::srcu`. The kernel has one for all tag sets, so lockdep
    /// would take a disk that submits to another disk in `queue_rq` for a disk that submits to
    /// itself.
    #[pin]
    srcu_key: LockClassKey,
    _p: PhantomData<T>,
}

// SAFETY: The tag set owns requests' private data, which is `Send`; it has no ties to a task.
unsafe impl<T: Operations> Send for TagSet<T> {}
// SAFETY: A shared tag set offers nothing but its address, for the block layer to use.
unsafe impl<T: Operations> Sync for TagSet<T> {}

impl<T: Operations> TagSet<T> {
    /// Allocates the tags, and the requests with their private data. May sleep.
    ///
    /// Fails with `ENOMEM`, or `EINVAL` for a queue depth of 0 or no hardware queue.
    pub(in super::super) fn new(params: TagSetParams) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: Set up by `blk_mq_alloc_tag_set()`.
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::blk_mq_tag_set| {
                let cmd_size = u32::try_from(size_of::<Pdu<T>>())?;
                if params.nr_hw_queues == 0 {
                    return Err(EINVAL);
                }
                let poll = possible_queues(params.nr_poll_queues);
                // SAFETY: `slot` is memory for a tag set, for which all zeroes are valid.
                unsafe {
                    slot.write_bytes(0, 1);
                    (*slot).ops = VTable::<T>::build(poll > 0);
                    (*slot).nr_hw_queues = possible_queues(params.nr_hw_queues) + poll;
                    (*slot).nr_maps = if poll > 0 { bindings::hctx_type_HCTX_MAX_TYPES } else { 1 };
                    // `map_queues` reads the number of poll queues here.
                    (*slot).driver_data = core::ptr::without_provenance_mut(poll as usize);
                    (*slot).queue_depth = params.queue_depth;
                    (*slot).numa_node = bindings::NUMA_NO_NODE;
                    (*slot).cmd_size = cmd_size;
                    (*slot).flags = params.flags.into();
                }
                // SAFETY: The fields were filled in above, and nobody moves a pinned object.
                to_result(unsafe { bindings::blk_mq_alloc_tag_set(slot) })
            }),
            srcu_key <- LockClassKey::new_dynamic(),
            _p: PhantomData,
        })
        .pin_chain(|set| {
            // SAFETY: The tag set was set up above. The key is registered, and unregistered after
            // `PinnedDrop` has freed the tag set.
            unsafe { rust_helper_tag_set_lock_class(set.inner.get(), set.srcu_key.as_ptr()) };
            Ok(())
        })
    }

    /// Maps each CPU to a hardware queue of each type.
    ///
    /// # Safety
    ///
    /// Called by blk-mq only, as the `map_queues` of a tag set made by [`TagSet::new`].
    pub(super) unsafe extern "C" fn map_queues(set: *mut bindings::blk_mq_tag_set) {
        // SAFETY: blk-mq passes a valid tag set, whose maps this function sets; `new` stored the
        // number of poll queues in `driver_data`.
        let (poll, all) = unsafe { ((*set).driver_data.addr() as u32, (*set).nr_hw_queues) };
        let map = |kind: bindings::hctx_type, first, count| {
            // SAFETY: The tag set is valid, as above, and its `map` has an entry for each type.
            let map = unsafe { &mut (*set).map[kind as usize] };
            map.queue_offset = first;
            map.nr_queues = count;
            if count > 0 {
                // SAFETY: blk-mq allocated the map of each type that has queues.
                unsafe { bindings::blk_mq_map_queues(map) };
            }
        };
        map(bindings::hctx_type_HCTX_TYPE_DEFAULT, 0, all - poll);
        // Reads use the default queues.
        map(bindings::hctx_type_HCTX_TYPE_READ, 0, 0);
        map(bindings::hctx_type_HCTX_TYPE_POLL, all - poll, poll);
    }

    pub(in super::super) fn as_ptr(&self) -> *mut bindings::blk_mq_tag_set {
        self.inner.get()
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for TagSet<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the tag set was allocated. Its owner, `OwnedDisk`, has
        // torn the queue down before.
        unsafe { bindings::blk_mq_free_tag_set(self.inner.get()) };
    }
}
