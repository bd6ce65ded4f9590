// SPDX-License-Identifier: GPL-2.0

//! Reading a request's data from a file, or writing it to one.

use super::{Op, Operations, Request};
use crate::abstractions::{
    fs::{page_cache::copy_cached, IoMode, Kiocb, KiocbOwner, KiocbParams},
    iov::{BvecIter, Direction},
};
use core::ptr::NonNull;
use kernel::{alloc::Flags, bindings, fs::File, prelude::*};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_blk_rq_nr_bvec(rq: *mut bindings::request) -> c_uint;
    fn rust_helper_copy_rq_bvecs(rq: *mut bindings::request, bvecs: *mut bindings::bio_vec);
    fn rust_helper_bio_bvecs(
        bio: *mut bindings::bio,
        nr: *mut c_uint,
        offset: *mut c_uint,
    ) -> *const bindings::bio_vec;
}

/// State of a request's file I/O: part of its private data.
#[pin_data]
pub struct RequestIo<T: Operations> {
    #[pin]
    kiocb: Kiocb<Request<T>>,
    /// The segments of a request of several bios. Those of a single bio are used in place.
    bvecs: KVec<bindings::bio_vec>,
}

// SAFETY: Only the owner of the request uses the segments, and any task may be the owner.
unsafe impl<T: Operations> Send for RequestIo<T> {}
// SAFETY: A shared `RequestIo` offers nothing to safe code.
unsafe impl<T: Operations> Sync for RequestIo<T> {}

impl<T: Operations> RequestIo<T> {
    /// Creates the state of a request without I/O.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            kiocb <- Kiocb::new(),
            bvecs: KVec::new(),
        })
    }
}

/// Declares that a request's private data has a [`RequestIo`]; see [`impl_has_request_io!`].
///
/// # Safety
///
/// The two functions must return valid pointers and undo each other.
pub unsafe trait HasRequestIo<T: Operations> {
    /// Returns a pointer to the field.
    ///
    /// # Safety
    ///
    /// `data` must point to a valid `Self`.
    unsafe fn raw_get_io(data: *mut Self) -> *mut RequestIo<T>;

    /// Returns a pointer to the data that the field is in.
    ///
    /// # Safety
    ///
    /// `io` must point to the [`RequestIo`] field of a `Self`.
    unsafe fn io_container_of(io: *mut RequestIo<T>) -> *mut Self;
}

/// Implements [`HasRequestIo`] for a type by naming the field.
macro_rules! impl_has_request_io {
    (impl HasRequestIo<$ops:ty> for $data:ty { self.$field:ident }) => {
        #[allow(unsafe_code)]
        // SAFETY: The field has the right type, or this does not compile.
        unsafe impl $crate::abstractions::block::mq::HasRequestIo<$ops> for $data {
            unsafe fn raw_get_io(
                data: *mut Self,
            ) -> *mut $crate::abstractions::block::mq::RequestIo<$ops> {
                // SAFETY: The caller promises that `data` is valid.
                unsafe { &raw mut (*data).$field }
            }

            unsafe fn io_container_of(
                io: *mut $crate::abstractions::block::mq::RequestIo<$ops>,
            ) -> *mut Self {
                // SAFETY: The caller promises that `io` is this field of a `Self`.
                unsafe { ::kernel::container_of!(io, Self, $field) }
            }
        }
    };
}
pub(crate) use impl_has_request_io;

/// Gets the result of [`Request::issue`]; implemented by the request's private data.
pub trait RequestIoDone<T: Operations> {
    /// Called with the number of bytes, from the start of the request, that were read or written,
    /// which may be fewer than it has; or with an error.
    ///
    /// May be called from any context, also hard irq: must not sleep.
    fn io_done(rq: Request<T>, result: Result<u32>);
}

impl<T> Request<T>
where
    T: Operations,
    T::RequestData: HasRequestIo<T> + RequestIoDone<T>,
{
    /// Reads the request's data from a file of its configuration, or writes it there, from byte
    /// `pos` of the file on. [`RequestIoDone::io_done`] is called once, perhaps before this
    /// returns; with `EIO` for other operations and for requests without data.
    ///
    /// A request of several bios needs an array for its segments, allocated with `gfp`. If there is
    /// no memory for it, only the first bio is transferred, and the result is a short transfer.
    ///
    /// May sleep. [`Kiocb::start`] says what a non-blocking mode still waits for.
    pub fn issue(
        self,
        file: impl for<'a> FnOnce(&'a T::Config) -> &'a File,
        pos: i64,
        mode: IoMode,
        gfp: Flags,
    ) {
        let direction = match self.op() {
            Op::Read => Direction::Dest,
            Op::Write => Direction::Source,
            _ => return T::RequestData::io_done(self, Err(EIO)),
        };
        let file: *const File = file(self.config());
        let ioprio = self.ioprio();
        let rq = self.as_ptr();
        // SAFETY: `self` owns the request.
        let (bio, biotail) = unsafe { ((*rq).bio, (*rq).biotail) };
        if bio.is_null() {
            return T::RequestData::io_done(self, Err(EIO));
        }
        let iter = if bio != biotail && self.collect_bvecs(gfp) {
            // SAFETY: `self` owns the request, and with it its private data.
            let bvecs = unsafe { &(*io_of(&self)).bvecs };
            let bytes = self.bytes() as usize;
            // SAFETY: The array holds the segments of the whole request, and nobody changes it
            // before `done`. The request keeps its pages in memory, for this I/O.
            unsafe { BvecIter::new(direction, bvecs.as_ptr(), bvecs.len(), 0, bytes) }
        } else {
            // SAFETY: The bio's segments and their pages stay until the request is advanced or
            // ended, which only its owner does.
            unsafe { bio_iter(direction, bio) }
        };

        let params = KiocbParams {
            // SAFETY: `file` borrows from the configuration, which the request keeps until it has
            // ended.
            file: unsafe { &*file },
            pos,
            direction,
            mode,
            ioprio,
        };
        // SAFETY: The request keeps the file and the segments valid. It does not end before `done`
        // gets it back.
        unsafe { Kiocb::start(self, params, iter) };
    }

    /// Collects the segments of all bios in one array; false if there is no memory for it.
    fn collect_bvecs(&self, gfp: Flags) -> bool {
        // SAFETY: `self` owns the request.
        let nr = unsafe { rust_helper_blk_rq_nr_bvec(self.as_ptr()) } as usize;
        let Ok(mut bvecs) = KVec::with_capacity(nr, gfp | __GFP_NOWARN) else {
            return false;
        };
        // SAFETY: The array has room for the `nr` segments of the request, which `self` owns.
        unsafe {
            rust_helper_copy_rq_bvecs(self.as_ptr(), bvecs.as_mut_ptr());
            bvecs.inc_len(nr);
        }
        // SAFETY: `self` owns the request's private data.
        unsafe { (*io_of(self)).bvecs = bvecs };
        true
    }
}

