// SPDX-License-Identifier: GPL-2.0

//! The module that this crate is linked into.
//!
//! C header: [`include/linux/init.h`](srctree/include/linux/init.h)

use kernel::{bindings, types::Opaque, ThisModule};

#[allow(improper_ctypes)] // Only its address is taken.
extern "C" {
    static __this_module: Opaque<bindings::module>;
}

/// `THIS_MODULE`, usable in constants.
///
/// The `module!` macro provides the same object, but under a name and a kind of item that differ
/// between kernel releases.
pub static THIS_MODULE: ThisModule = {
    // SAFETY: modpost defines `__this_module` in every module. Only its address is taken here, and
    // the object lives for as long as any code of the module can run.
    unsafe { ThisModule::from_ptr(__this_module.get()) }
};

/// A reference that keeps this module loaded.
///
/// Wraps `__module_get()` and `module_put()`.
pub struct ModuleRef(());

impl ModuleRef {
    /// Takes a further reference to this module. May be called from any context.
    ///
    /// The caller must run on behalf of a user that keeps the module loaded, for example an open
    /// block device whose operations name it as their owner. A module that is being unloaded is not
    /// brought back.
    pub fn get() -> Self {
        // SAFETY: `THIS_MODULE` is this very module, whose code is running.
        unsafe { bindings::__module_get(THIS_MODULE.as_ptr()) };
        Self(())
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `self` stands for one reference that `get` took and nobody else drops.
        unsafe { bindings::module_put(THIS_MODULE.as_ptr()) };
    }
}
