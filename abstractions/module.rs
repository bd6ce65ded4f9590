// SPDX-License-Identifier: GPL-2.0

//! The module that this crate is linked into.
//!
//! C header: [`include/linux/init.h`](srctree/include/linux/init.h)

use kernel::{bindings, ThisModule};

/// `THIS_MODULE`: the module whose type `module!` was given.
#[cfg(KERNEL_7_3)]
pub const fn this_module() -> &'static ThisModule {
    kernel::module::this_module::<crate::LocalModule>()
}

/// `THIS_MODULE`: the static that `module!` of 7.2 makes of it is private to the crate root.
#[cfg(not(KERNEL_7_3))]
pub const fn this_module() -> &'static ThisModule {
    #[allow(improper_ctypes)] // Only its address is taken.
    unsafe extern "C" {
        static __this_module: kernel::types::Opaque<bindings::module>;
    }

    static THIS_MODULE: ThisModule = {
        // SAFETY: modpost defines `__this_module` in every module. Only its address is taken here,
        // and the object lives for as long as any code of the module can run.
        unsafe { ThisModule::from_ptr(__this_module.get()) }
    };

    &THIS_MODULE
}

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
        // SAFETY: `this_module()` is this very module, whose code is running.
        unsafe { bindings::__module_get(this_module().as_ptr()) };
        Self(())
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `self` stands for one reference that `get` took and nobody else drops.
        unsafe { bindings::module_put(this_module().as_ptr()) };
    }
}
