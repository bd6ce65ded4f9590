// SPDX-License-Identifier: GPL-2.0

//! The page cache of a file that a block device is made of.
//!
//! C header: [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h)

use kernel::{bindings, fs::File, sync::aref::ARef};

#[allow(improper_ctypes)] // Kernel structures, only passed on by pointer.
extern "C" {
    fn rust_helper_gfp_io_fs() -> bindings::gfp_t;
    fn rust_helper_mapping_gfp_mask(mapping: *mut bindings::address_space) -> bindings::gfp_t;
    fn rust_helper_mapping_set_gfp_mask(
        mapping: *mut bindings::address_space,
        mask: bindings::gfp_t,
    );
}

/// Keeps memory reclaim out of the I/O and file-system paths while pages are allocated for a file's
/// page cache: where a block device is made of the file, reclaim may need that device, and would wait
/// for itself.
///
/// Takes `__GFP_IO` and `__GFP_FS` off the mapping's mask; dropping it restores the mask that it found,
/// so where there are several for one file, they should go in the reverse order.
pub struct NoFsRecursion {
    file: ARef<File>,
    old: bindings::gfp_t,
}

impl NoFsRecursion {
    /// Restricts the page cache of `file`. May be called from any context.
    pub fn new(file: &File) -> Self {
        let mapping = Self::mapping(file);
        // SAFETY: The mapping lives as long as the file.
        let old = unsafe { rust_helper_mapping_gfp_mask(mapping) };
        // SAFETY: As above.
        unsafe { rust_helper_mapping_set_gfp_mask(mapping, old & !rust_helper_gfp_io_fs()) };
        Self {
            file: file.into(),
            old,
        }
    }

    fn mapping(file: &File) -> *mut bindings::address_space {
        // SAFETY: `f_mapping` is set when the file is opened, and not changed after that.
        unsafe { (*file.as_ptr()).f_mapping }
    }
}

impl Drop for NoFsRecursion {
    fn drop(&mut self) {
        // SAFETY: The mapping lives as long as the file, to which `self` has a reference.
        unsafe { rust_helper_mapping_set_gfp_mask(Self::mapping(&self.file), self.old) };
    }
}
