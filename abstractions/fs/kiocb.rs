// SPDX-License-Identifier: GPL-2.0

//! The submitting side of asynchronous file I/O.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::abstractions::{
    error::to_count,
    iov::{BvecIter, Direction},
};
use core::{cell::UnsafeCell, marker::PhantomData, ptr::NonNull};
use kernel::{
    bindings,
    fs::File,
    prelude::*,
    sync::atomic::{Atomic, Full, Relaxed},
    types::Opaque,
};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_kiocb_start_write(iocb: *mut bindings::kiocb);
    fn rust_helper_kiocb_start_write_trylock(iocb: *mut bindings::kiocb) -> bool;
    fn rust_helper_kiocb_end_write(iocb: *mut bindings::kiocb);
}

/// `IOCB_NOWAIT`; checked against the header in `helpers/fs.c`.
pub(super) const IOCB_NOWAIT: u32 = 0x8;

/// How an I/O is done.
#[derive(Clone, Copy)]
pub enum IoMode {
    /// Through the page cache. The I/O is over when the file's operation returns.
    Buffered {
        /// `IOCB_NOWAIT`: fail with `EAGAIN` rather than wait for anything.
        nowait: bool,
    },
    /// Bypasses the page cache (`IOCB_DIRECT`). A callback completes an I/O that is not over when
    /// the file's operation returns.
    Direct {
        /// `IOCB_NOWAIT`: fail with `EAGAIN`, now or in the callback, rather than wait for
        /// anything but the I/O itself.
        nowait: bool,
    },
}

impl IoMode {
    /// Whether the I/O fails with `EAGAIN` rather than wait.
    pub fn nowait(self) -> bool {
        let (Self::Buffered { nowait } | Self::Direct { nowait }) = self;
        nowait
    }
}

/// Parameters of an I/O.
pub struct KiocbParams<'a> {
    /// The file to read or write.
    pub file: &'a File,
    /// Position in the file, in bytes.
    pub pos: i64,
    /// Whether the file is read into the pages or written from them.
    pub direction: Direction,
    /// How the I/O is done.
    pub mode: IoMode,
    /// I/O priority (`include/uapi/linux/ioprio.h`).
    pub ioprio: u16,
}

/// The owner of an I/O, which gets its result.
///
/// # Safety
///
/// - `into_kiocb` must return a pointer to an initialised, pinned [`Kiocb`] which stays in place,
///   and is used by nobody else, until `from_kiocb` is called.
/// - `from_kiocb` must undo `into_kiocb`.
pub unsafe trait KiocbOwner: Sized + Send {
    /// Turns the owner into its kiocb.
    fn into_kiocb(self) -> NonNull<Kiocb<Self>>;

    /// Turns the kiocb back into its owner.
    ///
    /// # Safety
    ///
    /// `kiocb` must come from `into_kiocb`, and each such pointer may be turned back once.
    unsafe fn from_kiocb(kiocb: NonNull<Kiocb<Self>>) -> Self;

    /// Called when the I/O is over, with the number of bytes that were transferred, or with an
    /// error.
    ///
    /// May be called from any context, also hard irq: must not sleep.
    fn done(self, result: Result<usize>);
}

/// A `struct kiocb` inside the object that owns the I/O.
///
/// An I/O has two shares: the submitting task's, and the completion callback's. The file system may
/// still read the I/O vector on another CPU after the callback ran, so the owner gets the object
/// back from whichever drops its share last. Until then neither touches the object, except for the
/// counter `parties`, and `result`, which only the callback writes.
///
/// # Invariants
///
/// `iocb` is the first field, so that the callback's pointer to it is one to the `Kiocb`.
#[pin_data]
#[repr(C)]
pub struct Kiocb<P> {
    #[pin]
    iocb: Opaque<bindings::kiocb>,
    parties: Atomic<i32>,
    result: UnsafeCell<isize>,
    /// Whether this I/O holds freeze protection, which its end releases.
    writing: bool,
    _p: PhantomData<P>,
}

// SAFETY: A `Kiocb` has no ties to a task, and the `P` that it is part of is `Send`.
unsafe impl<P: Send> Send for Kiocb<P> {}
// SAFETY: A shared `Kiocb` offers nothing to safe code.
unsafe impl<P: Send> Sync for Kiocb<P> {}

impl<P> Kiocb<P> {
    /// Makes an idle kiocb.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            iocb <- Opaque::ffi_init(|slot: *mut bindings::kiocb| {
                // SAFETY: `slot` is memory for a kiocb, for which all zeroes are valid.
                unsafe { slot.write_bytes(0, 1) }
            }),
            parties: Atomic::new(0),
            result: UnsafeCell::new(0),
            writing: false,
            _p: PhantomData,
        })
    }
}

