// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes a file or block device and checks the content.
 *
 *	loop_io [-d] [-s] [-m OFFSET] [-b SIZE] FILE operation argument... [, ...]
 *
 * -d opens with O_DIRECT, -s with O_DSYNC; -m moves the buffer that many bytes
 * off the page boundary; -b is the size of one read or write (64K if not given).
 *
 * Content is a pattern: every 8 bytes are computed from a seed and from their
 * position, so that data found at the wrong place is noticed. Operations:
 *
 *	fill SEED OFFSET LENGTH [BASE]	writes the pattern; its position at
 *	check SEED OFFSET LENGTH [BASE]	OFFSET is BASE, else OFFSET; compares
 *	zero OFFSET LENGTH		compares with zeroes
 *	map-fill, map-check		the same through a shared mapping
 *	read OFFSET LENGTH [COUNT]	in one call, which has to do COUNT (else
 *	write OFFSET LENGTH [COUNT]	LENGTH) bytes
 *	fsync, fdatasync, flush		flush is BLKFLSBUF
 *	drop			writes back and drops what the page cache has
 *	cached COUNT		exactly COUNT pages of the file are in it; "some"
 *				is any number but none
 *	write-from FILE OFFSET LENGTH	from the mapped beginning of another file
 *	end LENGTH		lseek() finds the end there
 *	truncate LENGTH
 *	fallocate MODE OFFSET LENGTH	MODE as in linux/falloc.h
 *	late-fill SEED OFFSET LENGTH	through a shared mapping which is made
 *				writable only afterwards
 *	put TEXT		writes it in one call, to an attribute
 *	shutdown		has the filesystem let nothing be written any more
 *	comb OFFSET LENGTH	punches holes in every other 4K
 *	discard, zeroout OFFSET LENGTH	the ioctls of block devices
 *	hold COMMAND			runs a shell command with the file open
 *	map-hold OFFSET LENGTH COMMAND	and with its pages mapped
 *	no-errors COMMAND	the same; meanwhile its filesystem may not report
 *				an error (FAN_FS_ERROR)
 */
#include <fcntl.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "loop_test.h"

static const char *path;
static int flags = O_CLOEXEC;
static size_t mem_offset;
static size_t block = 65536;
static char *buf;
static int fd;

/* What XFS calls XFS_IOC_GOINGDOWN, ext4 EXT4_IOC_SHUTDOWN; it leaves the log as it is. */
#define IOC_SHUTDOWN	_IOR('X', 125, uint32_t)
#define SHUTDOWN_NOLOGFLUSH	2

static uint64_t pattern(uint64_t seed, uint64_t pos)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull ^ pos / 8;

	x ^= x >> 31;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 29;
	return x;
}

static uint8_t pattern_byte(uint64_t seed, uint64_t pos)
{
	return pattern(seed, pos) >> pos % 8 * 8;
}

static void pattern_fill(char *to, size_t len, uint64_t seed, uint64_t pos)
{
	size_t i = 0;

	while (i < len) {
		if ((pos + i) % 8 == 0 && len - i >= 8) {
			uint64_t x = pattern(seed, pos + i);

			memcpy(to + i, &x, 8);
			i += 8;
		} else {
			to[i] = pattern_byte(seed, pos + i);
			i++;
		}
	}
}

/* The first byte that is not as expected, or -1. */
static ssize_t pattern_differs(const char *is, size_t len, bool zero,
			       uint64_t seed, uint64_t pos)
{
	size_t i = 0;

	while (i < len) {
		if ((pos + i) % 8 == 0 && len - i >= 8) {
			uint64_t x = zero ? 0 : pattern(seed, pos + i);

			if (!memcmp(is + i, &x, 8)) {
				i += 8;
				continue;
			}
		}
		if ((uint8_t)is[i] != (zero ? 0 : pattern_byte(seed, pos + i)))
			return i;
		i++;
	}
	return -1;
}

static int differs(uint64_t at, uint64_t pos, const char *is, bool zero,
		   uint64_t seed)
{
	printf("%s: byte %llu is %#04x, expected %#04x\n", path,
	       (unsigned long long)at, (uint8_t)*is,
	       zero ? 0 : pattern_byte(seed, pos));
	return EILSEQ;
}

static int fill(uint64_t seed, uint64_t offset, uint64_t len, uint64_t base)
{
	while (len) {
		size_t n = len < block ? len : block;
		ssize_t done;

		pattern_fill(buf, n, seed, base);
		done = pwrite(fd, buf, n, offset);
		if (done < 0)
			return errno;
		if (!done)
			return ENODATA;
		offset += done;
		base += done;
		len -= done;
	}
	return 0;
}

static int check(bool zero, uint64_t seed, uint64_t offset, uint64_t len,
		 uint64_t base)
{
	while (len) {
		size_t n = len < block ? len : block;
		ssize_t done = pread(fd, buf, n, offset);
		ssize_t bad;

		if (done < 0)
			return errno;
		if (!done)
			return ENODATA;
		bad = pattern_differs(buf, done, zero, seed, base);
		if (bad >= 0)
			return differs(offset + bad, base + bad, buf + bad,
				       zero, seed);
		offset += done;
		base += done;
		len -= done;
	}
	return 0;
}

