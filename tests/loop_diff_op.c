// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of the differential run. A line is
 *
 *	ACTOR OPERATION [hN] ARGUMENT...
 *
 * where hN is a handle: a device that this actor has opened under that name.
 * An operation on a handle that is not open does nothing, so that any line can
 * be taken out of a sequence.
 *
 * Devices are d0 to d3, with partitions d0p1 and so on. Backing files are f0 to
 * f3, b0 to b2 (block devices), devices, or one of the odd ones below; "r:",
 * "w:", "rd:", "d:" and "p:" before it are as in loop_ioctl.
 */
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/blkpg.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include "loop_abi.h"
#include "loop_diff.h"

#define MAX_TRANSFER	(256 << 10)
#define LEFT_OUT(which)	(left_out = known_name(which), 0)

static struct handle *handles;	/* of this actor */
static char *result;
static const char *left_out;
static sigjmp_buf bus_error;

__attribute__((format(printf, 1, 2)))
static void say(const char *fmt, ...)
{
	size_t len = strlen(result);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(result + len, MAX_RESULT - len, fmt, ap);
	va_end(ap);
}

void fill_pattern(void *buf, size_t len, uint64_t seed, uint64_t offset)
{
	unsigned char *p = buf;
	size_t i;

	/* So that data shows where it belongs, and whose it is. */
	for (i = 0; i < len; i++, offset++) {
		uint64_t x = (seed + offset / 8) * 0x9e3779b97f4a7c15;

		x ^= x >> 29;
		if (!(offset % 8) && len - i >= 8) {
			memcpy(p + i, &x, 8);
			i += 7;
			offset += 7;
		} else {
			p[i] = x >> offset % 8 * 8;
		}
	}
}

uint64_t sum(const void *buf, size_t len, uint64_t h)
{
	const unsigned char *p = buf;
	uint64_t x;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&x, p, 8);
		h = (h ^ x) * 0x100000001b3;
		h ^= h >> 31;
	}
	for (; len; len--, p++)
		h = (h ^ *p) * 0x100000001b3;
	return h;
}

/* The path of d0, d0p1, f0, b0; NULL if there is no such thing. */
const char *file_path_of(const char *name)
{
	static char path[PATH_MAX];
	int n, part;
	char end;

	if (sscanf(name, "d%dp%d%c", &n, &part, &end) == 2)
		snprintf(path, sizeof(path), "/dev/loop%dp%d", n, part);
	else if (sscanf(name, "d%d%c", &n, &end) == 1)
		snprintf(path, sizeof(path), NODES "/loop%d", n);
	else if (sscanf(name, "f%d%c", &n, &end) == 1 && n < NR_FILES &&
		 shared->files[n][0])
		return shared->files[n];
	else if (sscanf(name, "b%d%c", &n, &end) == 1)
		snprintf(path, sizeof(path), NODES "/disk%d", n);
	else
		return NULL;
	return path;
}