impl<T: Operations> Request<T> {
    /// Fills the memory of a read from the page cache of a file of the configuration, from byte
    /// `pos` of the file on. Returns false if the page cache lacks a part, when some of the memory
    /// may be filled.
    ///
    /// Neither calls the file system nor waits. [`copy_cached`] says for which files this may be
    /// used.
    pub fn fill_from_cache(&mut self, file: impl Fn(&T::Config) -> &File, pos: i64) -> bool {
        if self.op() != Op::Read {
            return false;
        }
        let rq = self.as_ptr();
        // SAFETY: `self` owns the request.
        let mut bio = unsafe { (*rq).bio };
        let mut pos = pos;
        while !bio.is_null() {
            let file = file(self.config());
            // SAFETY: The bio is one of the request's, which `self` owns.
            let len = unsafe { (*bio).bi_iter.bi_size };
            // SAFETY: The bio's segments and their pages stay while `self` is borrowed, and the
            // pages of a read are there to be written.
            let mut iter = unsafe { bio_iter(Direction::Dest, bio) };
            if !copy_cached(file, pos, len as usize, &mut iter) {
                return false;
            }
            pos = pos.saturating_add(i64::from(len));
            // SAFETY: The bio is one of the request's, as above.
            bio = unsafe { (*bio).bi_next };
        }
        true
    }
}

/// An iterator over the data of one bio.
///
/// # Safety
///
/// `bio` has data. For `'a`, its segments and their pages may be used as `direction` says.
unsafe fn bio_iter<'a>(direction: Direction, bio: *mut bindings::bio) -> BvecIter<'a> {
    let (mut nr, mut offset) = (0, 0);
    // SAFETY: By the safety requirement the bio has data, and so has segments.
    let bvecs = unsafe { rust_helper_bio_bvecs(bio, &mut nr, &mut offset) };
    // SAFETY: By the safety requirement `bio` is valid.
    let bytes = unsafe { (*bio).bi_iter.bi_size };
    // SAFETY: By the safety requirement the segments may be used for `'a`; `bvecs` are those of
    // what is left of the bio.
    unsafe {
        BvecIter::new(
            direction,
            bvecs,
            nr as usize,
            offset as usize,
            bytes as usize,
        )
    }
}

fn io_of<T>(rq: &Request<T>) -> *mut RequestIo<T>
where
    T: Operations,
    T::RequestData: HasRequestIo<T>,
{
    // SAFETY: The private data of a request was built by `init_request`.
    unsafe { T::RequestData::raw_get_io(Request::<T>::data_ptr(rq.as_ptr())) }
}

// SAFETY: The kiocb is part of the request's private data, which was built in place, never moves,
// and belongs to the owner of the request. `from_kiocb` reverses `into_kiocb`.
unsafe impl<T> KiocbOwner for Request<T>
where
    T: Operations,
    T::RequestData: HasRequestIo<T> + RequestIoDone<T>,
{
    fn into_kiocb(self) -> NonNull<Kiocb<Self>> {
        let data = Self::data_ptr(self.into_raw().as_ptr());
        // SAFETY: The private data of a request was built by `init_request`.
        let io = unsafe { T::RequestData::raw_get_io(data) };
        // SAFETY: A field of valid data is not null.
        unsafe { NonNull::new_unchecked(&raw mut (*io).kiocb) }
    }

    unsafe fn from_kiocb(kiocb: NonNull<Kiocb<Self>>) -> Self {
        // SAFETY: By the safety requirement `kiocb` is the field of a `RequestIo`.
        let io = unsafe { kernel::container_of!(kiocb.as_ptr(), RequestIo<T>, kiocb) };
        // SAFETY: Only the `RequestIo` of a request's private data is turned into a kiocb.
        let data = unsafe { T::RequestData::io_container_of(io) };
        let rq = Self::from_data_ptr(data);
        // SAFETY: `into_kiocb` gave the ownership of this request up.
        unsafe { Self::from_raw(NonNull::new_unchecked(rq)) }
    }

    fn done(self, result: Result<usize>) {
        // SAFETY: `self` owns the request's private data; the I/O that used the segments is over.
        let bvecs = unsafe { &mut (*io_of(&self)).bvecs };
        // Most requests have no array, and freeing nothing costs a call.
        if bvecs.capacity() > 0 {
            *bvecs = KVec::new();
        }
        let result = result.and_then(|bytes| Ok(u32::try_from(bytes)?));
        T::RequestData::io_done(self, result);
    }
}
