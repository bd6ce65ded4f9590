// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>

/* Kbuild defines DRIVER_VERSION from the file VERSION. */
MODULE_VERSION(DRIVER_VERSION);
