// SPDX-License-Identifier: GPL-2.0

//! A request that the driver owns.
//!
//! C header: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h)

use super::{
    super::disk::{Disk, Private},
    polled::Polled,
    remap::Remapping,
    written::Written,
    Operations,
};
use crate::abstractions::{
    cgroup::{with_memcg, Blkcg, BlkcgScope},
    workqueue::OwnedQueue,
};
use core::{marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};
use kernel::{
    bindings,
    prelude::*,
    sync::aref::ARef,
    types::{ForeignOwnable, Opaque},
    workqueue::{HasWork, RawWorkItem, Work, WorkItem, WorkItemPointer},
};

#[cfg(FILE_EXTENTS)]
mod write_access;

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_complete_request_nested(rq: *mut bindings::request, max: c_int) -> bool;
    fn rust_helper_start_request_mb(rq: *mut bindings::request);
    fn rust_helper_req_get_ioprio(rq: *mut bindings::request) -> u16;
    fn rust_helper_zero_fill_request(rq: *mut bindings::request);
    fn rust_helper_request_has_whole_blocks(
        rq: *mut bindings::request,
        len_mask: c_uint,
        addr_mask: c_uint,
    ) -> bool;
    fn rust_helper_copy_request_data(
        rq: *mut bindings::request,
        offset: c_uint,
        buf: *mut u8,
        bytes: usize,
        to_request: bool,
    );
    fn rust_helper_request_blkcg(rq: *mut bindings::request) -> *mut bindings::cgroup_subsys_state;
}

/// The operation of a request (`enum req_op`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `REQ_OP_READ`
    Read,
    /// `REQ_OP_WRITE`
    Write,
    /// `REQ_OP_FLUSH`
    Flush,
    /// `REQ_OP_DISCARD`
    Discard,
    /// `REQ_OP_WRITE_ZEROES`
    WriteZeroes,
}

impl Op {
    /// The operation in a request's `cmd_flags` (`req_op()`); `None` if it is none of these.
    fn of(flags: bindings::blk_opf_t) -> Option<Self> {
        match flags & ((1 << bindings::REQ_OP_BITS) - 1) {
            bindings::req_op_REQ_OP_READ => Some(Self::Read),
            bindings::req_op_REQ_OP_WRITE => Some(Self::Write),
            bindings::req_op_REQ_OP_FLUSH => Some(Self::Flush),
            bindings::req_op_REQ_OP_DISCARD => Some(Self::Discard),
            bindings::req_op_REQ_OP_WRITE_ZEROES => Some(Self::WriteZeroes),
            _ => None,
        }
    }

    /// Whether the operation changes what is stored (`op_is_write()`).
    pub fn is_write(self) -> bool {
        matches!(self, Self::Write | Self::Discard | Self::WriteZeroes)
    }
}

/// A started request, owned by the driver.
///
/// Over its life a request is in one of these states; a value of this type is the ownership:
///
/// 1. Owned by the block layer. There is no `Request`.
/// 2. Started, owned by the driver: there is exactly one `Request`, or one holder that turns into
///    it again ([`RequestList`], a queued work item, an I/O in flight).
/// 3. Completed: [`Request::complete_nested`] gave the ownership back until
///    [`Operations::complete`] is called. If `complete` does not end the request but goes on with
///    it, the request is in state 2 again, but the block layer counts it as completed
///    (`MQ_RQ_COMPLETE`) and does not watch for a timeout.
///
/// Dropping a `Request` ends it with an I/O error, so that no path can lose one.
///
/// [`RequestList`]: super::RequestList
///
/// # Invariants
///
/// - `rq` is a request in state 2 and nobody else owns it, nor the private data behind it.
/// - Its queue belongs to a disk made by `OwnedDisk<T>`, and the request keeps the queue in use.
/// - Its `Pdu` holds the operation, and the configuration that was published when the request was
///   started.
#[repr(transparent)]
pub struct Request<T: Operations> {
    rq: NonNull<bindings::request>,
    _p: PhantomData<T>,
}

// SAFETY: Any task may own a request; the private data behind it is `Send`.
unsafe impl<T: Operations> Send for Request<T> {}

