// SPDX-License-Identifier: GPL-2.0

//! The tags and requests of a disk.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{operations::VTable, request::Pdu, Operations};
use core::marker::PhantomData;
use kernel::{
    bindings, container_of,
    cpu::nr_cpu_ids,
    error::to_result,
    impl_flags,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        LockClassKey,
    },
    types::Opaque,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_tag_set_lock_class(
        set: *mut bindings::blk_mq_tag_set,
        key: *mut bindings::lock_class_key,
    );
    fn rust_helper_memalloc_noreclaim_save() -> c_uint;
    fn rust_helper_memalloc_noreclaim_restore(flags: c_uint);
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
    /// Number of hardware queues.
    pub queues: QueueCounts,
    /// Number of requests of each hardware queue, or of all together with
    /// [`TagSetFlag::TagHctxShared`].
    pub queue_depth: u32,
    /// Flags of the set.
    pub flags: TagSetFlags,
}

/// Numbers of hardware queues, by the requests that they are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueCounts {
    /// For requests that are not polled (`HCTX_TYPE_DEFAULT`); at least 1.
    pub default: u32,
    /// For polled requests (`HCTX_TYPE_POLL`); may be 0. A request that is remapped to a device
    /// that can be polled is polled there ([`Request::remap`](super::Request::remap)).
    pub poll: u32,
}

impl Default for QueueCounts {
    /// One queue.
    fn default() -> Self {
        Self {
            default: 1,
            poll: 0,
        }
    }
}

impl QueueCounts {
    /// Limits both numbers to that of possible CPUs. `EINVAL` without a queue for requests that are
    /// not polled.
    fn possible(self) -> Result<Self> {
        let limit = |count| match count {
            // `blk_mq_num_possible_queues()` takes 0 for "no limit".
            0 => 0,
            // SAFETY: No requirements.
            _ => unsafe { bindings::blk_mq_num_possible_queues(count) },
        };
        match self.default {
            0 => Err(EINVAL),
            _ => Ok(Self {
                default: limit(self.default),
                poll: limit(self.poll),
            }),
        }
    }

    fn total(self) -> u32 {
        self.default + self.poll
    }
}

/// [`QueueCounts`] that `map_queues` reads. Relaxed throughout: they change before a call that maps
/// queues, in the task that makes the call.
struct SharedCounts {
    default: Atomic<u32>,
    poll: Atomic<u32>,
}

impl SharedCounts {
    const fn new(counts: QueueCounts) -> Self {
        Self {
            default: Atomic::new(counts.default),
            poll: Atomic::new(counts.poll),
        }
    }

    fn get(&self) -> QueueCounts {
        QueueCounts {
            default: self.default.load(Relaxed),
            poll: self.poll.load(Relaxed),
        }
    }

    fn set(&self, counts: QueueCounts) {
        self.default.store(counts.default, Relaxed);
        self.poll.store(counts.poll, Relaxed);
    }
}

/// More bytes than a hardware queue takes: a `struct blk_mq_hw_ctx`, whose arrays have about 25
/// bytes for each CPU, its flush queue, its entries in sysfs, and what the driver has for it.
fn queue_memory() -> usize {
    4 * PAGE_SIZE + 32 * nr_cpu_ids() as usize
}

