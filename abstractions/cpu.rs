// SPDX-License-Identifier: GPL-2.0

//! CPUs that come and go.
//!
//! C header: [`include/linux/cpu.h`](srctree/include/linux/cpu.h)

unsafe extern "C" {
    #[link_name = "rust_helper_cpu_hotplug_disable"]
    safe fn cpu_hotplug_disable();

    #[link_name = "rust_helper_cpu_hotplug_enable"]
    safe fn cpu_hotplug_enable();
}

/// While it exists, nobody takes a CPU down or brings one up: whoever asks for the former in sysfs gets `EBUSY`, the
/// latter is tried again for 620 ms.
///
/// Unlike `cpus_read_lock()` it can be held while something else takes that lock. It does not keep the system
/// from being suspended, which takes CPUs down after it has frozen the tasks, nor SMT from being switched on.
///
/// # Invariants
///
/// A value stands for one `cpu_hotplug_disable()` that nothing else undoes.
#[must_use = "CPUs may come and go again when this is dropped"]
pub struct HotplugDisabled(());

impl HotplugDisabled {
    /// Waits for a CPU that is coming or going, and has none follow. Process context; may sleep.
    ///
    /// C: `cpu_hotplug_disable()`
    pub fn new() -> Self {
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