/// The memory behind each `struct request`.
#[repr(C)]
pub(super) struct Pdu<T: Operations> {
    pub(super) data: T::RequestData,
    /// The configuration that was published when the request was started.
    config: NonNull<T::Config>,
    op: Op,
    /// State of [`Request::remap`], set up for each remapping.
    pub(super) remapping: Remapping,
    /// The bio that [`Request::remap`] submits for the request.
    pub(super) bio: Opaque<bindings::bio>,
    /// Whether `bio` was submitted to be polled since the request was started. Then it is not used
    /// again, since tasks that poll may read it as long as they hold a reference to the request.
    pub(super) was_polled: bool,
    /// Whether `bio` is polled. Valid from `init_request` to `exit_request`.
    pub(super) polled: Polled,
    /// See [`Request::begin_write`]. `config` keeps the super block that this refers to.
    #[cfg(FILE_EXTENTS)]
    write_access: Option<write_access::WriteAccess<'static>>,
    /// See [`Request::announce_write`]. Valid from `init_request` to `exit_request`.
    pub(super) written: Written,
}

impl<T: Operations> Request<T> {
    /// Takes a request over from the block layer, and starts it. Ends it with `EIO` and returns
    /// `None` if no configuration is published, or if its operation is none of [`Op`].
    ///
    /// # Safety
    ///
    /// `rq` was passed to `queue_rq` or `queue_rqs` for a disk made by `OwnedDisk<T>`, and was not
    /// started yet.
    #[inline]
    pub(super) unsafe fn start(rq: NonNull<bindings::request>) -> Option<Self> {
        // The barrier pairs with the one in `DiskGuard::take_config`: either `take_config` finds
        // this request started, or this request finds no configuration.
        //
        // SAFETY: By the safety requirement the request was passed to the driver and was not
        // started.
        unsafe { rust_helper_start_request_mb(rq.as_ptr()) };
        // SAFETY: The request, which the queue passed on, keeps the queue in use; its `queuedata`
        // is a `Private<T>`.
        let config = unsafe { &*(*(*rq.as_ptr()).q).queuedata.cast::<Private<T>>() }.config();
        // SAFETY: The request was passed to the driver.
        let op = Op::of(unsafe { (*rq.as_ptr()).cmd_flags });
        let (Some(config), Some(op)) = (NonNull::new(config.cast_mut()), op) else {
            // SAFETY: It was started above, and nobody else ends it.
            unsafe { end(rq.as_ptr(), Err(EIO)) };
            return None;
        };
        let pdu = Self::pdu_ptr(rq.as_ptr());
        // SAFETY: By the safety requirement the request was passed to the driver, and with it the
        // memory behind it.
        unsafe {
            (&raw mut (*pdu).config).write(config);
            (&raw mut (*pdu).op).write(op);
            (&raw mut (*pdu).was_polled).write(false);
            #[cfg(FILE_EXTENTS)]
            (&raw mut (*pdu).write_access).write(None);
        }
        // INVARIANT: By the safety requirement the request was passed to the driver for such a
        // disk. It was started, and its `Pdu` written, above.
        Some(Self {
            rq,
            _p: PhantomData,
        })
    }