/// A `struct blk_mq_tag_set`.
///
/// # Invariants
///
/// `inner` was set up by `blk_mq_alloc_tag_set()` and stays in place until it is freed.
#[pin_data(PinnedDrop)]
pub(in super::super) struct TagSet<T: Operations> {
    /// The numbers of queues.
    counts: SharedCounts,
    /// Those before the change that is under way, or the last one. The block layer returns to them
    /// if there is no memory for more queues.
    previous: SharedCounts,
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
    pub(in super::super) fn new(params: TagSetParams) -> Result<impl PinInit<Self, Error>> {
        let queues = params.queues.possible()?;
        Ok(try_pin_init!(Self {
            // First: `blk_mq_alloc_tag_set()` calls `map_queues`.
            counts: SharedCounts::new(queues),
            previous: SharedCounts::new(queues),
            // INVARIANT: Set up by `blk_mq_alloc_tag_set()`.
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::blk_mq_tag_set| {
                let cmd_size = u32::try_from(size_of::<Pdu<T>>())?;
                // SAFETY: `slot` is memory for a tag set, for which all zeroes are valid.
                unsafe {
                    slot.write_bytes(0, 1);
                    (*slot).ops = VTable::<T>::build();
                    (*slot).nr_hw_queues = queues.total();
                    // Also without poll queues: the number of maps cannot change any more.
                    (*slot).nr_maps = bindings::hctx_type_HCTX_MAX_TYPES;
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
        }))
    }

    /// Changes the number of hardware queues, with the queues of the disk frozen meanwhile. May
    /// sleep.
    ///
    /// Fails with `EINVAL` without a queue for requests that are not polled, and with `ENOMEM`. The
    /// queues are then as they were.
    ///
    /// The block layer makes each queue anew, also one that stays. It allocates without much effort
    /// (`__GFP_NORETRY`), and where that fails for a queue that stays, it warns and dereferences a
    /// null pointer. So this allocates more memory than is needed before, and frees it again. With
    /// `reserves` the block layer may use the reserves of memory besides (`PF_MEMALLOC`), should
    /// others take that. A scheduler, which it makes anew, takes far more, and is done without if
    /// there is no memory.
    ///
    /// C: `blk_mq_update_nr_hw_queues()`
    ///
    /// # Safety
    ///
    /// No other task calls this for the tag set, or iterates over its tags without keeping a queue
    /// that uses it in use (`q_usage_counter`).
    pub(in super::super) unsafe fn set_queues(
        &self,
        counts: QueueCounts,
        reserves: bool,
    ) -> Result {
        let counts = counts.possible()?;
        let previous = self.counts();
        if counts == previous {
            return Ok(());
        }
        let memory = counts.total() as usize * queue_memory();
        drop(KVVec::<u8>::with_capacity(memory, GFP_KERNEL)?);
        self.previous.set(previous);
        self.counts.set(counts);
        // SAFETY: By the type invariants the tag set is allocated; nobody else changes its queues,
        // or iterates over its tags, by the safety requirements. The task's flag is restored.
        unsafe {
            let flags = reserves.then(|| rust_helper_memalloc_noreclaim_save());
            bindings::blk_mq_update_nr_hw_queues(self.inner.get(), counts.total() as c_int);
            if let Some(flags) = flags {
                rust_helper_memalloc_noreclaim_restore(flags);
            }
        }
        if self.is_mapped(counts) {
            return Ok(());
        }
        self.counts.set(previous);
        Err(ENOMEM)
    }

    /// The numbers of queues.
    pub(in super::super) fn counts(&self) -> QueueCounts {
        self.counts.get()
    }

    /// Whether these queues exist, and `map_queues` has set them.
    fn is_mapped(&self, counts: QueueCounts) -> bool {
        // SAFETY: By the type invariants the tag set is allocated. Its numbers of queues change
        // only in `blk_mq_update_nr_hw_queues()`, which only the caller, `set_queues`, calls.
        let (total, maps) = unsafe {
            let set = self.inner.get();
            ((*set).nr_hw_queues, &(*set).map)
        };
        let mapped = |kind: bindings::hctx_type| maps[kind as usize].nr_queues;
        total == counts.total()
            && mapped(bindings::hctx_type_HCTX_TYPE_DEFAULT) == counts.default
            && mapped(bindings::hctx_type_HCTX_TYPE_POLL) == counts.poll
    }

    /// Maps each CPU to a hardware queue of each type.
    ///
    /// # Safety
    ///
    /// Called by blk-mq only, as the `map_queues` of a tag set made by [`TagSet::new`].
    pub(super) unsafe extern "C" fn map_queues(set: *mut bindings::blk_mq_tag_set) {
        // SAFETY: By the safety requirements this is the tag set in a `TagSet<T>`, in which the
        // numbers of queues are initialised before the tag set.
        let (wanted, previous) = unsafe {
            let this = container_of!(Opaque::cast_from(set), Self, inner);
            (&(*this).counts, &(*this).previous)
        };
        // SAFETY: blk-mq passes a valid tag set.
        let counts = match unsafe { (*set).nr_hw_queues } == wanted.get().total() {
            true => wanted.get(),
            // There was no memory for more queues.
            false => previous.get(),
        };
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
        map(bindings::hctx_type_HCTX_TYPE_DEFAULT, 0, counts.default);
        // Reads use the default queues.
        map(bindings::hctx_type_HCTX_TYPE_READ, 0, 0);
        map(
            bindings::hctx_type_HCTX_TYPE_POLL,
            counts.default,
            counts.poll,
        );
    }

    /// # Safety
    ///
    /// `set` is the tag set in a `TagSet<T>`, which lives during `'a`.
    pub(in super::super) unsafe fn from_raw<'a>(set: *mut bindings::blk_mq_tag_set) -> &'a Self {
        // SAFETY: By the safety requirements.
        unsafe { &*container_of!(Opaque::cast_from(set), Self, inner) }
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