static int mapped(bool write, bool late, uint64_t seed, uint64_t offset,
		  uint64_t len)
{
	int prot = write ? PROT_READ | PROT_WRITE : PROT_READ;
	char *at = mmap(NULL, len, late ? PROT_READ : prot, MAP_SHARED, fd,
			offset);
	int err = 0;

	if (at == MAP_FAILED)
		return errno;
	if (late && mprotect(at, len, prot))
		return errno;
	if (write) {
		pattern_fill(at, len, seed, offset);
		if (msync(at, len, MS_SYNC))
			err = errno;
	} else {
		ssize_t bad = pattern_differs(at, len, false, seed, offset);

		if (bad >= 0)
			err = differs(offset + bad, offset + bad, at + bad,
				      false, seed);
	}
	munmap(at, len);
	return err;
}

static int map_hold(size_t offset, size_t len, const char *command)
{
	volatile char *at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, offset);
	size_t i;
	int err;

	if (at == MAP_FAILED)
		return errno;
	for (i = 0; i < len; i += 4096)
		at[i];
	err = system(command) ? EREMOTEIO : 0;
	munmap((void *)at, len);
	return err;
}

static int no_errors(const char *command)
{
	int group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID |
				  FAN_NONBLOCK, O_RDONLY);
	ssize_t len;

	if (group < 0 || fanotify_mark(group, FAN_MARK_ADD |
				       FAN_MARK_FILESYSTEM, FAN_FS_ERROR,
				       AT_FDCWD, path))
		return errno;
	if (system(command))
		return EREMOTEIO;
	/* They are reported by a work item. */
	sleep(1);
	len = read(group, buf, block);
	close(group);
	if (len > 0)
		printf("%s: its filesystem has reported an error\n", path);
	return len > 0 ? EIO : 0;
}

static int once(const struct op *op, bool write)
{
	uint64_t offset = number(op_arg(op, 0));
	size_t len = number(op_arg(op, 1));
	ssize_t want = op->argc > 2 ? number(op_arg(op, 2)) : len;
	ssize_t done;

	if (len > block)
		usage("%s: not more than -b at once", op->name);
	if (write)
		memset(buf, 0x5a, len);
	done = write ? pwrite(fd, buf, len, offset) :
		       pread(fd, buf, len, offset);
	if (done < 0)
		return errno;
	if (done != want) {
		printf("%s: %s at %llu did %zd bytes, expected %zd\n", path,
		       op->name, (unsigned long long)offset, done, want);
		return ENODATA;
	}
	return 0;
}

static int write_from(const char *file, uint64_t offset, size_t len)
{
	int from = open(file, O_RDONLY | O_CLOEXEC);
	char *at;
	ssize_t done;

	if (from < 0)
		return errno;
	at = mmap(NULL, len, PROT_READ, MAP_SHARED, from, 0);
	if (at == MAP_FAILED)
		return errno;
	done = pwrite(fd, at, len, offset);
	if (done < 0)
		return errno;
	return done == (ssize_t)len ? 0 : ENODATA;
}

static int end(off_t want)
{
	off_t found = lseek(fd, 0, SEEK_END);

	if (found < 0)
		return errno;
	if (found != want) {
		printf("%s: ends at %lld, expected %lld\n", path,
		       (long long)found, (long long)want);
		return EILSEQ;
	}
	return 0;
}

/* How many pages of the file the page cache has, or a negative error. */
static long pages_cached(void)
{
	long page = sysconf(_SC_PAGESIZE), n, i, found = 0;
	unsigned char *vec;
	struct stat st;
	void *at;

	if (fstat(fd, &st))
		return -errno;
	n = (st.st_size + page - 1) / page;
	at = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	vec = calloc(n, 1);
	if (at == MAP_FAILED || !vec)
		return -ENOMEM;
	if (mincore(at, st.st_size, vec))
		return -errno;
	for (i = 0; i < n; i++)
		found += vec[i] & 1;
	munmap(at, st.st_size);
	free(vec);
	return found;
}

static int cached(const char *want)
{
	long found = pages_cached();

	if (found < 0)
		return -found;
	if (strcmp(want, "some") ? found != (long)number(want) : !found) {
		printf("%s: %ld pages are cached, expected %s\n", path, found,
		       want);
		return EILSEQ;
	}
	return 0;
}

static int comb(uint64_t offset, uint64_t len)
{
	uint64_t pos;

	for (pos = offset; pos < offset + len; pos += 8192)
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      pos, 4096))
			return errno;
	return 0;
}

static int put(const char *text)
{
	ssize_t len = strlen(text);
	ssize_t done = write(fd, text, len);

	if (done < 0)
		return errno;
	return done == len ? 0 : ENODATA;
}

static int shut_down(void)
{
	uint32_t how = SHUTDOWN_NOLOGFLUSH;

	return ioctl(fd, IOC_SHUTDOWN, &how) ? errno : 0;
}

