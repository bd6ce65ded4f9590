// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and macros of the kernel's headers, as functions that
 * abstractions/ can call. Each file mirrors one in rust/helpers/.
 */

#include "blk-mq.c"
#include "block.c"
#include "cgroup.c"
#include "cpu.c"
#include "fs.c"
#include "mutex.c"
#include "ratelimit.c"
#ifdef FILE_EXTENTS
#include "swap.c"
#endif
#include "task.c"
#ifdef FILE_EXTENTS
#include "wait_bit.c"
#endif
