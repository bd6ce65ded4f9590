// SPDX-License-Identifier: GPL-2.0
/*
 * Several processes write, discard, zero and read random ranges of sectors of a
 * block device, past its page cache. What they may read is known: no two of them
 * are at the same sector at once, but at sectors beside each other all the time.
 *
 *	loop_rmw [-o] [-p PROCESSES] [-n OPERATIONS] [-r SEED] [-f FILE:OFFSET]
 *		 DEVICE OFFSET LENGTH
 *
 * Writes the range of the device, then OPERATIONS are done by each process, then
 * all is read again, from the device and from FILE, of which byte OFFSET is the
 * first of the device. OFFSET and LENGTH are multiples of 512; a half of the
 * operations is, in place and length, a multiple of 4096. With -o each operation
 * is a write of a block and one of a part of it, at the same time: what the part
 * has not is to be the block's.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "loop_test.h"

#define SECTOR		512
#define BLOCK		8
#define MAX_SECTORS	256

struct sector {
	/* Somebody is at it. */
	atomic_uint taken;
	/* Of how many writes this is the last one; 0 if it is zeroed. */
	uint32_t version;
};

static const char *path;
static int fd;
static uint64_t first, sectors;
static struct sector *model;
static atomic_uint *writes;
static uint64_t seed = 1;
static bool overlapping;

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static void make(uint64_t *to, uint64_t sector, uint32_t version)
{
	uint64_t state = seed ^ sector << 32 ^ version;
	size_t i;

	for (i = 0; i < SECTOR / 8; i++)
		to[i] = version ? next_random(&state) : 0;
	if (version) {
		to[0] = sector;
		to[1] = version;
	}
}

static bool is_right(const char *what, const void *data, uint64_t sector,
		     uint32_t version)
{
	uint64_t want[SECTOR / 8];
	const uint64_t *is = data;

	make(want, sector, version);
	if (!memcmp(want, data, SECTOR))
		return true;
	printf("%s: sector %llu is not version %u, but begins with %llu, %llu\n",
	       what, (unsigned long long)sector, version,
	       (unsigned long long)is[0], (unsigned long long)is[1]);
	return false;
}

static bool take(uint64_t at, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++) {
		unsigned int no = 0;

		if (atomic_compare_exchange_strong(&model[at + i].taken, &no, 1))
			continue;
		while (i--)
			atomic_store(&model[at + i].taken, 0);
		return false;
	}
	return true;
}

static void give(uint64_t at, uint64_t n)
{
	while (n--)
		atomic_store(&model[at + n].taken, 0);
}

static bool failed(const char *what, uint64_t at, uint64_t n, ssize_t done)
{
	printf("%s: %s of %llu sectors at %llu: %s\n", path, what,
	       (unsigned long long)n, (unsigned long long)at,
	       done < 0 ? errno_name(errno) : "short");
	return false;
}

static bool do_write(char *buf, uint64_t at, uint64_t n)
{
	uint32_t version = atomic_fetch_add(writes, 1) + 1;
	ssize_t done;
	uint64_t i;

	for (i = 0; i < n; i++)
		make((uint64_t *)(buf + i * SECTOR), at + i, version);
	done = pwrite(fd, buf, n * SECTOR, first + at * SECTOR);
	if (done != (ssize_t)(n * SECTOR))
		return failed("write", at, n, done);
	for (i = 0; i < n; i++)
		model[at + i].version = version;
	return true;
}

static bool do_read(char *buf, uint64_t at, uint64_t n)
{
	ssize_t done = pread(fd, buf, n * SECTOR, first + at * SECTOR);
	bool ok = true;
	uint64_t i;

	if (done != (ssize_t)(n * SECTOR))
		return failed("read", at, n, done);
	for (i = 0; i < n && ok; i++)
		ok = is_right(path, buf + i * SECTOR, at + i,
			      model[at + i].version);
	return ok;
}

/* What is discarded reads as zeroes on loop devices. */
static bool do_zero(char *buf, uint64_t at, uint64_t n, bool discard)
{
	uint64_t range[2] = { first + at * SECTOR, n * SECTOR };
	uint64_t i;

	if (ioctl(fd, discard ? BLKDISCARD : BLKZEROOUT, range)) {
		if (discard && errno == EOPNOTSUPP)
			return do_write(buf, at, n);
		return failed(discard ? "discard" : "zeroout", at, n, -1);
	}
	for (i = 0; i < n; i++)
		model[at + i].version = 0;
	return true;
}

struct part {
	char *buf;
	uint64_t at, n;
	useconds_t pause;
	ssize_t done;
};

static void *write_part(void *arg)
{
	struct part *part = arg;

	usleep(part->pause);
	part->done = pwrite(fd, part->buf, part->n * SECTOR,
			    first + part->at * SECTOR);
	return NULL;
}