/* The descriptor to pass as the backing file, or an error. */
static int backing_fd(const char *spec)
{
	const char *path = spec;
	int flags;
	int pair[2];
	int fd;

	if (prefixed(spec, "fd:", &path))
		return (int)strtol(path, NULL, 0);
	flags = file_flags(spec, &path);

	if (!strcmp(path, "pipe") || !strcmp(path, "socket")) {
		if (*path == 'p' ? pipe(pair) :
				   socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			return -errno;
		close(pair[1]);
		return pair[0];
	}
	if (!strcmp(path, "event"))
		fd = eventfd(0, 0);
	else if (!strcmp(path, "memfd")) {
		fd = memfd_create("loop", 0);
		if (fd >= 0 && ftruncate(fd, 65536))
			exit(TEST_FAIL);
	} else if (!strcmp(path, "dir"))
		fd = open(ROOT "/tmpfs", flags & O_PATH);
	else if (!strcmp(path, "fifo"))
		fd = open(ROOT "/tmpfs/fifo", flags & ~O_DIRECT);
	else if (!strcmp(path, "char"))
		fd = open("/dev/zero", flags);
	else if (!strcmp(path, "control"))
		fd = open("/dev/loop-control", flags);
	else if (!strcmp(path, "proc"))
		fd = open("/proc/self/stat", O_RDONLY | (flags & O_PATH));
	else if (file_path_of(path))
		fd = open(file_path_of(path), flags);
	else
		fd = -1, errno = ENOENT;
	return fd < 0 ? -errno : fd;
}

static void backing_close(const char *spec, int fd)
{
	if (strncmp(spec, "fd:", 3))
		close(fd);
}

/* The number of the device that a path names, of itself or of a partition. */
static int device_of_path(const char *path, bool *part)
{
	const char *name = strstr(path, "/loop");
	int n, p;

	if (!name || strstr(path, "/tmpfs/") || sscanf(name, "/loop%d", &n) != 1)
		return -1;
	if (part && sscanf(name, "/loop%dp%d", &n, &p) == 2)
		*part = true;
	return n;
}

/* The backing file of a device as sysfs shows it. */
static bool backing_path(int device, char *buf, size_t size)
{
	return sysfs_read(buf, size, "/sys/block/loop%d/loop/backing_file",
			  device) > 0;
}

/* Whether @device on @spec would be a circle that goes through a partition. */
static bool partition_circle(int device, const char *spec)
{
	const char *name = strchr(spec, ':') ? strchr(spec, ':') + 1 : spec;
	const char *start = file_path_of(name);
	char path[PATH_MAX];
	bool part = false;
	int n, depth;

	if (!start)
		return false;
	snprintf(path, sizeof(path), "%s", start);
	for (depth = 0; depth < 8; depth++) {
		n = device_of_path(path, &part);
		if (n < 0)
			return false;
		if (n == device)
			return part;
		if (!backing_path(n, path, sizeof(path)))
			return false;
	}
	return part;
}

/* Asked to let go of its file, but still open. */
static bool in_rundown(const struct handle *h)
{
	struct loop_info64 info;
	char path[PATH_MAX];

	return h->device >= 0 && ioctl(h->fd, LOOP_GET_STATUS64, &info) &&
	       errno == ENXIO && backing_path(h->device, path, sizeof(path));
}

static bool direct_device(int device)
{
	char dio[16];

	return sysfs_read(dio, sizeof(dio), "/sys/block/loop%d/loop/dio",
			  device) > 0 && dio[0] == '1';
}

/* The blocks that direct I/O on an open file takes; 0 if it is not known. */
static unsigned int dio_align(int fd)
{
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) ||
	    !(st.stx_mask & STATX_DIOALIGN))
		return 0;
	return st.stx_dio_offset_align;
}

static bool is_direct_fd(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_DIRECT;
}

static unsigned int block_size_of(int device)
{
	char size[16] = "";

	sysfs_read(size, sizeof(size), "/sys/block/loop%d/queue/logical_block_size",
		   device);
	return strtoul(size, NULL, 10);
}

static long loop_ioctl(const struct op *op, struct handle *h,
		       unsigned long cmd, unsigned long arg)
{
	long ret;
	int i;

	for (i = 0; i < op->argc; i++)
		if (!strcmp(op->argv[i], "compat"))
			return syscall32(54, h->fd, cmd, arg);
	ret = ioctl(h->fd, cmd, arg);
	return ret < 0 ? -errno : ret;
}

static bool is_compat(const struct op *op)
{
	int i;

	for (i = 0; i < op->argc; i++)
		if (!strcmp(op->argv[i], "compat"))
			return true;
	return false;
}

static bool has_sys_admin(void)
{
	return handles != shared->handles[NR_ACTORS - 1];
}

