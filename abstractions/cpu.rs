// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug.
//!
//! C header: [`include/linux/cpu.h`](srctree/include/linux/cpu.h)

unsafe extern "C" {
    #[link_name = "rust_helper_cpu_hotplug_disable"]
    safe fn cpu_hotplug_disable();

    #[link_name = "rust_helper_cpu_hotplug_enable"]
    safe fn cpu_hotplug_enable();
}

/// Disables CPU hotplug while it exists. Taking a CPU down in sysfs fails with `EBUSY`; bringing
/// one up is retried for 620 ms.
///
/// Unlike `cpus_read_lock()` it can be held while other code takes that lock. It does not prevent
/// suspend, which takes CPUs down after it has frozen the tasks, nor switching SMT on.
///
/// # Invariants
///
/// A value stands for one `cpu_hotplug_disable()` that nothing else undoes.
#[must_use = "CPUs may come and go again when this is dropped"]
pub struct HotplugDisabled(());

impl HotplugDisabled {
    /// Waits for a hotplug operation that is under way, and prevents further ones. Process context;
    /// may sleep.
    ///
    /// C: `cpu_hotplug_disable()`
    pub fn enter() -> Self {
        cpu_hotplug_disable();
        // INVARIANT: Disabled above; only `drop` enables it.
        Self(())
    }
}

impl Drop for HotplugDisabled {
    fn drop(&mut self) {
        cpu_hotplug_enable();
    }
}