impl<P: KiocbOwner> Kiocb<P> {
    /// Starts an I/O. [`KiocbOwner::done`] is called once, perhaps before this returns.
    ///
    /// May sleep. Even in a non-blocking mode, file systems and readahead may wait for memory, a
    /// short lock, or a free request of the device below.
    ///
    /// # Safety
    ///
    /// The file, and what `iter` was made of, must stay valid until [`KiocbOwner::done`] is called.
    pub unsafe fn start(owner: P, params: KiocbParams<'_>, mut iter: BvecIter<'_>) {
        let this = owner.into_kiocb();
        let file = params.file.as_ptr();
        let (mut flags, asynchronous) = match params.mode {
            IoMode::Buffered { .. } => (0, false),
            IoMode::Direct { .. } => (bindings::IOCB_DIRECT, true),
        };
        if params.mode.nowait() {
            flags |= IOCB_NOWAIT;
        }

        // SAFETY: `into_kiocb` promises that `this` is ours alone and stays in place.
        let iocb = unsafe { (*this.as_ptr()).iocb.get() };
        // SAFETY: As above, `this` is ours alone.
        unsafe {
            iocb.write_bytes(0, 1);
            (*iocb).ki_filp = file;
            (*iocb).ki_pos = params.pos;
            (*iocb).ki_flags = flags as c_int;
            (*iocb).ki_ioprio = params.ioprio;
            if asynchronous {
                (*iocb).ki_complete = Some(Self::complete);
            }
            // One share for this function, one for the callback. Relaxed: the file's operation
            // hands the kiocb to whatever calls the callback.
            (*this.as_ptr()).parties.store(2, Relaxed);
            (*this.as_ptr()).writing = false;
        }

        // SAFETY: A file's operations are set when it is opened and live as long as it does.
        let f_op = unsafe { &*(*file).f_op };
        let ret = match params.direction {
            Direction::Dest => match f_op.read_iter {
                // SAFETY: The operation belongs to this file; kiocb and iterator are filled in.
                Some(read_iter) => unsafe { read_iter(iocb, iter.as_mut_ptr()) },
                None => EINVAL.to_errno() as isize,
            },
            Direction::Source => match f_op.write_iter {
                Some(write_iter) => {
                    // SAFETY: `ki_filp` is `file`, which is valid.
                    if !unsafe { Self::start_write(iocb, params.mode.nowait()) } {
                        // SAFETY: No I/O was started, so no callback uses `this`.
                        return unsafe { Self::finish(this, EAGAIN.to_errno() as isize) };
                    }
                    // SAFETY: No I/O was started yet, so `this` is still ours alone.
                    unsafe { (*this.as_ptr()).writing = true };
                    // SAFETY: As for `read_iter`: the operation belongs to this file; kiocb and
                    // iterator are filled in.
                    unsafe { write_iter(iocb, iter.as_mut_ptr()) }
                }
                None => EINVAL.to_errno() as isize,
            },
        };

        if ret == -(bindings::EIOCBQUEUED as isize) {
            // SAFETY: Drops this function's share. The callback has the other one.
            unsafe { Self::leave(this) };
        } else {
            // SAFETY: The callback is called only for an I/O that was queued, so nobody else uses
            // `this`.
            unsafe { Self::finish(this, ret) };
        }
    }

    /// Takes freeze protection (`kiocb_start_write()`); false if that would wait and `nowait` is
    /// set.
    ///
    /// # Safety
    ///
    /// `iocb.ki_filp` is a valid file.
    unsafe fn start_write(iocb: *mut bindings::kiocb, nowait: bool) -> bool {
        if nowait {
            // SAFETY: By the safety requirement `ki_filp` is valid.
            return unsafe { rust_helper_kiocb_start_write_trylock(iocb) };
        }
        // SAFETY: By the safety requirement `ki_filp` is valid.
        unsafe { rust_helper_kiocb_start_write(iocb) };
        true
    }

    /// Called when a queued I/O is over (`ki_complete`).
    ///
    /// # Safety
    ///
    /// Called by the file system only, once for each I/O that was queued.
    unsafe extern "C" fn complete(iocb: *mut bindings::kiocb, ret: c_long) {
        // SAFETY: `start` set this callback for the kiocb of a `Self`, of which it is the first
        // field, by the type invariants.
        let this = unsafe { NonNull::new_unchecked(iocb.cast::<Self>()) };
        // SAFETY: Only the callback writes the result, and the submitter reads it only after
        // `leave`.
        unsafe { *(*this.as_ptr()).result.get() = ret };
        // SAFETY: Drops the callback's share. The submitter has the other one.
        unsafe { Self::leave(this) };
    }

    /// Drops one of the two shares. The last one finishes the I/O.
    ///
    /// # Safety
    ///
    /// Called once for each share, whose holder does not touch `this` afterwards.
    unsafe fn leave(this: NonNull<Self>) {
        // SAFETY: The object stays in place until both shares are dropped.
        let parties = unsafe { &(*this.as_ptr()).parties };
        // Full: pairs with itself. What the first one did before it dropped its share comes before
        // what the second does next.
        if parties.fetch_sub(1, Full) != 1 {
            return;
        }
        // SAFETY: The other share is dropped. The callback stored the result before it dropped its
        // own.
        unsafe { Self::finish(this, *(*this.as_ptr()).result.get()) };
    }

    /// # Safety
    ///
    /// Nobody else uses the object.
    unsafe fn finish(this: NonNull<Self>, ret: isize) {
        // SAFETY: By the safety requirement the object is ours alone.
        let iocb = unsafe { (*this.as_ptr()).iocb.get() };
        // SAFETY: As above, `this` is ours alone.
        if unsafe { (*this.as_ptr()).writing } {
            // SAFETY: `start_write` took the protection for this kiocb, whose file is valid until
            // `done`.
            unsafe { rust_helper_kiocb_end_write(iocb) };
        }
        let result = to_count(ret as i64).map(|bytes| bytes as usize);
        // SAFETY: `this` comes from `into_kiocb`, and only the last share turns it back.
        unsafe { P::from_kiocb(this) }.done(result);
    }
}
