// SPDX-License-Identifier: GPL-2.0

//! Doing I/O, and charging memory, on behalf of another cgroup.
//!
//! A worker that carries out requests of other tasks takes their cgroup from the bio ([`Blkcg`]),
//! and has its own I/O ([`BlkcgScope`]) and page cache ([`with_memcg`]) accounted to it.
//!
//! Without `CONFIG_BLK_CGROUP` there is no [`Blkcg`], without `CONFIG_MEMCG` there is no
//! [`MemcgRef`], and the rest does nothing.
//!
//! C headers: [`include/linux/cgroup.h`](srctree/include/linux/cgroup.h),
//! [`include/linux/blk-cgroup.h`](srctree/include/linux/blk-cgroup.h),
//! [`include/linux/memcontrol.h`](srctree/include/linux/memcontrol.h)

use core::{
    ptr::NonNull, //
};
use kernel::{
    bindings,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

// The structures come from `bindings` and are only passed on by pointer, so it does not matter
// whether Rust can express the layout of every type in them.
#[allow(improper_ctypes)]
unsafe extern "C" {
    #[link_name = "rust_helper_kthread_associate_blkcg"]
    fn kthread_associate_blkcg(css: *mut bindings::cgroup_subsys_state);

    #[link_name = "rust_helper_css_put"]
    fn css_put(css: *mut bindings::cgroup_subsys_state);

    #[link_name = "rust_helper_mem_cgroup_from_css"]
    fn mem_cgroup_from_css(css: *mut bindings::cgroup_subsys_state) -> *mut bindings::mem_cgroup;

    #[link_name = "rust_helper_set_active_memcg"]
    fn set_active_memcg(memcg: *mut bindings::mem_cgroup) -> *mut bindings::mem_cgroup;
}

/// The cgroup that I/O belongs to, as the block layer sees it.
///
/// # Invariants
///
/// This is the css of a `struct blkcg`, on which a reference is held.
#[repr(transparent)]
pub struct Blkcg(Opaque<bindings::cgroup_subsys_state>);

// SAFETY: The functions that take a `&Blkcg` may be called by any thread, and concurrently.
unsafe impl Sync for Blkcg {}

impl Blkcg {
    /// Borrows the cgroup behind a pointer, for example from `bio_blkcg_css()`.
    ///
    /// # Safety
    ///
    /// `css` is the css of a `struct blkcg`, and a reference is held on it during `'a`. (A bio
    /// holds one.)
    #[inline]
    pub unsafe fn from_raw<'a>(css: *mut bindings::cgroup_subsys_state) -> &'a Self {
        // SAFETY: `css` is valid by the safety requirements, and `Self` is `repr(transparent)`.
        // INVARIANT: By the safety requirements `css` is such a css, with a reference.
        unsafe { &*css.cast() }
    }

    /// Returns a number that no other block cgroup has, not even after this one is gone. Any
    /// context.
    pub fn id(&self) -> u64 {
        // SAFETY: The css is valid by the type invariants, and its number does not change.
        unsafe { (*self.0.get()).serial_nr }
    }

    /// Returns the memory cgroup that is in effect for the same cgroup: its own, or that of the
    /// nearest ancestor which has one. It is [`None`] only if the kernel has no memory cgroups.
    ///
    /// Any context but NMI; does not sleep.
    ///
    /// C: `cgroup_get_e_css()`
    pub fn memcg(&self) -> Option<MemcgRef> {
        #[cfg(CONFIG_MEMCG)]
        {
            // SAFETY: The css is valid by the type invariants. It holds a reference on its cgroup,
            // and the pointer to that does not change. `memory_cgrp_subsys` is a static of the
            // kernel.
            let css = unsafe {
                bindings::cgroup_get_e_css(
                    (*self.0.get()).cgroup,
                    &raw mut bindings::memory_cgrp_subsys,
                )
            };

            // INVARIANT: `cgroup_get_e_css()` returns a css of the subsystem it was asked for,
            // along with a reference.
            NonNull::new(css).map(|css| MemcgRef { css })
        }
        #[cfg(not(CONFIG_MEMCG))]
        None
    }
}

/// A reference to a memory cgroup.
///
/// # Invariants
///
/// `css` is the css of a `struct mem_cgroup`, and this owns a reference on it.
pub struct MemcgRef {
    css: NonNull<bindings::cgroup_subsys_state>,
}

// SAFETY: References on a css may be put by any thread.
unsafe impl Send for MemcgRef {}
// SAFETY: The functions that take a `&MemcgRef` may be called concurrently.
unsafe impl Sync for MemcgRef {}

impl Drop for MemcgRef {
    /// Puts the reference. Any context but NMI; does not sleep.
    fn drop(&mut self) {
        // SAFETY: `self` owns a reference, by the type invariants, and is not used afterwards.
        unsafe { css_put(self.css.as_ptr()) };
    }
}

/// Attributes the I/O of the current kernel thread to a cgroup while this exists.
///
/// In a task that is not a kernel thread this does nothing.
///
/// A thread has one association. A scope that begins replaces it, and the end of any scope removes
/// it.
#[must_use = "the scope ends when this is dropped"]
pub struct BlkcgScope(NotThreadSafe);

impl BlkcgScope {
    /// Begins the scope. Process context; does not sleep.
    ///
    /// C: `kthread_associate_blkcg()`
    pub fn enter(blkcg: &Blkcg) -> Self {
        // SAFETY: The css is valid by the type invariants of `Blkcg`; the association takes a
        // reference of its own. It is stored in the current thread, which is checked to be a
        // kernel thread.
        unsafe { kthread_associate_blkcg(blkcg.0.get()) };

        Self(NotThreadSafe)
    }
}

impl Drop for BlkcgScope {
    fn drop(&mut self) {
        // SAFETY: As in `enter()`, which ran in the same thread, as this is not `Send`. Null ends
        // the association.
        unsafe { kthread_associate_blkcg(core::ptr::null_mut()) };
    }
}

/// Calls `f`, and charges the accounted memory that it allocates (`__GFP_ACCOUNT`, page cache) to a
/// memory cgroup. With [`None`] it just calls `f`.
///
/// Process or interrupt context. Calls may nest: afterwards the previous memory cgroup is active
/// again.
///
/// This is not a guard: an inner scope has to end before the outer one, but a guard can be dropped
/// late, or never, when the memory cgroup is gone.
///
/// C: `set_active_memcg()`
pub fn with_memcg<R>(memcg: Option<&MemcgRef>, f: impl FnOnce() -> R) -> R {
    let Some(memcg) = memcg else {
        return f();
    };

    // SAFETY: By its type invariants `memcg` holds a reference on the css of a memory cgroup. It is
    // borrowed until this function returns, which is after the previous one was restored.
    let previous = unsafe { set_active_memcg(mem_cgroup_from_css(memcg.css.as_ptr())) };

    let result = f();

    // SAFETY: `previous` was active when this was called, in the same context, so the caller that
    // set it keeps it alive until after this returns. Kernel code does not unwind, so `f` cannot
    // skip this.
    unsafe { set_active_memcg(previous) };

    result
}
