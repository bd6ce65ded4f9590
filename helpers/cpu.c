// SPDX-License-Identifier: GPL-2.0

#include <linux/cpu.h>

void rust_helper_cpu_hotplug_disable(void)
{
	cpu_hotplug_disable();
}

void rust_helper_cpu_hotplug_enable(void)
{
	cpu_hotplug_enable();
}
