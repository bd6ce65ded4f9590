// SPDX-License-Identifier: GPL-2.0
/*
 * Submits reads of a block device in one call, with O_DIRECT.
 *
 *	loop_batch DEVICE
 *
 * 32 reads, 256K apart, from 128K on: 64K with the I/O priority "rt,2", then 4K with "be,6", in turn.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/aio_abi.h>
#include <linux/ioprio.h>
#include <sys/syscall.h>
#include "loop_test.h"

#define READS	32
#define STEP	(256 << 10)
#define LARGE	(64 << 10)
#define SMALL	4096

int main(int argc, char **argv)
{
	struct iocb iocbs[READS] = { 0 }, *batch[READS];
	struct io_event events[READS];
	aio_context_t context = 0;
	int i, fd;
	void *buf;

	if (argc != 2)
		usage("loop_batch DEVICE");
	fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || posix_memalign(&buf, 4096, READS * LARGE) ||
	    syscall(SYS_io_setup, READS, &context)) {
		perror(argv[1]);
		return TEST_FAIL;
	}
	for (i = 0; i < READS; i++) {
		iocbs[i].aio_lio_opcode = IOCB_CMD_PREAD;
		iocbs[i].aio_flags = IOCB_FLAG_IOPRIO;
		iocbs[i].aio_fildes = fd;
		iocbs[i].aio_offset = (uint64_t)i * STEP + STEP / 2;
		iocbs[i].aio_buf = (uintptr_t)buf + (uint64_t)i * LARGE;
		iocbs[i].aio_nbytes = i % 2 ? SMALL : LARGE;
		iocbs[i].aio_reqprio = i % 2 ?
			IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6) :
			IOPRIO_PRIO_VALUE(IOPRIO_CLASS_RT, 2);
		batch[i] = &iocbs[i];
	}
	if (syscall(SYS_io_submit, context, READS, batch) != READS ||
	    syscall(SYS_io_getevents, context, READS, READS, events, NULL) != READS) {
		perror("aio");
		return TEST_FAIL;
	}
	for (i = 0; i < READS; i++) {
		const struct iocb *iocb = (void *)(uintptr_t)events[i].obj;

		if (events[i].res != (int64_t)iocb->aio_nbytes) {
			printf("read at %lld: %lld\n", (long long)iocb->aio_offset,
			       (long long)events[i].res);
			return TEST_FAIL;
		}
	}
	return 0;
}
