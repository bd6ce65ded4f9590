// SPDX-License-Identifier: GPL-2.0
/*
 * Where the driver under test is meant to differ from the C driver. What is
 * said here is left out of the comparison, and nothing else.
 */
#include <string.h>
#include <sys/utsname.h>
#include "loop_diff.h"

static const struct {
	const char *name;
	const char *kernel;	/* only with that series; NULL with all */
	const char *reason;
} table[NR_KNOWN] = {
	[LOST_AT_CLR_FD] = {
		"lost-at-clr-fd", NULL,
		"LOOP_CLR_FD by the only opener loses dirty pages with C, so there are none: clr-fd syncs first",
	},
	[IO_IN_RUNDOWN] = {
		"io-in-rundown", NULL,
		"between LOOP_CLR_FD by the only opener and its close, C fails I/O, which is left out",
	},
	[REFUSED_CONFIGURE] = {
		"refused-configure", NULL,
		"a LOOP_CONFIGURE refused for its block size leaves C's device in disorder, so it is used no more",
	},
	[DMA_ALIGNMENT_CHANGE_FD] = {
		"dma-alignment-change-fd", NULL,
		"C keeps dma_alignment at LOOP_CHANGE_FD and sets it anew later; ours keeps it from bind to detach",
	},
	[DMA_ALIGNMENT_DIO] = {
		"dma-alignment-dio", "7.2",
		"C lets dma_alignment follow the mode, 7.2's not even that; ours has it for direct I/O from the bind on",
	},
	[READ_AHEAD_DIO] = {
		"read-ahead-dio", "7.2",
		"LOOP_SET_DIRECT_IO commits limits, which resets the read-ahead, but not with C 7.2; not looked at afterwards",
	},
	[COMPAT_PERMISSION] = {
		"compat-permission", "7.2",
		"C 7.2 lets anybody who can read do the 32-bit LOOP_SET_STATUS, which is not tried",
	},
	[PARTITION_CIRCLE] = {
		"partition-circle", NULL,
		"C does not notice circles by way of partitions of loop devices, which are not tried",
	},
	[LIMITS_LATER] = {
		"limits-later", NULL,
		"C takes limits back in the request that finds them wrong, the other when the queue can be frozen; waited for",
	},
	[TORN_SECTOR] = {
		"torn-sector", NULL,
		"C reads a sector that the file ends in as its first bytes over and over, instead of failing; no bound file is cut there",
	},
	[ADD_OVERFLOW] = {
		"add-overflow", NULL,
		"LOOP_CTL_ADD of a number whose minors do not exist fails with both, but C has used up a disk sequence number by then",
	},
	[SHORT_WRITE] = {
		"short-write", NULL,
		"C says that a short write was done, which a device has whose file is a loop device cut off below; no such file is cut",
	},
	[SMALL_BLOCKS] = {
		"small-blocks", NULL,
		"C refuses direct I/O, or drops it, where the file's takes larger blocks than the device has; ours does it, and that is not tried",
	},
	[PARTITIONS_CHANGE_FD] = {
		"partitions-change-fd", NULL,
		"C takes partitions away for a moment at LOOP_CHANGE_FD, or keeps what is cached of them; with partitions it is not tried",
	},
};

bool known(enum known which)
{
	static struct utsname name;
	const char *kernel = table[which].kernel;

	if (!name.release[0])
		uname(&name);
	return !kernel || (!strncmp(name.release, kernel, strlen(kernel)) &&
			   name.release[strlen(kernel)] == '.');
}

const char *known_name(enum known which)
{
	return table[which].name;
}

void known_print(void)
{
	int i;

	for (i = 0; i < NR_KNOWN; i++)
		printf("%s%s%s%s: %s\n", table[i].name,
		       table[i].kernel ? "[" : "",
		       table[i].kernel ? table[i].kernel : "",
		       table[i].kernel ? "]" : "", table[i].reason);
}
