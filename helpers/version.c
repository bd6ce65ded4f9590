// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>

/* Kbuild takes it from the file VERSION. */
MODULE_VERSION(DRIVER_VERSION);