static long do_open(const struct op *op)
{
	const char *name = op_arg(op, 1), *mode = op_arg(op, 2);
	bool r = strchr(mode, 'r'), w = strchr(mode, 'w');
	int flags = r && w ? O_RDWR : w ? O_WRONLY : O_RDONLY;
	struct handle *h;
	int n, slot, fd;

	if (sscanf(op_arg(op, 0), "h%d", &slot) != 1 || slot >= NR_HANDLES)
		usage("%s", op_arg(op, 0));
	h = &handles[slot];
	if (h->fd >= 0)
		return -EEXIST;
	if (strchr(mode, 'x'))
		flags |= O_EXCL;
	if (strchr(mode, 'n'))
		flags |= O_NONBLOCK;
	if (strchr(mode, 'd'))
		flags |= O_DIRECT;
	if (!file_path_of(name) || sscanf(name, "d%d", &n) != 1)
		usage("open %s", name);
	shared->device = n;
	if (n < NR_DEVICES && shared->abandoned[n])
		return LEFT_OUT(REFUSED_CONFIGURE);
	fd = open(file_path_of(name), flags);
	if (fd < 0)
		return -errno;
	/* What is read ahead arrives some time. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	h->fd = fd;
	h->device = n;
	h->part = strchr(name, 'p');
	h->write = w;
	return 0;
}

static unsigned long long diskseq_of(int device)
{
	char buf[32];

	sysfs_read(buf, sizeof(buf), "/sys/block/loop%d/diskseq", device);
	return strtoull(buf, NULL, 10);
}

/* Takes the sequence number that C's device was given out of the count. */
static void abandon(int device, unsigned long long diskseq_before)
{
	unsigned long long n = diskseq_of(device);

	say("(%s) ", known_name(REFUSED_CONFIGURE));
	shared->abandoned[device] = true;
	if (n != diskseq_before && shared->nr_skipped < MAX_LINES)
		shared->skipped[shared->nr_skipped++] = n;
}

static bool refused_for_block_size(const struct op *op)
{
	char *v = op_value(op, "block_size");
	uint32_t size = v ? number(v) : 0;

	return size && (size < 512 || size > 65536 || size & (size - 1));
}

static long do_configure(const struct op *op, struct handle *h)
{
	const char *spec = op_arg(op, 0);
	unsigned long long diskseq = diskseq_of(h->device);
	void *at = place(op, sizeof(struct loop_config));
	struct loop_config config;
	char path[PATH_MAX], *v;
	unsigned int align;
	bool bound;
	long ret;

	if (partition_circle(h->device, spec))
		return LEFT_OUT(PARTITION_CIRCLE);
	memset(&config, 0, sizeof(config));
	ret = backing_fd(spec);
	if (ret < 0 && strncmp(spec, "fd:", 3)) {
		say("backing ");
		return ret;
	}
	config.fd = ret;
	if ((v = op_value(op, "block_size")))
		config.block_size = number(v);
	if ((v = op_value(op, "reserved")))
		config.__reserved[0] = config.__reserved[7] = number(v);
	fill_info(op, &config.info);
	if (config.block_size && config.block_size < dio_align(ret) &&
	    (is_direct_fd(ret) || config.info.lo_flags & LO_FLAGS_DIRECT_IO) &&
	    known(SMALL_BLOCKS)) {
		backing_close(spec, config.fd);
		return LEFT_OUT(SMALL_BLOCKS);
	}
	align = dio_align(ret);
	put(at, &config, sizeof(config));
	bound = backing_path(h->device, path, sizeof(path));
	ret = loop_ioctl(op, h, LOOP_CONFIGURE, (unsigned long)at);
	if (ret == -EINVAL && !bound && refused_for_block_size(op) &&
	    known(REFUSED_CONFIGURE))
		abandon(h->device, diskseq);
	if (!ret) {
		shared->changed_fd[h->device] = shared->set_dio[h->device] =
			false;
		shared->dio_align[h->device] = align;
	}
	backing_close(spec, config.fd);
	return ret;
}

static long do_with_file(const struct op *op, struct handle *h,
			 unsigned long cmd)
{
	const char *spec = op_arg(op, 0);
	unsigned int align;
	long fd, ret;

	if (partition_circle(h->device, spec))
		return LEFT_OUT(PARTITION_CIRCLE);
	fd = backing_fd(spec);
	if (fd < 0 && strncmp(spec, "fd:", 3)) {
		say("backing ");
		return fd;
	}
	align = dio_align(fd);
	if (cmd == LOOP_CHANGE_FD && block_size_of(h->device) < align &&
	    (direct_device(h->device) || is_direct_fd(fd)) &&
	    known(SMALL_BLOCKS)) {
		backing_close(spec, fd);
		return LEFT_OUT(SMALL_BLOCKS);
	}
	ret = loop_ioctl(op, h, cmd, fd);
	if (!ret) {
		shared->changed_fd[h->device] = cmd == LOOP_CHANGE_FD;
		shared->dio_align[h->device] = align;
	}
	backing_close(spec, fd);
	return ret;
}

static long do_clr_fd(const struct op *op, struct handle *h)
{
	if (known(LOST_AT_CLR_FD) && !in_rundown(h))
		fsync(h->fd);
	return loop_ioctl(op, h, LOOP_CLR_FD, 0);
}

static bool lacks_compat_permission(const struct op *op, const struct handle *h)
{
	return is_compat(op) && !h->write && !has_sys_admin() &&
	       known(COMPAT_PERMISSION);
}

static long do_set_status(const struct op *op, struct handle *h, bool old)
{
	union {
		struct loop_info64 info;
		struct loop_info old;
		struct loop_info_compat compat;
	} u;
	bool compat = is_compat(op);
	struct loop_info64 info;
	size_t size;
	void *at;

	if (old && lacks_compat_permission(op, h))
		return LEFT_OUT(COMPAT_PERMISSION);
	memset(&info, 0, sizeof(info));
	if (op_value(op, "keep"))
		ioctl(h->fd, LOOP_GET_STATUS64, &info);
	fill_info(op, &info);
	if (!old) {
		u.info = info;
		size = sizeof(u.info);
	} else if (compat) {
		to_compat(&info, &u.compat);
		size = sizeof(u.compat);
	} else {
		to_old(&info, &u.old);
		size = sizeof(u.old);
	}
	at = place(op, size);
	put(at, &u, size);
	return loop_ioctl(op, h, old ? LOOP_SET_STATUS : LOOP_SET_STATUS64,
			  (unsigned long)at);
}

/* What comes is seen in the trace of the state; here it is how it comes. */
static long do_get_status(const struct op *op, struct handle *h, bool old)
{
	size_t size = !old ? sizeof(struct loop_info64) :
		      is_compat(op) ? sizeof(struct loop_info_compat) :
		      sizeof(struct loop_info);
	char buf[sizeof(struct loop_info64)];
	char *at = place(op, size);
	long ret;

	memset(buf, 0xa5, size);
	put(at, buf, size);
	ret = loop_ioctl(op, h, old ? LOOP_GET_STATUS : LOOP_GET_STATUS64,
			 (unsigned long)at);
	if (at == area) {
		struct loop_info_compat *compat = (void *)area;
		struct loop_info *info = (void *)area;
		size_t written = size;

		while (written && (unsigned char)at[written - 1] == 0xa5)
			written--;
		say("written=%zu ", written);
		if (ret >= 0 && old && is_compat(op))
			say("offset=%d flags=%d name=%.64s ", compat->lo_offset,
			    compat->lo_flags, compat->lo_name);
		else if (ret >= 0 && old)
			say("offset=%d flags=%d name=%.64s ", info->lo_offset,
			    info->lo_flags, info->lo_name);
	}
	return ret;
}

/* Whether the first minor of a device of that number is more than an int has. */
static bool minor_overflows(int device)
{
	unsigned int parts;
	char buf[32];

	sysfs_read(buf, sizeof(buf), "/sys/module/loop/parameters/max_part");
	parts = strtoul(buf, NULL, 10) + 1;
	return device > 0 && (unsigned int)device > INT_MAX / parts;
}

static long do_control(const struct op *op, unsigned long cmd)
{
	long ret, arg = op->argc ? strtol(op->argv[0], NULL, 0) : 0;
	int fd;

	if (cmd == LOOP_CTL_REMOVE && arg >= 0 && arg < NR_DEVICES &&
	    shared->abandoned[arg])
		return LEFT_OUT(REFUSED_CONFIGURE);
	if (cmd == LOOP_CTL_ADD && minor_overflows(arg) && known(ADD_OVERFLOW))
		return LEFT_OUT(ADD_OVERFLOW);
	fd = open("/dev/loop-control", O_RDWR);
	if (fd < 0)
		return -errno;
	if (is_compat(op)) {
		ret = syscall32(54, fd, cmd, arg);
	} else {
		ret = ioctl(fd, cmd, arg);
		ret = ret < 0 ? -errno : ret;
	}
	close(fd);
	if (ret >= 0)
		say("%ld ", ret);
	return ret;
}

/* Waits for limits that are about to be taken back; see loop_diff_known.c. */
static void await_limits(int device)
{
	char path[PATH_MAX], limit[64];
	int depth, n, tries;

	/* The file is below the lowest of stacked devices. */
	for (depth = 0; depth < 8; depth++) {
		if (!backing_path(device, path, sizeof(path)))
			return;
		n = device_of_path(path, NULL);
		if (n < 0)
			break;
		device = n;
	}
	if (!strstr(path, ROOT "/tmpfs/"))
		return;
	for (tries = 0; tries < 2000; tries++) {
		sysfs_read(limit, sizeof(limit),
			   "/sys/block/loop%d/queue/write_zeroes_max_bytes",
			   device);
		if (!strcmp(limit, "0"))
			return;
		usleep(1000);
	}
}

static long do_range(const struct op *op, struct handle *h, unsigned long cmd)
{
	uint64_t range[2] = { number(op_arg(op, 0)), number(op_arg(op, 1)) };
	void *at = place(op, sizeof(range));
	long ret;

	put(at, range, sizeof(range));
	ret = ioctl(h->fd, cmd, at) ? -errno : 0;
	if (!ret && range[1] && cmd == BLKZEROOUT && known(LIMITS_LATER))
		await_limits(h->device);
	return ret;
}

static long do_fallocate(const struct op *op, struct handle *h)
{
	int mode = number(op_arg(op, 0));
	long ret;

	ret = fallocate(h->fd, mode, number(op_arg(op, 1)),
			number(op_arg(op, 2))) ? -errno : 0;
	if (!ret && mode & FALLOC_FL_ZERO_RANGE && known(LIMITS_LATER))
		await_limits(h->device);
	return ret;
}

static long do_blkpg(const struct op *op, struct handle *h, int what)
{
	struct blkpg_partition part = {
		.pno = (int)strtol(op_arg(op, 0), NULL, 0),
		.start = op->argc > 1 ? number(op->argv[1]) : 0,
		.length = op->argc > 2 ? number(op->argv[2]) : 0,
	};
	struct blkpg_ioctl_arg arg = {
		.op = what,
		.datalen = sizeof(part),
		.data = &part,
	};

	return ioctl(h->fd, BLKPG, &arg) ? -errno : 0;
}

static long do_transfer(const struct op *op, struct handle *h, bool write)
{
	uint64_t offset = number(op_arg(op, 0));
	size_t length = number(op_arg(op, 1));
	char *v = op_value(op, "mem");
	size_t odd = v ? number(v) : 0;
	static char *buf;
	ssize_t done;

	if (odd && known(DMA_ALIGNMENT_DIO) && direct_device(h->device))
		return LEFT_OUT(DMA_ALIGNMENT_DIO);
	if (odd && shared->changed_fd[h->device] &&
	    known(DMA_ALIGNMENT_CHANGE_FD))
		return LEFT_OUT(DMA_ALIGNMENT_CHANGE_FD);
	if (!buf && posix_memalign((void **)&buf, 65536, MAX_TRANSFER + 4096))
		exit(TEST_FAIL);
	if (length > MAX_TRANSFER)
		length = MAX_TRANSFER;
	if (write)
		fill_pattern(buf + odd, length,
			     op->argc > 2 ? number(op->argv[2]) : 0, offset);
	done = write ? pwrite(h->fd, buf + odd, length, offset) :
		       pread(h->fd, buf + odd, length, offset);
	if (done < 0)
		return -errno;
	say("%zd ", done);
	if (!write)
		say("sum=%016llx ",
		    (unsigned long long)sum(buf + odd, done, 0));
	return 0;
}

static void bus_error_handler(int sig)
{
	(void)sig;
	siglongjmp(bus_error, 1);
}

/* Reads and changes mapped pages, which there may be nothing behind. */
static void touch_pages(char *at, size_t length, uint64_t seed, uint64_t offset)
{
	signal(SIGBUS, bus_error_handler);
	if (!sigsetjmp(bus_error, 1)) {
		say("sum=%016llx ", (unsigned long long)sum(at, length, 0));
		fill_pattern(at, length, seed, offset);
	} else {
		say("SIGBUS ");
	}
	signal(SIGBUS, SIG_DFL);
}

static long do_mmap(const struct op *op, struct handle *h)
{
	uint64_t offset = number(op_arg(op, 0)) & ~(uint64_t)(page - 1);
	size_t length = number(op_arg(op, 1));
	char *at;

	if (!length || length > MAX_TRANSFER)
		return -EINVAL;
	at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd,
		  offset);
	if (at == MAP_FAILED)
		return -errno;
	madvise(at, length, MADV_RANDOM);
	touch_pages(at, length, number(op_arg(op, 2)), offset);
	munmap(at, length);
	return 0;
}