    /// Makes the owner of a request that was started, and whose ownership was given up.
    ///
    /// # Safety
    ///
    /// The type invariants hold for `rq`.
    pub(super) unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            rq,
            _p: PhantomData,
        }
    }

    /// Gives the ownership up without ending the request.
    pub(super) fn into_raw(self) -> NonNull<bindings::request> {
        ManuallyDrop::new(self).rq
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::request {
        self.rq.as_ptr()
    }

    /// The memory behind a request (`blk_mq_rq_to_pdu()`).
    pub(super) fn pdu_ptr(rq: *mut bindings::request) -> *mut Pdu<T> {
        rq.wrapping_add(1).cast()
    }

    /// The driver's private data, which is the first field of the `Pdu`.
    pub(super) fn data_ptr(rq: *mut bindings::request) -> *mut T::RequestData {
        Self::pdu_ptr(rq).cast()
    }

    /// The request in front of its private data (`blk_mq_rq_from_pdu()`).
    pub(super) fn from_data_ptr(data: *mut T::RequestData) -> *mut bindings::request {
        data.cast::<bindings::request>().wrapping_sub(1)
    }

    pub(super) fn private(&self) -> &Private<T> {
        // SAFETY: By the type invariants the queue is in use, and its `queuedata` is a `Private<T>`
        // that is released only after the queue.
        unsafe { &*(*(*self.as_ptr()).q).queuedata.cast() }
    }

    /// The private data of the request's disk.
    pub fn disk(&self) -> &T::DiskData {
        self.private().data()
    }

    /// The private data of the request's hardware queue.
    pub fn hw_data(&self) -> <T::HwData as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariants the request is live, and so is its hardware queue:
        // `init_hctx` stored the result of `into_foreign` there, and `exit_hctx` is called only
        // when there is no request left.
        unsafe { T::HwData::borrow((*(*self.as_ptr()).mq_hctx).driver_data) }
    }

    /// A reference to the request's disk, which may outlive the request.
    pub fn disk_ref(&self) -> ARef<Disk<T>> {
        // SAFETY: By the type invariants the queue is in use. Such a queue has its disk, one of
        // `T`'s.
        unsafe { Disk::from_raw((*(*self.as_ptr()).q).disk) }.into()
    }

    /// The configuration that was published when this request was started.
    pub fn config(&self) -> &T::Config {
        // SAFETY: By the type invariants `config` was published when the request was started. A
        // task that changes the configuration freezes the queue, which waits for this request to
        // end. A task that takes it away and releases it looks for started requests first
        // (`DiskGuard::take_config`), and finds this one: it was marked as started, then came a
        // full barrier, then the pointer was read. `self` cannot end while it is borrowed.
        unsafe { (*Self::pdu_ptr(self.as_ptr())).config.as_ref() }
    }

    /// The request's own private data.
    pub fn data(&mut self) -> Pin<&mut T::RequestData> {
        // SAFETY: By the type invariants the data is ours alone; `init_request` built it in place
        // and it is never moved.
        unsafe { Pin::new_unchecked(&mut *Self::data_ptr(self.as_ptr())) }
    }

    pub(super) fn flags(&self) -> u32 {
        // SAFETY: By the type invariants the request is live and ours.
        unsafe { (*self.as_ptr()).cmd_flags }
    }

    /// The operation of the request (`req_op()`).
    pub fn op(&self) -> Op {
        // SAFETY: By the type invariants the `Pdu` is ours and holds the operation.
        unsafe { (*Self::pdu_ptr(self.as_ptr())).op }
    }

    /// Whether the data is to be on the medium when the request ends (`REQ_FUA`).
    pub fn is_fua(&self) -> bool {
        self.flags() & (1 << bindings::req_flag_bits___REQ_FUA) != 0
    }

    /// Whether write-zeroes has to leave the blocks allocated (`REQ_NOUNMAP`).
    pub fn no_unmap(&self) -> bool {
        self.flags() & (1 << bindings::req_flag_bits___REQ_NOUNMAP) != 0
    }

    /// Whether the user has forbidden discards by writing 0 to `discard_max_bytes`, also if the
    /// driver supports them. Write-zeroes requests arrive all the same.
    pub fn discards_forbidden(&self) -> bool {
        // SAFETY: By the type invariants the request keeps its queue in use. The limit may change
        // at any time, but is written and read in one access.
        let sectors = unsafe {
            let q = (*self.as_ptr()).q;
            (&raw const (*q).limits.max_user_discard_sectors).read_volatile()
        };
        sectors == 0
    }

    /// Keeps the block layer from logging a failure of the request (`RQF_QUIET`).
    pub fn set_quiet(&self) {
        // SAFETY: By the type invariants the request is live and ours, and `self` is used by one
        // task at a time.
        unsafe { (*self.as_ptr()).rq_flags |= 1 << bindings::rqf_flags___RQF_QUIET };
    }

    /// Where the request starts, in bytes from the start of the disk.
    ///
    /// Not negative: the block layer refuses a request beyond the capacity, which in bytes fits
    /// `i64`.
    pub fn pos(&self) -> i64 {
        // SAFETY: By the type invariants the request is live and ours.
        let sector = unsafe { (*self.as_ptr()).__sector };
        (sector << bindings::SECTOR_SHIFT) as i64
    }

    /// Number of bytes that are left to transfer (`blk_rq_bytes()`).
    pub fn bytes(&self) -> u32 {
        // SAFETY: By the type invariants the request is live and ours.
        unsafe { (*self.as_ptr()).__data_len }
    }

    /// The I/O priority of the submitter (`req_get_ioprio()`).
    pub fn ioprio(&self) -> u16 {
        // SAFETY: By the type invariants the request is live and ours.
        unsafe { rust_helper_req_get_ioprio(self.as_ptr()) }
    }

    /// The block cgroup that the request's first bio is charged to, unless it is the root one.
    pub fn blkcg(&self) -> Option<&Blkcg> {
        // SAFETY: By the type invariants the request is live and ours.
        let css = unsafe { rust_helper_request_blkcg(self.as_ptr()) };
        if css.is_null() {
            return None;
        }
        // SAFETY: The first bio holds a reference to its cgroup until the request advances past it,
        // which takes `&mut self` or the ownership.
        Some(unsafe { Blkcg::from_raw(css) })
    }

    /// Calls `f` with the request, and accounts the I/O and memory of `f` to the request's cgroup.
    /// `f` may go on with further requests of that cgroup.
    ///
    /// Called in a kernel thread. Does not sleep, unless `f` does.
    pub fn attributed(self, f: impl FnOnce(Self)) {
        // A kernel thread belongs to the root cgroup already.
        let Some(blkcg) = self.blkcg() else {
            return f(self);
        };
        let memcg = blkcg.memcg();
        let _scope = BlkcgScope::enter(blkcg);
        with_memcg(memcg.as_ref(), || f(self));
    }

    /// Whether the request is a step of a flush sequence (`RQF_FLUSH_SEQ`): a flush, or the write
    /// between two flushes. A task usually waits for it.
    pub fn is_flush_step(&self) -> bool {
        // SAFETY: By the type invariants the request is live and ours.
        let flags = unsafe { (*self.as_ptr()).rq_flags };
        flags & (1 << bindings::rqf_flags___RQF_FLUSH_SEQ) != 0
    }

    /// Zeroes the memory of what is left of a read. Does nothing for other operations.
    pub fn zero_fill(&mut self) {
        if self.op() == Op::Read {
            // SAFETY: By the type invariants the request is ours, and the pages of a read are there
            // to be written.
            unsafe { rust_helper_zero_fill_request(self.as_ptr()) };
        }
    }

    /// Whether each segment of a read or write has a length without any bit of `len_mask`, and an
    /// address without any bit of `addr_mask`. Both masks are smaller than a page.
    #[inline]
    pub fn has_whole_blocks(&self, len_mask: u32, addr_mask: u32) -> bool {
        // SAFETY: By the type invariants the request is live and ours.
        unsafe { rust_helper_request_has_whole_blocks(self.as_ptr(), len_mask, addr_mask) }
    }

    /// Copies data of a write to `to`, from byte `offset` of the request on, up to the end of
    /// either. Does nothing for other operations.
    pub fn copy_from(&self, offset: u32, to: &mut [u8]) {
        if self.op() == Op::Write {
            // SAFETY: By the type invariants the request, and with it its pages, are live, and the
            // pages of a write are there to be read. At most `to.len()` bytes are written to `to`.
            unsafe {
                rust_helper_copy_request_data(
                    self.as_ptr(),
                    offset,
                    to.as_mut_ptr(),
                    to.len(),
                    false,
                )
            };
        }
    }

    /// Copies `from` to the memory of a read, from byte `offset` of the request on, up to the end
    /// of either. Does nothing for other operations.
    pub fn copy_to(&mut self, offset: u32, from: &[u8]) {
        if self.op() == Op::Read {
            // SAFETY: By the type invariants the request, and with it its pages, are live, and the
            // pages of a read are there to be written. At most `from.len()` bytes are read from
            // `from`.
            unsafe {
                rust_helper_copy_request_data(
                    self.as_ptr(),
                    offset,
                    from.as_ptr().cast_mut(),
                    from.len(),
                    true,
                )
            };
        }
    }

    /// The capacity of the request's disk in 512-byte sectors, as it is now.
    pub fn disk_sectors(&self) -> u64 {
        // SAFETY: As in `disk_ref`: the queue is in use, and its disk is one of `T`'s.
        unsafe { Disk::<T>::from_raw((*(*self.as_ptr()).q).disk) }
            .part0()
            .sectors()
    }

    /// Ends the first `bytes` bytes with success, rounded down to whole sectors because a request
    /// cannot continue inside one. Returns the rest of the request, or ends it if nothing is left.
    ///
    /// May be called from any context.
    pub fn advance(self, bytes: u32) -> Option<Self> {
        let bytes = bytes & !(bindings::SECTOR_SIZE - 1);
        if bytes == 0 {
            return Some(self);
        }
        // SAFETY: By the type invariants the request is live and ours.
        if unsafe { bindings::blk_update_request(self.as_ptr(), 0, bytes) } {
            return Some(self);
        }
        self.end(Ok(()));
        None
    }

    /// Passes the request to [`Operations::complete`], on a CPU that shares a cache with the
    /// submitter's. Any context.
    ///
    /// Gives the request back if `complete` would run as more than `max` completions nested on one
    /// stack, as with disks of this driver on top of each other. The caller then calls this again
    /// on a shallow stack, for example in a work item.
    pub fn complete_nested(self, max: i32) -> Result<(), Self> {
        const { assert!(T::HAS_COMPLETE) };
        let rq = self.into_raw();
        // SAFETY: The request was started and not ended. Its ownership was given up above:
        // `VTable::complete` takes it, or nobody does if fault injection drops the completion.
        if unsafe { rust_helper_complete_request_nested(rq.as_ptr(), max) } {
            return Ok(());
        }
        // SAFETY: The helper returned false, so nobody took the ownership that was given up above.
        Err(unsafe { Self::from_raw(rq) })
    }

    /// Queues the request's own work item on a queue of its disk, and gives the request to it. Any
    /// context.
    ///
    /// Gives the request back if the disk has no such queue.
    pub fn enqueue<const ID: u64>(
        self,
        queue: impl FnOnce(&T::DiskData) -> Option<&OwnedQueue>,
    ) -> Result<(), Self>
    where
        T::RequestData: WorkItem<ID, Pointer = Self> + HasWork<T::RequestData, ID>,
    {
        let Some(queue) = queue(self.disk()) else {
            return Err(self);
        };
        let queue: *const OwnedQueue = queue;
        // SAFETY: The queue is static, or part of the disk's private data. The private data is
        // released after the request has ended, and destroys the queue, which waits for its work.
        unsafe { (*queue).enqueue::<Self, ID>(self) };
        Ok(())
    }

    /// Drops the request's write access, if it has one.
    #[inline]
    fn release(&mut self) {
        #[cfg(FILE_EXTENTS)]
        self.end_write(|_, access| drop(access));
    }

    /// Ends the request. Any context.
    pub fn end(mut self, result: Result) {
        self.release();
        // SAFETY: The request was started, and its ownership is given up here.
        unsafe { end(self.into_raw().as_ptr(), result) };
    }
}

