// SPDX-License-Identifier: GPL-2.0

//! Work queues that are created, and destroyed, at run time.
//!
//! [`kernel::workqueue`] has the work items, and the queues of the system. Work on a system queue
//! can outlive its module; work on an [`OwnedQueue`] has ended when the queue is dropped.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::ptr::NonNull;
use kernel::{
    bindings,
    container_of,
    impl_flags,
    prelude::*,
    workqueue::{
        HasDelayedWork,
        Queue,
        RawWorkItem,
        Work, //
    }, //
};

/// Runs the delayed work of an item now if its timer is pending, and waits until the work has run.
///
/// Process context; sleeps. Must not be called by that work, or with a lock held that the work
/// takes.
///
/// C: `flush_delayed_work()`
pub fn flush_delayed<T: HasDelayedWork<T, ID>, const ID: u64>(item: &T) {
    // SAFETY: The item is valid, and its work was set up with it. By the trait the work is part of
    // a `delayed_work`, which only the workqueue changes, also while this waits for it.
    unsafe {
        let work = Work::raw_get(T::raw_get_work(core::ptr::from_ref(item).cast_mut()));
        bindings::flush_delayed_work(container_of!(work, bindings::delayed_work, work));
    }
}

impl_flags!(
    /// The properties of a queue.
    #[derive(Clone, Copy)]
    pub struct QueueFlags(u32);

    /// A property of a queue (`enum wq_flags`).
    #[derive(Clone, Copy)]
    pub enum QueueFlag {
        /// The work may run on any CPU.
        Unbound = bindings::wq_flags_WQ_UNBOUND,

        /// The work runs on the CPU of the task that enqueues it.
        PerCpu = bindings::wq_flags_WQ_PERCPU,

        /// The work does not keep other work of its CPU waiting, however long it computes.
        CpuIntensive = bindings::wq_flags_WQ_CPU_INTENSIVE,

        /// The work is held back while the system is suspended.
        Freezable = bindings::wq_flags_WQ_FREEZABLE,

        /// The queue has a rescuer thread, which runs its work while no worker can be created, for
        /// example for lack of memory. It runs one item at a time, so work must not wait for other
        /// work of the same queue.
        MemReclaim = bindings::wq_flags_WQ_MEM_RECLAIM,

        /// With [`MemReclaim`](Self::MemReclaim): the work may flush queues that have no rescuer,
        /// without the kernel's warning (`check_flush_dependency()`).
        Legacy = bindings::wq_flags___WQ_LEGACY,
    }
);

/// A work queue that belongs to its creator.
///
/// This does not dereference to a [`Queue`], which has [`Queue::enqueue_delayed`]: destroying a
/// queue does not wait for a timer that is going to use it.
///
/// # Invariants
///
/// `queue` is a work queue made by `alloc_workqueue()`, which nobody else destroys.
///
/// # Examples
///
/// ```
/// # use crate::abstractions::workqueue::{OwnedQueue, QueueFlag};
/// use kernel::{
///     impl_has_work,
///     new_work,
///     sync::{
///         atomic::{Atomic, Relaxed},
///         Arc, //
///     },
///     workqueue::{
///         Work,
///         WorkItem, //
///     }, //
/// };
///
/// #[pin_data]
/// struct Job {
///     done: Atomic<i32>,
///     #[pin]
///     work: Work<Job>,
/// }
///
/// impl_has_work! {
///     impl HasWork<Self> for Job { self.work }
/// }
///
/// impl WorkItem for Job {
///     type Pointer = Arc<Job>;
///
///     fn run(job: Arc<Job>) {
///         job.done.store(1, Relaxed);
///     }
/// }
///
/// let queue = OwnedQueue::new(c"demo", QueueFlag::Unbound.into(), 1)?;
/// let job = Arc::pin_init(
///     pin_init!(Job { done: Atomic::new(0), work <- new_work!("demo") }),
///     GFP_KERNEL,
/// )?;
///
/// assert!(queue.enqueue(job.clone()).is_ok());
///
/// // Waits for the work.
/// drop(queue);
/// assert_eq!(job.done.load(Relaxed), 1);
/// # Ok::<(), Error>(())
/// ```
pub struct OwnedQueue {
    queue: NonNull<bindings::workqueue_struct>,
}

// SAFETY: A work queue may be used, and destroyed, by any thread.
unsafe impl Send for OwnedQueue {}
// SAFETY: The functions that take a `&OwnedQueue` may be called concurrently.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Creates a queue.
    ///
    /// `flags` has either [`Unbound`](QueueFlag::Unbound) or [`PerCpu`](QueueFlag::PerCpu). At most
    /// `max_active` items of the queue run at a time: in total, or on each CPU. Zero stands for the
    /// kernel's default.
    ///
    /// `name` is copied. Thread names, and `WQ_NAME_LEN` (32), limit how much of it is visible.
    ///
    /// Process context; may sleep. Fails with [`ENOMEM`]. Lockdep has a class for each queue
    /// (`wq_init_lockdep()`), so queues of one caller may depend on each other.
    ///
    /// C: `alloc_workqueue()`
    pub fn new(name: &CStr, flags: QueueFlags, max_active: i32) -> Result<Self> {
        // SAFETY: Both strings end with a NUL, and `%s` takes the one argument that follows.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                flags.into(),
                max_active,
                name.as_char_ptr(),
            )
        };

        // INVARIANT: `alloc_workqueue()` returns a new queue, or null.
        Ok(Self {
            queue: NonNull::new(queue).ok_or(ENOMEM)?,
        })
    }

    /// Returns the queue as a [`Queue`] of the `kernel` crate, which must not be used for delayed
    /// work.
    fn as_queue(&self) -> &Queue {
        // SAFETY: The queue is valid as long as `self` is, by the type invariants.
        unsafe { Queue::from_raw(self.queue.as_ptr()) }
    }

    /// Enqueues a work item; see [`Queue::enqueue`]. May be called in any context but NMI, unless
    /// dropping `work`, if it was already enqueued, forbids it.
    #[inline]
    pub fn enqueue<W, const ID: u64>(&self, work: W) -> W::EnqueueOutput
    where
        W: RawWorkItem<ID> + Send + 'static,
    {
        self.as_queue().enqueue(work)
    }
}

impl Drop for OwnedQueue {
    /// Waits until all work has run, including work that it enqueues meanwhile, and destroys the
    /// queue.
    ///
    /// Process context; sleeps. Must not be called by work on this queue, which would wait for
    /// itself: a work item must not hold the last reference to its own queue.
    fn drop(&mut self) {
        // SAFETY: The queue is valid by the type invariants. Only the work itself can still enqueue
        // work, and `destroy_workqueue()` waits for that. There is no delayed work.
        unsafe { bindings::destroy_workqueue(self.queue.as_ptr()) };
    }
}
