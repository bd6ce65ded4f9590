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
    /// Past the page cache (`IOCB_DIRECT`), with a callback if it takes longer.
    Direct {
        /// `IOCB_NOWAIT`: fail with `EAGAIN`, now or in the callback, rather than wait for
        /// anything but the I/O itself.
        nowait: bool,
    },
}

impl IoMode {
    /// Whether `EAGAIN` is a possible outcome.
    pub fn nowait(self) -> bool {
        let (Self::Buffered { nowait } | Self::Direct { nowait }) = self;
        nowait
    }
}

/// What an I/O is.
pub struct KiocbParams<'a> {
    /// The file to read or write.
    pub file: &'a File,
    /// Where in the file, in bytes.
    pub pos: i64,
    /// Whether the file is read into the pages or written from them.
    pub direction: Direction,
    /// How the I/O is done.
    pub mode: IoMode,
    /// I/O priority (`include/uapi/linux/ioprio.h`).
    pub ioprio: u16,
}

/// An object that an I/O is done for, and that gets the result.
///
/// # Safety
///
/// - `into_kiocb` must return a pointer to an initialised, pinned [`Kiocb`] which stays in place, and
///   is used by nobody else, until `from_kiocb` is called.
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

    /// The I/O is over: so many bytes were done, or it failed.
    ///
    /// May be called from any context, also hard irq: must not sleep.
    fn done(self, result: Result<usize>);
}

/// A `struct kiocb` inside the object that it is used for.
///
/// An I/O has two parties: the task that submits it, and the completion callback. The file system
/// may still look at the I/O vector after the callback ran, on another CPU, so the owner gets the
/// object back only from whichever comes last. While both are at work neither touches the object but
/// for the counter `parties`.
///
/// # Invariants
///
/// `iocb` is the first field, so that the C callback's pointer to it is one to this.
#[pin_data]
#[repr(C)]
pub struct Kiocb<P> {
    #[pin]
    iocb: Opaque<bindings::kiocb>,
    parties: Atomic<i32>,
    result: UnsafeCell<isize>,
    /// Whether freeze protection was entered for this I/O, to be left at its end.
    writing: bool,
    _p: PhantomData<P>,
}

// SAFETY: A `Kiocb` has no ties to a task, and owns no `P` but the one that it is a part of.
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
    /// May sleep. Where the mode says not to wait, file systems and readahead still do so for memory, a short lock,
    /// or a free request of the device below.
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
        // SAFETY: As above.
        unsafe {
            iocb.write_bytes(0, 1);
            (*iocb).ki_filp = file;
            (*iocb).ki_pos = params.pos;
            (*iocb).ki_flags = flags as c_int;
            (*iocb).ki_ioprio = params.ioprio;
            if asynchronous {
                (*iocb).ki_complete = Some(Self::complete);
            }
            // One for this function, one for the callback.
            (*this.as_ptr()).parties.store(2, Relaxed);
            (*this.as_ptr()).writing = false;
        }

        // SAFETY: A file's operations are set when it is opened and live as long as it does.
        let f_op = unsafe { &*(*file).f_op };
        let ret = match params.direction {
            Direction::Dest => match f_op.read_iter {
                // SAFETY: The operations belong to this file; kiocb and iterator are filled in.
                Some(read_iter) => unsafe { read_iter(iocb, iter.as_mut_ptr()) },
                None => EINVAL.to_errno() as isize,
            },
            Direction::Source => match f_op.write_iter {
                Some(write_iter) => {
                    // SAFETY: `ki_filp` is set.
                    if !unsafe { Self::start_write(iocb, params.mode.nowait()) } {
                        // SAFETY: Nothing was started, so there is no other party.
                        return unsafe { Self::finish(this, EAGAIN.to_errno() as isize) };
                    }
                    // SAFETY: No I/O was started yet, so `this` is still ours alone.
                    unsafe { (*this.as_ptr()).writing = true };
                    // SAFETY: As for `read_iter`.
                    unsafe { write_iter(iocb, iter.as_mut_ptr()) }
                }
                None => EINVAL.to_errno() as isize,
            },
        };

        if ret == -(bindings::EIOCBQUEUED as isize) {
            // SAFETY: The callback is, or was, the other party; this one ends here.
            unsafe { Self::leave(this) };
        } else {
            // SAFETY: The callback is called only for an I/O that was queued, so this was the only
            // party.
            unsafe { Self::finish(this, ret) };
        }
    }

    /// Enters the file system's freeze protection; false if that would have to wait and must not.
    ///
    /// # Safety
    ///
    /// `iocb.ki_filp` is a valid file.
    unsafe fn start_write(iocb: *mut bindings::kiocb, nowait: bool) -> bool {
        if nowait {
            // SAFETY: By the safety requirement.
            return unsafe { rust_helper_kiocb_start_write_trylock(iocb) };
        }
        // SAFETY: By the safety requirement.
        unsafe { rust_helper_kiocb_start_write(iocb) };
        true
    }

    /// The I/O is over (`ki_complete`).
    ///
    /// # Safety
    ///
    /// Called by the file system only, once for each I/O that was queued.
    unsafe extern "C" fn complete(iocb: *mut bindings::kiocb, ret: c_long) {
        // SAFETY: By the type invariants; `start` set this callback for the kiocb in a `Self`.
        let this = unsafe { NonNull::new_unchecked(iocb.cast::<Self>()) };
        // SAFETY: Until `leave` only the callback touches the result.
        unsafe { *(*this.as_ptr()).result.get() = ret };
        // SAFETY: The submitter is, or was, the other party; this one ends here.
        unsafe { Self::leave(this) };
    }

    /// One of two parties is done with the object.
    ///
    /// # Safety
    ///
    /// Called once by each party, which does not touch `this` afterwards.
    unsafe fn leave(this: NonNull<Self>) {
        // SAFETY: The object stays in place until both parties left.
        let parties = unsafe { &(*this.as_ptr()).parties };
        // Orders what the first party did before what the second does next.
        if parties.fetch_sub(1, Full) != 1 {
            return;
        }
        // SAFETY: The other party has left, after the callback stored the result.
        unsafe { Self::finish(this, *(*this.as_ptr()).result.get()) };
    }

    /// # Safety
    ///
    /// There is no other party left.
    unsafe fn finish(this: NonNull<Self>, ret: isize) {
        // SAFETY: The object is the caller's alone.
        let iocb = unsafe { (*this.as_ptr()).iocb.get() };
        // SAFETY: As above.
        if unsafe { (*this.as_ptr()).writing } {
            // SAFETY: `start_write` was called for this kiocb, whose file is valid until `done`.
            unsafe { rust_helper_kiocb_end_write(iocb) };
        }
        let result = to_count(ret as i64).map(|bytes| bytes as usize);
        // SAFETY: `this` comes from `into_kiocb`, and is turned back once, by the last party.
        unsafe { P::from_kiocb(this) }.done(result);
    }
}