impl<T: Operations> Drop for Request<T> {
    fn drop(&mut self) {
        self.release();
        // SAFETY: By the type invariants the request is started and ours. Nobody uses `self` after
        // this.
        unsafe { end(self.as_ptr(), Err(EIO)) };
    }
}

/// Ends a request. Any context.
///
/// # Safety
///
/// The request was started, and nobody else ends it. Nobody uses it after this.
unsafe fn end(rq: *mut bindings::request, result: Result) {
    let status = match result {
        Ok(()) => bindings::BLK_STS_OK as bindings::blk_status_t,
        // SAFETY: No requirements.
        Err(e) => unsafe { bindings::errno_to_blk_status(e.to_errno()) },
    };
    // SAFETY: By the safety requirements the request was started, and only this call ends it.
    unsafe { bindings::blk_mq_end_request(rq, status) };
}

// After the request has ended, its `work_struct` may be in use for the next request with the same
// tag, even while the work function that ended it still runs. The workqueue then runs the next item
// after it, or another workqueue runs it at the same time. So a work function that has ended its
// request must not wait for another request, nor touch the ended one's memory.
//
// SAFETY: The `work_struct` is part of the request's private data, which stays in place.
// `__enqueue` gives the ownership of the request to the work item, which keeps it until `run` takes
// it back.
unsafe impl<T, const ID: u64> RawWorkItem<ID> for Request<T>
where
    T: Operations,
    T::RequestData: WorkItem<ID, Pointer = Self> + HasWork<T::RequestData, ID>,
{
    type EnqueueOutput = ();

    unsafe fn __enqueue<F>(self, queue_work_on: F)
    where
        F: FnOnce(*mut bindings::work_struct) -> bool,
    {
        let data = Self::data_ptr(self.into_raw().as_ptr());
        // SAFETY: `data` was built by `init_request`.
        let work = unsafe { T::RequestData::raw_get_work(data) };
        // SAFETY: `work` points to a field of `data`.
        let queued = queue_work_on(unsafe { Work::raw_get(work) });
        // The item cannot be queued already: a queued item owns its request, and `self` was the
        // only owner. If it is queued all the same, this request is lost, and tasks that wait for
        // it hang.
        kernel::warn_on!(!queued);
    }
}

// SAFETY: `__enqueue` uses the `work_struct` of the private data's `Work`, which `Work::new` set up
// with this `run`.
unsafe impl<T, const ID: u64> WorkItemPointer<ID> for Request<T>
where
    T: Operations,
    T::RequestData: WorkItem<ID, Pointer = Self> + HasWork<T::RequestData, ID>,
{
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // CAST: `Work` is a transparent wrapper of `work_struct`.
        let work = work.cast::<Work<T::RequestData, ID>>();
        // SAFETY: By the requirements of this function `work` comes from `__enqueue`, so it is the
        // `Work` field of a request's private data.
        let data = unsafe { T::RequestData::work_container_of(work) };
        let rq = Self::from_data_ptr(data);
        // SAFETY: `__enqueue` gave the ownership of this request to the work item, which runs once.
        T::RequestData::run(unsafe { Self::from_raw(NonNull::new_unchecked(rq)) });
    }
}
