// SPDX-License-Identifier: GPL-2.0
/*
 * What a process asks of the block layer: its ioctls, partitions, and I/O.
 * A part of loop_storm.c.
 */
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/blkzoned.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "loop_storm.h"

static int aio_queued;
static sigjmp_buf fault;

/* Within the devices mostly, else anywhere. */
static void any_range(uint64_t range[2])
{
	static const uint64_t odd[] = {
		1, 511, 513, 1ull << 20, 1ull << 32, 1ull << 62, 1ull << 63,
		-4096, -512, -1,
	};

	range[0] = below(256) * 4096;
	range[1] = (1 + below(16)) * 4096;
	if (once_in(6))
		range[below(2)] = PICK(odd);
}

void block_step(struct handle *h)
{
	static const unsigned int others[] = {
		BLKROGET, BLKGETSIZE, BLKRAGET, BLKFRASET, BLKFRAGET,
		BLKSECTGET, BLKSSZGET, BLKBSZGET, BLKGETSIZE64, BLKIOMIN,
		BLKIOOPT, BLKALIGNOFF, BLKPBSZGET, BLKDISCARDZEROES,
		BLKROTATIONAL, BLKGETDISKSEQ, BLKREPORTZONE, BLKRESETZONE,
		BLKGETZONESZ, BLKGETNRZONES,
		/* A CD's, a disk's and a socket's, and what is nobody's. */
		0x5309, 0x5331, 0x301, 0x2285, 0x8901, 0x12ff, 0,
	};
	bool compat = once_in(8);
	uint64_t range[2];
	int value;

	any_range(range);
	put(area, range, sizeof(range));
	switch (below(9)) {
	case 0:
		do_ioctl(CALL_BLKFLSBUF, h, BLKFLSBUF, 0, compat);
		break;
	case 1:
	case 2:
		do_ioctl(CALL_BLKDISCARD, h, BLKDISCARD, argument(), compat);
		break;
	case 3:
		do_ioctl(CALL_BLKSECDISCARD, h, BLKSECDISCARD, argument(),
			 compat);
		break;
	case 4:
	case 5:
		do_ioctl(CALL_BLKZEROOUT, h, BLKZEROOUT, argument(), compat);
		break;
	case 6:
		value = once_in(20);
		put(area, &value, sizeof(value));
		do_ioctl(CALL_BLKROSET, h, BLKROSET, argument(), compat);
		break;
	case 7:
		if (once_in(2)) {
			value = any_block_size();
			put(area, &value, sizeof(value));
			do_ioctl(CALL_BLKBSZSET, h, BLKBSZSET, argument(),
				 compat);
		} else {
			do_ioctl(CALL_BLKRASET, h, BLKRASET,
				 once_in(8) ? next() : below(4) * 128, compat);
		}
		break;
	default:
		do_ioctl(CALL_ANY_IOCTL, h, PICK(others), argument(), compat);
	}
}

void part_step(struct handle *h)
{
	static const long long lengths[] = {
		4096, 8192, 65536, 512, 0, 100, 1 << 30, -512,
	};
	struct blkpg_partition part = {
		.start = below(64) * 4096,
		.length = PICK(lengths),
		.pno = once_in(8) ? (int)next() : 1 + (int)below(3),
	};
	struct blkpg_ioctl_arg arg = {
		.op = once_in(10) ? (int)next() :
		      once_in(3) ? BLKPG_DEL_PARTITION :
		      once_in(4) ? BLKPG_RESIZE_PARTITION : BLKPG_ADD_PARTITION,
		.datalen = sizeof(part),
		.data = once_in(12) ? (void *)hostile_address() :
			area + sizeof(arg),
	};

	if (once_in(3)) {
		do_ioctl(CALL_BLKRRPART, h, BLKRRPART, 0, once_in(8));
		return;
	}
	put(area, &arg, sizeof(arg));
	put(area + sizeof(arg), &part, sizeof(part));
	do_ioctl(CALL_BLKPG, h, BLKPG, argument(), once_in(8));
}

