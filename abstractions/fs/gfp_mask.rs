// SPDX-License-Identifier: GPL-2.0

//! How pages of a file's page cache may be allocated (`mapping_gfp_mask()`).
//!
//! C header: [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h)

use super::FileExt;
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
/// page cache: if a block device is made of the file, reclaim may need that device, and would wait
/// for itself.
///
/// Takes `__GFP_IO` and `__GFP_FS` off the mapping's mask. Dropping it puts back the flags that it
/// took. If there are several for one file, dropping the one that took the flags ends the
/// restriction for all, and tasks that allocate for the others have to avoid I/O themselves
/// (`PF_MEMALLOC_NOIO`).
pub struct NoFsRecursion {
    file: ARef<File>,
    taken: bindings::gfp_t,
}

impl NoFsRecursion {
    /// Restricts the page cache of `file`. May be called from any context.
    pub fn new(file: &File) -> Self {
        let mapping = file.mapping().as_ptr();
        // SAFETY: The mapping lives as long as the file.
        let mask = unsafe { rust_helper_mapping_gfp_mask(mapping) };
        // SAFETY: No requirements.
        let taken = mask & unsafe { rust_helper_gfp_io_fs() };
        // SAFETY: The mapping lives as long as the file.
        unsafe { rust_helper_mapping_set_gfp_mask(mapping, mask & !taken) };
        Self {
            file: file.into(),
            taken,
        }
    }
}

impl Drop for NoFsRecursion {
    fn drop(&mut self) {
        let mapping = self.file.mapping().as_ptr();
        // SAFETY: The mapping lives as long as the file, to which `self` has a reference.
        unsafe {
            let mask = rust_helper_mapping_gfp_mask(mapping);
            rust_helper_mapping_set_gfp_mask(mapping, mask | self.taken);
        }
    }
}