static bool is_bound(const char *file)
{
	char path[PATH_MAX];
	int n;

	for (n = 0; n < NR_DEVICES; n++)
		if (backing_path(n, path, sizeof(path)) && !strcmp(path, file))
			return true;
	return false;
}

static bool any_nested(void)
{
	char path[PATH_MAX];
	bool part;
	int n;

	for (n = 0; n < NR_DEVICES; n++)
		if (backing_path(n, path, sizeof(path)) &&
		    device_of_path(path, &part) >= 0)
			return true;
	return false;
}

/* Changes, or reads, a backing file without the device. */
static long do_file(const struct op *op)
{
	const char *path = file_path_of(op_arg(op, 0));
	static char buf[MAX_TRANSFER];
	const char *name = op->name;
	size_t length;
	long ret = 0;
	int fd;

	if (!path)
		return -ENOENT;
	if (!strcmp(name, "ftruncate") && number(op_arg(op, 1)) % 512 &&
	    is_bound(path) && known(TORN_SECTOR))
		return LEFT_OUT(TORN_SECTOR);
	if (!strcmp(name, "ftruncate") && is_bound(path) && any_nested() &&
	    known(SHORT_WRITE))
		return LEFT_OUT(SHORT_WRITE);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	if (!strcmp(name, "ftruncate")) {
		ret = ftruncate(fd, number(op_arg(op, 1))) ? -errno : 0;
	} else if (!strcmp(name, "fwrite")) {
		length = number(op_arg(op, 2));
		if (length > sizeof(buf))
			length = sizeof(buf);
		fill_pattern(buf, length, number(op_arg(op, 3)),
			     number(op_arg(op, 1)));
		ret = pwrite(fd, buf, length, number(op_arg(op, 1)));
	} else {
		ret = pread(fd, buf, sizeof(buf), 0);
		if (ret >= 0)
			say("sum=%016llx ",
			    (unsigned long long)sum(buf, ret, 0));
	}
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static void put_mbr_entry(unsigned char *entry, unsigned int start,
			  unsigned int sectors)
{
	memset(entry, 0, 16);
	entry[4] = 0x83;
	memcpy(entry + 8, &start, 4);
	memcpy(entry + 12, &sectors, 4);
}

/*
 * table TARGET NUMBER: an MBR through the device or in the file; which
 * partitions it has depends on the number, 0 is none.
 */
static long do_table(const struct op *op, struct handle *h)
{
	static unsigned char sector[4096] __attribute__((aligned(4096)));
	unsigned int n = number(op_arg(op, h ? 0 : 1)), i;
	const char *path;
	ssize_t done;
	int fd;

	memset(sector, 0, sizeof(sector));
	for (i = 0; i < n % 5; i++)
		put_mbr_entry(sector + 446 + 16 * i, 8 + 64 * i + n / 5,
			      8 + n % 7 * 8);
	if (n) {
		sector[510] = 0x55;
		sector[511] = 0xaa;
	}
	if (h) {
		done = pwrite(h->fd, sector, sizeof(sector), 0);
		return done < 0 ? -errno : 0;
	}
	path = file_path_of(op_arg(op, 0));
	fd = path ? open(path, O_RDWR) : -1;
	if (fd < 0)
		return -ENOENT;
	done = pwrite(fd, sector, sizeof(sector),
		      op->argc > 2 ? number(op->argv[2]) : 0);
	close(fd);
	return done < 0 ? -errno : 0;
}

/* attr dN PATH VALUE...: writes an attribute below /sys/block/loopN. */
static long do_attribute(const struct op *op)
{
	char value[MAX_LINE] = "";
	char path[PATH_MAX];
	long ret = 0;
	int fd, n, i;

	for (i = 2; i < op->argc; i++)
		snprintf(value + strlen(value), sizeof(value) - strlen(value),
			 "%s%s", i > 2 ? " " : "", op->argv[i]);
	if (sscanf(op_arg(op, 0), "d%d", &n) != 1)
		usage("attr %s", op_arg(op, 0));
	shared->device = n;
	if (n < NR_DEVICES && shared->abandoned[n])
		return LEFT_OUT(REFUSED_CONFIGURE);
	snprintf(path, sizeof(path), "/sys/block/loop%d/%s", n, op_arg(op, 1));
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static long do_plain_ioctl(const struct op *op, struct handle *h)
{
	unsigned long cmd = number(op_arg(op, 0));

	if (cmd == LOOP_SET_STATUS && lacks_compat_permission(op, h))
		return LEFT_OUT(COMPAT_PERMISSION);
	if (strcmp(op_arg(op, 1), "area"))
		return loop_ioctl(op, h, cmd, number(op_arg(op, 1)));
	memset(area, 0, 256);
	return loop_ioctl(op, h, cmd, (unsigned long)area);
}

static long op_set_fd(const struct op *op, struct handle *h)
{
	return do_with_file(op, h, LOOP_SET_FD);
}

/* Whether a device has partitions, of a table or by hand. */
static bool has_partitions(int device)
{
	char pattern[64];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/block/loop%d/loop%dp*", device,
		 device);
	if (glob(pattern, 0, NULL, &found))
		return false;
	globfree(&found);
	return true;
}

static long op_change_fd(const struct op *op, struct handle *h)
{
	if (has_partitions(h->device) && known(PARTITIONS_CHANGE_FD))
		return LEFT_OUT(PARTITIONS_CHANGE_FD);
	return do_with_file(op, h, LOOP_CHANGE_FD);
}

static long op_set_status64(const struct op *op, struct handle *h)
{
	return do_set_status(op, h, false);
}

static long op_set_status(const struct op *op, struct handle *h)
{
	return do_set_status(op, h, true);
}

static long op_get_status64(const struct op *op, struct handle *h)
{
	return do_get_status(op, h, false);
}

static long op_get_status(const struct op *op, struct handle *h)
{
	return do_get_status(op, h, true);
}

static long op_set_capacity(const struct op *op, struct handle *h)
{
	return loop_ioctl(op, h, LOOP_SET_CAPACITY,
			  op->argc ? strtol(op->argv[0], NULL, 0) : 0);
}

static long op_set_dio(const struct op *op, struct handle *h)
{
	if (number(op_arg(op, 0)) && known(SMALL_BLOCKS) &&
	    block_size_of(h->device) < shared->dio_align[h->device])
		return LEFT_OUT(SMALL_BLOCKS);
	shared->set_dio[h->device] = true;
	return loop_ioctl(op, h, LOOP_SET_DIRECT_IO, number(op_arg(op, 0)));
}

static long op_set_block_size(const struct op *op, struct handle *h)
{
	unsigned int size = number(op_arg(op, 0));

	if (size && size < shared->dio_align[h->device] &&
	    direct_device(h->device) && known(SMALL_BLOCKS))
		return LEFT_OUT(SMALL_BLOCKS);
	return loop_ioctl(op, h, LOOP_SET_BLOCK_SIZE, number(op_arg(op, 0)));
}

static long op_close(const struct op *op, struct handle *h)
{
	int ret = close(h->fd) ? -errno : 0;

	(void)op;
	h->fd = -1;
	return ret;
}

static long op_read(const struct op *op, struct handle *h)
{
	return do_transfer(op, h, false);
}

static long op_write(const struct op *op, struct handle *h)
{
	return do_transfer(op, h, true);
}

static long op_fsync(const struct op *op, struct handle *h)
{
	(void)op;
	return fsync(h->fd) ? -errno : 0;
}

static long op_discard(const struct op *op, struct handle *h)
{
	return do_range(op, h, BLKDISCARD);
}

static long op_secdiscard(const struct op *op, struct handle *h)
{
	return do_range(op, h, BLKSECDISCARD);
}

static long op_zeroout(const struct op *op, struct handle *h)
{
	return do_range(op, h, BLKZEROOUT);
}

static long op_rrpart(const struct op *op, struct handle *h)
{
	(void)op;
	return ioctl(h->fd, BLKRRPART) ? -errno : 0;
}

static long op_flsbuf(const struct op *op, struct handle *h)
{
	(void)op;
	return ioctl(h->fd, BLKFLSBUF) ? -errno : 0;
}

static long op_roset(const struct op *op, struct handle *h)
{
	int on = number(op_arg(op, 0));

	return ioctl(h->fd, BLKROSET, &on) ? -errno : 0;
}

static long op_bszset(const struct op *op, struct handle *h)
{
	int size = number(op_arg(op, 0));

	return ioctl(h->fd, BLKBSZSET, &size) ? -errno : 0;
}

static long op_raset(const struct op *op, struct handle *h)
{
	return ioctl(h->fd, BLKRASET, number(op_arg(op, 0))) ? -errno : 0;
}

static long op_part_add(const struct op *op, struct handle *h)
{
	return do_blkpg(op, h, BLKPG_ADD_PARTITION);
}

static long op_part_del(const struct op *op, struct handle *h)
{
	return do_blkpg(op, h, BLKPG_DEL_PARTITION);
}

static long op_part_resize(const struct op *op, struct handle *h)
{
	return do_blkpg(op, h, BLKPG_RESIZE_PARTITION);
}

static const struct {
	const char *name;
	bool io;		/* on the data of the device */
	long (*run)(const struct op *op, struct handle *h);
} handle_ops[] = {
	{ "configure",		false,	do_configure },
	{ "set-fd",		false,	op_set_fd },
	{ "change-fd",		false,	op_change_fd },
	{ "clr-fd",		false,	do_clr_fd },
	{ "set-status64",	false,	op_set_status64 },
	{ "set-status",		false,	op_set_status },
	{ "get-status64",	false,	op_get_status64 },
	{ "get-status",		false,	op_get_status },
	{ "set-capacity",	false,	op_set_capacity },
	{ "set-dio",		false,	op_set_dio },
	{ "set-block-size",	false,	op_set_block_size },
	{ "ioctl",		false,	do_plain_ioctl },
	{ "close",		false,	op_close },
	{ "read",		true,	op_read },
	{ "write",		true,	op_write },
	{ "mmap",		true,	do_mmap },
	{ "fsync",		true,	op_fsync },
	{ "table",		true,	do_table },
	{ "discard",		true,	op_discard },
	{ "secdiscard",		true,	op_secdiscard },
	{ "zeroout",		true,	op_zeroout },
	{ "fallocate",		true,	do_fallocate },
	{ "rrpart",		true,	op_rrpart },
	{ "flsbuf",		true,	op_flsbuf },
	{ "roset",		false,	op_roset },
	{ "bszset",		true,	op_bszset },
	{ "raset",		false,	op_raset },
	{ "part-add",		false,	op_part_add },
	{ "part-del",		true,	op_part_del },
	{ "part-resize",	false,	op_part_resize },
};

static long run_on_handle(struct op *op)
{
	struct handle *h;
	size_t i;
	int slot;

	if (sscanf(op_arg(op, 0), "h%d", &slot) != 1 || slot >= NR_HANDLES)
		usage("%s", op_arg(op, 0));
	h = &handles[slot];
	for (i = 0; i < sizeof(handle_ops) / sizeof(handle_ops[0]); i++)
		if (!strcmp(handle_ops[i].name, op->name))
			break;
	if (i == sizeof(handle_ops) / sizeof(handle_ops[0]))
		usage("%s: no such operation", op->name);
	if (h->fd < 0) {
		left_out = "not open";
		return 0;
	}
	shared->device = h->device;
	if (handle_ops[i].run != op_close && h->device < NR_DEVICES &&
	    shared->abandoned[h->device])
		return LEFT_OUT(REFUSED_CONFIGURE);
	if (handle_ops[i].io && known(IO_IN_RUNDOWN) && in_rundown(h))
		return LEFT_OUT(IO_IN_RUNDOWN);
	memmove(op->argv, op->argv + 1, --op->argc * sizeof(op->argv[0]));
	return handle_ops[i].run(op, h);
}

static long run(struct op *op)
{
	const char *name = op->name;

	if (!strcmp(name, "open"))
		return do_open(op);
	if (!strcmp(name, "add"))
		return do_control(op, LOOP_CTL_ADD);
	if (!strcmp(name, "remove"))
		return do_control(op, LOOP_CTL_REMOVE);
	if (!strcmp(name, "get-free"))
		return do_control(op, LOOP_CTL_GET_FREE);
	if (!strcmp(name, "control"))
		return do_control(op, 0x4c83);
	if (!strcmp(name, "attr"))
		return do_attribute(op);
	if (!strcmp(name, "ftable"))
		return do_table(op, NULL);
	if (!strcmp(name, "fwrite") || !strcmp(name, "ftruncate") ||
	    !strcmp(name, "fread"))
		return do_file(op);
	return run_on_handle(op);
}

static void drop_sys_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &header, caps))
		exit(TEST_FAIL);
	caps[0].effective &= ~(1u << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &header, caps))
		exit(TEST_FAIL);
}

/* Carries out shared->line whenever woken; "die" ends with devices open. */
void actor_main(int actor, int wake, int done)
{
	char c;

	handles = shared->handles[actor];
	result = shared->result;
	map_area();
	if (actor == NR_ACTORS - 1)
		drop_sys_admin();
	while (read(wake, &c, 1) == 1) {
		char line[MAX_LINE], *save, *word;
		struct op op = {};
		long ret;

		snprintf(line, sizeof(line), "%s", shared->line);
		strtok_r(line, " ", &save);
		op.name = strtok_r(NULL, " ", &save);
		while (op.argc < MAX_ARGS && (word = strtok_r(NULL, " ", &save)))
			op.argv[op.argc++] = word;
		result[0] = 0;
		shared->device = -1;
		left_out = NULL;
		if (!op.name)
			usage("no operation: %s", shared->line);
		if (!strcmp(op.name, "die"))
			_exit(0);
		ret = run(&op);
		if (left_out)
			say("left out: %s", left_out);
		else
			say("%s", errno_name(ret < 0 ? -ret : 0));
		if (write(done, &c, 1) != 1)
			exit(TEST_FAIL);
	}
	_exit(0);
}