void faulted(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

static void map_step(struct handle *h, off_t at, size_t length)
{
	bool write = once_in(2);
	volatile char *map;
	size_t i;
	char sum = 0;

	begin(CALL_MMAP, h->device, at);
	map = mmap(NULL, length, PROT_READ | (write ? PROT_WRITE : 0),
		   MAP_SHARED, h->fd, at / page * page);
	if (map == MAP_FAILED) {
		end(-1);
		return;
	}
	if (sigsetjmp(fault, 1)) {
		errno = EIO;
		end(-1);
	} else {
		for (i = 0; i < length; i += 512)
			if (write)
				map[i] = i;
			else
				sum += map[i];
		end(msync((void *)map, length, once_in(2) ? MS_SYNC :
			  MS_ASYNC));
	}
	munmap((void *)map, length);
}

/* Which may be killed, or close the device, while it is on its way. */
static void aio_step(struct handle *h)
{
	struct iocb cbs[NR_AIO] = {}, *list[NR_AIO];
	struct io_event events[NR_AIO];
	long ret;
	int i;

	if (aio_queued) {
		begin(CALL_AIO, -1, aio_queued);
		ret = end(syscall(SYS_io_getevents, aio,
				  once_in(2) ? aio_queued : 0, aio_queued,
				  events, NULL));
		if (ret > 0)
			aio_queued -= ret;
		return;
	}
	for (i = 0; i < NR_AIO; i++) {
		list[i] = &cbs[i];
		cbs[i].aio_fildes = h->fd;
		cbs[i].aio_lio_opcode = once_in(2) ? IOCB_CMD_PREAD :
					once_in(8) ? IOCB_CMD_FSYNC :
					IOCB_CMD_PWRITE;
		if (cbs[i].aio_lio_opcode == IOCB_CMD_FSYNC)
			continue;
		cbs[i].aio_buf = (unsigned long)buffer + i * 8192;
		cbs[i].aio_nbytes = 4096 << below(2);
		cbs[i].aio_offset = below(256) * 4096;
	}
	begin(CALL_AIO, h->device, 0);
	ret = end(syscall(SYS_io_submit, aio, NR_AIO, list));
	if (ret > 0)
		aio_queued = ret;
}

void io_step(struct handle *h)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE |
		FALLOC_FL_KEEP_SIZE, 0, FALLOC_FL_KEEP_SIZE, 0x7, -1,
	};
	size_t length = once_in(6) ? 512 * (1 + below(BUFFER / 512)) :
		      4096u << below(3);
	off_t at = below(once_in(2) ? 16 : 256) * 4096;

	if (once_in(4))
		bind_well(h, 0);
	if (once_in(20))
		at = any_offset();
	else if (once_in(12))
		at += below(4096);
	switch (below(12)) {
	case 0:
	case 1:
	case 2:
		begin(CALL_READ, h->device, at);
		end(pread(h->fd, buffer + (once_in(20) ? 4 : 0), length, at));
		break;
	case 3:
	case 4:
	case 5:
		begin(CALL_WRITE, h->device, at);
		end(pwrite(h->fd, once_in(30) ? (void *)hostile_address() :
			   buffer, length, at));
		break;
	case 6:
		begin(CALL_FSYNC, h->device, 0);
		end(once_in(2) ? fsync(h->fd) : fdatasync(h->fd));
		break;
	case 7:
		map_step(h, at & (BUFFER * 16 - 1), 4096 << below(3));
		break;
	case 8:
		begin(CALL_FALLOCATE, h->device, at);
		end(fallocate(h->fd, PICK(modes), at, length));
		break;
	default:
		aio_step(h);
	}
}

void file_step(void)
{
	static const off_t sizes[] = {
		0, 512, 65536, 100000, 300, 1 << 20, 1 << 20, 1 << 20, 1 << 20,
		1 << 20, 1 << 20, 1 << 20, 1 << 20, 2 << 20, 2 << 20,
	};
	int fd, n = below(NR_FILES);

	fd = open(file_path(n), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	begin(CALL_FILE, -1, n);
	switch (below(4)) {
	case 0:
		end(ftruncate(fd, PICK(sizes)));
		break;
	case 1:
		end(pwrite(fd, buffer, 4096, below(256) * 4096));
		break;
	case 2:
		end(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      below(256) * 4096, 8192));
		break;
	default:
		end(fsync(fd));
	}
	close(fd);
}