static int run(const struct op *op)
{
	const char *name = op->name;
	uint64_t n[4] = {};
	int i;

	if (!strcmp(name, "hold"))
		return system(op_arg(op, 0)) ? EREMOTEIO : 0;
	if (!strcmp(name, "map-hold"))
		return map_hold(number(op_arg(op, 0)), number(op_arg(op, 1)),
				op_arg(op, 2));
	if (!strcmp(name, "no-errors"))
		return no_errors(op_arg(op, 0));
	if (!strcmp(name, "cached"))
		return cached(op_arg(op, 0));
	if (!strcmp(name, "write-from"))
		return write_from(op_arg(op, 0), number(op_arg(op, 1)),
				  number(op_arg(op, 2)));
	if (!strcmp(name, "put"))
		return put(op_arg(op, 0));
	if (!strcmp(name, "shutdown"))
		return shut_down();
	for (i = 0; i < 4 && i < op->argc; i++)
		n[i] = number(op->argv[i]);
	if (!strcmp(name, "fill")) {
		op_arg(op, 2);
		return fill(n[0], n[1], n[2], op->argc > 3 ? n[3] : n[1]);
	}
	if (!strcmp(name, "check")) {
		op_arg(op, 2);
		return check(false, n[0], n[1], n[2],
			     op->argc > 3 ? n[3] : n[1]);
	}
	if (!strcmp(name, "zero")) {
		op_arg(op, 1);
		return check(true, 0, n[0], n[1], n[0]);
	}
	if (!strcmp(name, "map-fill") || !strcmp(name, "map-check") ||
	    !strcmp(name, "late-fill")) {
		op_arg(op, 2);
		return mapped(strcmp(name, "map-check"),
			      !strcmp(name, "late-fill"), n[0], n[1], n[2]);
	}
	if (!strcmp(name, "read") || !strcmp(name, "write"))
		return once(op, !strcmp(name, "write"));
	if (!strcmp(name, "fsync"))
		return fsync(fd) ? errno : 0;
	if (!strcmp(name, "drop"))
		return fsync(fd) ? errno :
		       posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (!strcmp(name, "fdatasync"))
		return fdatasync(fd) ? errno : 0;
	if (!strcmp(name, "flush"))
		return ioctl(fd, BLKFLSBUF, 0) ? errno : 0;
	if (!strcmp(name, "end")) {
		op_arg(op, 0);
		return end(n[0]);
	}
	if (!strcmp(name, "truncate")) {
		op_arg(op, 0);
		return ftruncate(fd, n[0]) ? errno : 0;
	}
	if (!strcmp(name, "fallocate")) {
		op_arg(op, 2);
		return fallocate(fd, n[0], n[1], n[2]) ? errno : 0;
	}
	if (!strcmp(name, "comb")) {
		op_arg(op, 1);
		return comb(n[0], n[1]);
	}
	if (!strcmp(name, "discard") || !strcmp(name, "zeroout")) {
		op_arg(op, 1);
		return ioctl(fd, !strcmp(name, "discard") ? BLKDISCARD :
			     BLKZEROOUT, n) ? errno : 0;
	}
	usage("%s: no such operation", name);
}

int main(int argc, char **argv)
{
	bool writes = false;
	bool ok = true;
	struct op op;
	int i, c;

	while ((c = getopt(argc, argv, "+db:m:s")) != -1) {
		if (c == 'd')
			flags |= O_DIRECT;
		else if (c == 's')
			flags |= O_DSYNC;
		else if (c == 'b')
			block = number(optarg);
		else if (c == 'm')
			mem_offset = number(optarg);
		else
			usage("loop_io [-d] [-s] [-m OFFSET] [-b SIZE] FILE ...");
	}
	argc -= optind;
	argv += optind;
	if (argc < 2)
		usage("loop_io [-d] [-s] [-m OFFSET] [-b SIZE] FILE OPERATION...");
	path = *argv;
	argc--;
	argv++;

	/* Opened for writing only if something writes: no udev event then. */
	for (i = 0; i < argc; i++) {
		const char *const readers[] = {
			"check", "zero", "map-check", "read", "hold", "cached",
			"map-hold", "shutdown", "no-errors", "end",
		};
		size_t j;

		if (i && strcmp(argv[i - 1], ","))
			continue;
		for (j = 0; j < sizeof(readers) / sizeof(readers[0]); j++)
			if (!strcmp(argv[i], readers[j]))
				break;
		if (j == sizeof(readers) / sizeof(readers[0]))
			writes = true;
	}
	if (posix_memalign((void **)&buf, 4096, block + mem_offset))
		usage("no memory");
	buf += mem_offset;
	fd = open(path, (writes ? O_RDWR : O_RDONLY) | flags);
	if (fd < 0) {
		printf("%s: open: %s\n", path, errno_name(errno));
		return TEST_FAIL;
	}

	while (ok && next_op(&argc, &argv, &op))
		ok = op_check(path, &op, run(&op));
	return ok ? 0 : TEST_FAIL;
}