static bool do_both(char *buf, uint64_t at, uint64_t *state)
{
	uint64_t r = next_random(state);
	uint32_t version = atomic_fetch_add(writes, 2) + 1;
	struct part part = {
		.buf = buf + BLOCK * SECTOR,
		.n = 1 + r % 3,
		.pause = (r >> 16) % 1000,
	};
	useconds_t pause = (r >> 32) % 1000;
	pthread_t thread;
	bool ok = true;
	uint64_t i;

	part.at = at + (r >> 8) % (BLOCK - part.n);
	for (i = 0; i < BLOCK; i++)
		make((uint64_t *)(buf + i * SECTOR), at + i, version);
	for (i = 0; i < part.n; i++)
		make((uint64_t *)(part.buf + i * SECTOR), part.at + i,
		     version + 1);
	if (pthread_create(&thread, NULL, write_part, &part))
		return false;
	usleep(pause);
	if (pwrite(fd, buf, BLOCK * SECTOR, first + at * SECTOR) !=
	    BLOCK * SECTOR)
		ok = failed("write", at, BLOCK, -1);
	pthread_join(thread, NULL);
	if (part.done != (ssize_t)(part.n * SECTOR))
		ok = failed("write", part.at, part.n, part.done);
	if (pread(fd, buf, BLOCK * SECTOR, first + at * SECTOR) !=
	    BLOCK * SECTOR)
		ok = failed("read", at, BLOCK, -1);
	for (i = 0; i < BLOCK && ok; i++) {
		bool both = at + i - part.at < part.n;
		uint64_t *is = (uint64_t *)(buf + i * SECTOR);

		model[at + i].version = both && is[1] == version + 1 ?
					version + 1 : version;
		ok = is_right(path, is, at + i, model[at + i].version);
	}
	return ok;
}

static bool work(unsigned int id, unsigned int count)
{
	uint64_t state = seed * 1000 + id;
	char *mem;

	if (posix_memalign((void **)&mem, 4096, (MAX_SECTORS + BLOCK) * SECTOR))
		return false;
	while (count) {
		uint64_t r = next_random(&state);
		uint64_t n = 1 + (r >> 8) % (r & 1 ? 3 * BLOCK : MAX_SECTORS);
		uint64_t at;
		/* Memory that begins at any sector. */
		char *buf = mem + (r >> 24) % BLOCK * SECTOR;
		bool ok;

		if (n > sectors)
			n = sectors;
		at = next_random(&state) % (sectors - n + 1);
		if (overlapping) {
			at &= ~(uint64_t)(BLOCK - 1);
			n = BLOCK;
			buf = mem;
		} else if (r & 2) {
			at &= ~(uint64_t)(BLOCK - 1);
			n &= ~(uint64_t)(BLOCK - 1);
			buf = r & 4 ? mem : buf;
		}
		if (!n || !take(at, n))
			continue;
		count--;
		if (overlapping) {
			if (!do_both(buf, at, &state))
				return false;
			give(at, n);
			continue;
		}
		switch ((r >> 32) % 16) {
		case 0:
			ok = do_zero(buf, at, n, true);
			break;
		case 1:
			ok = do_zero(buf, at, n, false);
			break;
		case 2:
			ok = !fdatasync(fd) || failed("sync", at, n, -1);
			break;
		case 3 ... 6:
			ok = do_read(buf, at, n);
			break;
		default:
			ok = do_write(buf, at, n);
		}
		if (!ok)
			return false;
		give(at, n);
	}
	return true;
}

static bool check_file(char *arg, char *buf)
{
	char *colon = strrchr(arg, ':');
	uint64_t at, offset;
	bool ok = true;
	int file;

	if (!colon)
		usage("-f FILE:OFFSET");
	*colon = 0;
	offset = number(colon + 1);
	file = open(arg, O_RDONLY | O_CLOEXEC);
	for (at = 0; ok && at < sectors; at++)
		ok = pread(file, buf, SECTOR, offset + first + at * SECTOR) ==
		     SECTOR && is_right(arg, buf, at, model[at].version);
	if (!ok)
		printf("%s: not as the device at %llu\n", arg,
		       (unsigned long long)at);
	return ok;
}

int main(int argc, char **argv)
{
	unsigned int processes = 4, count = 1000, i;
	char *file = NULL, *buf;
	bool ok = true;
	uint64_t at, n;
	int c, status;

	while ((c = getopt(argc, argv, "op:n:r:f:")) != -1) {
		if (c == 'o')
			overlapping = true;
		else if (c == 'p')
			processes = number(optarg);
		else if (c == 'n')
			count = number(optarg);
		else if (c == 'r')
			seed = number(optarg);
		else if (c == 'f')
			file = optarg;
		else
			return TEST_USAGE;
	}
	if (argc - optind != 3)
		usage("loop_rmw [-o] [-p PROCESSES] [-n OPERATIONS] [-r SEED] [-f FILE:OFFSET] DEVICE OFFSET LENGTH");
	path = argv[optind];
	first = number(argv[optind + 1]);
	sectors = number(argv[optind + 2]) / SECTOR;
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		printf("%s: open: %s\n", path, errno_name(errno));
		return TEST_FAIL;
	}
	writes = mmap(NULL, 4096 + sectors * sizeof(*model),
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (writes == MAP_FAILED ||
	    posix_memalign((void **)&buf, 4096, MAX_SECTORS * SECTOR))
		usage("no memory");
	model = (void *)((char *)writes + 4096);

	for (at = 0; at < sectors && ok; at += n) {
		n = sectors - at < MAX_SECTORS ? sectors - at : MAX_SECTORS;
		ok = do_write(buf, at, n);
	}
	for (i = 0; i < processes && ok; i++)
		if (!fork())
			exit(work(i, count) ? 0 : TEST_FAIL);
	while (wait(&status) > 0)
		ok &= status == 0;
	for (at = 0; at < sectors && ok; at += n) {
		n = sectors - at < MAX_SECTORS ? sectors - at : MAX_SECTORS;
		ok = do_read(buf, at, n);
	}
	if (ok && fsync(fd))
		ok = failed("fsync", 0, 0, -1);
	if (ok && file)
		ok = check_file(file, buf);
	printf("%u writes\n", atomic_load(writes));
	return ok ? 0 : TEST_FAIL;
}
