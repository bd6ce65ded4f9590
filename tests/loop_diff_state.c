// SPDX-License-Identifier: GPL-2.0
/*
 * What userspace can observe of the devices: attributes, partitions, what
 * ioctls that ask say, and the events that the kernel sends. The trace has what
 * has changed since it was last looked at.
 *
 * Looking opens no device, since that could change it: the ioctls are asked of
 * a descriptor that some actor has open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "loop_diff.h"

#define MAX_ATTRS	128
#define MAX_TEXT	4096
#define NR_ANSWERS	15

/* To read everything each time would take most of the time there is. */
enum detail { SHARED, LIKELY, ALL };

struct attr {
	char *name;		/* below /sys/block/loopN */
	enum detail detail;	/* the least with which it is looked at */
	int fd[NR_DEVICES];
	char *text[NR_DEVICES];
};

static struct attr attrs[MAX_ATTRS];
static int nr_attrs;
static bool there[NR_DEVICES];
static char *parts[NR_DEVICES], *answers[NR_DEVICES][NR_ANSWERS];
static unsigned long long first_diskseq;
static long first_references, last_references;
static int uevents;

static const char * const disk_attrs[] = {
	"alignment_offset", "capability", "discard_alignment", "diskseq",
	"events", "events_async", "events_poll_msecs", "ext_range", "hidden",
	"inflight", "partscan", "range", "removable", "ro", "size",
	"loop/autoclear", "loop/backing_file", "loop/dio", "loop/offset",
	"loop/partscan", "loop/sizelimit",
};

/* Reads a file without its last newline; returns its length or -1. */
int sysfs_read(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	ssize_t len;
	va_list ap;
	int fd;

	buf[0] = 0;
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return -1;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	return len;
}

long module_references(void)
{
	char buf[32];

	sysfs_read(buf, sizeof(buf), "/sys/module/loop/refcnt");
	return atol(buf);
}

/* What one device can do to another is to change its file, or its size. */
static bool is_shared(const char *name)
{
	return !strncmp(name, "loop/", 5) || !strcmp(name, "size") ||
	       !strcmp(name, "ro");
}

/* What is there to be changed, by the driver or by who uses the device. */
static bool is_likely(const char *name)
{
	static const char * const likely[] = {
		"diskseq", "inflight", "partscan", "queue/discard_granularity",
		"queue/discard_max_bytes", "queue/discard_max_hw_bytes",
		"queue/dma_alignment", "queue/fua", "queue/io_timeout",
		"queue/logical_block_size", "queue/max_sectors_kb",
		"queue/minimum_io_size", "queue/nr_requests",
		"queue/physical_block_size", "queue/read_ahead_kb",
		"queue/rotational", "queue/stable_writes", "queue/write_cache",
		"queue/write_zeroes_max_bytes",
	};
	size_t i;

	for (i = 0; i < sizeof(likely) / sizeof(likely[0]); i++)
		if (!strcmp(name, likely[i]))
			return true;
	return is_shared(name);
}

static void add_attr(const char *dir, const char *name)
{
	struct attr *a = &attrs[nr_attrs++];
	int i;

	if (nr_attrs > MAX_ATTRS || asprintf(&a->name, "%s%s", dir, name) < 0)
		exit(1);
	a->detail = is_shared(a->name) ? SHARED :
		    is_likely(a->name) ? LIKELY : ALL;
	for (i = 0; i < NR_DEVICES; i++) {
		a->fd[i] = -1;
		a->text[i] = NULL;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct attr *)a)->name,
		      ((const struct attr *)b)->name);
}

/* Learns the attributes of queues from loop0, which has to be there. */
void state_init(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	DIR *dir = opendir("/sys/block/loop0/queue");
	int size = 16 << 20;
	struct dirent *d;
	size_t i;

	if (!dir) {
		fprintf(stderr, "no /sys/block/loop0/queue\n");
		exit(1);
	}
	for (i = 0; i < sizeof(disk_attrs) / sizeof(disk_attrs[0]); i++)
		add_attr("", disk_attrs[i]);
	while ((d = readdir(dir)))
		if (d->d_type == DT_REG)
			add_attr("queue/", d->d_name);
	closedir(dir);
	qsort(attrs, nr_attrs, sizeof(attrs[0]), by_name);

	uevents = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			 NETLINK_KOBJECT_UEVENT);
	setsockopt(uevents, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(uevents, (struct sockaddr *)&addr, sizeof(addr))) {
		perror("uevents");
		exit(1);
	}
}

/* Forgets everything: a sequence does not depend on those before it. */
void state_begin(void)
{
	char buf[8192];
	int i, n;

	while (recv(uevents, buf, sizeof(buf), 0) > 0)
		;
	for (n = 0; n < NR_DEVICES; n++) {
		for (i = 0; i < nr_attrs; i++) {
			if (attrs[i].fd[n] >= 0)
				close(attrs[i].fd[n]);
			attrs[i].fd[n] = -1;
			free(attrs[i].text[n]);
			attrs[i].text[n] = NULL;
		}
		for (i = 0; i < NR_ANSWERS; i++) {
			free(answers[n][i]);
			answers[n][i] = NULL;
		}
		free(parts[n]);
		parts[n] = NULL;
		there[n] = false;
	}
	first_diskseq = 0;
	first_references = module_references();
	last_references = 0;
}

/* Numbers that count for the whole system are told from the first one on. */
static unsigned long long diskseq(const char *text)
{
	unsigned long long n = strtoull(text, NULL, 10), skipped = 0;
	int i;

	if (!first_diskseq)
		first_diskseq = n - 1;
	for (i = 0; i < shared->nr_skipped; i++)
		skipped += n >= shared->skipped[i];
	return n - first_diskseq - skipped;
}

static bool masked(int n, const char *name)
{
	if (!strcmp(name, "queue/dma_alignment"))
		return known(DMA_ALIGNMENT_DIO) ||
		       (shared->changed_fd[n] &&
			known(DMA_ALIGNMENT_CHANGE_FD));
	if (!strcmp(name, "queue/read_ahead_kb") || !strcmp(name, "BLKRAGET"))
		return shared->set_dio[n] && known(READ_AHEAD_DIO);
	return false;
}

/* Returns false if the attribute is not there. */
static bool read_attr(struct attr *a, int n, char *buf)
{
	char path[PATH_MAX];
	ssize_t len = -1;
	int tries;

	for (tries = 0; tries < 2; tries++) {
		if (a->fd[n] < 0) {
			snprintf(path, sizeof(path), "/sys/block/loop%d/%s", n,
				 a->name);
			a->fd[n] = open(path, O_RDONLY | O_CLOEXEC);
			if (a->fd[n] < 0)
				return false;
		}
		len = pread(a->fd[n], buf, MAX_TEXT - 1, 0);
		if (len >= 0)
			break;
		if (errno != ENODEV) {
			snprintf(buf, MAX_TEXT, "error %d", errno);
			return true;
		}
		/* Of a device, or a group, that is gone. */
		close(a->fd[n]);
		a->fd[n] = -1;
	}
	if (len < 0)
		return false;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = 0;
	if (!strcmp(a->name, "diskseq"))
		snprintf(buf, MAX_TEXT, "+%llu", diskseq(buf));
	return true;
}

/* Notes a text and traces it if it is another than before. */
static void update(char **old, const char *text, int n, const char *name)
{
	if (*old && !strcmp(*old, text))
		return;
	trace("  d%d %s: %s -> %s\n", n, name, *old ? *old : "?", text);
	free(*old);
	*old = strdup(text);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void trace_parts(int n)
{
	char path[64], text[MAX_TEXT] = "", start[32], size[32], ro[32];
	int numbers[256], nr = 0, i, disk, part;
	struct dirent *d;
	size_t len = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/block/loop%d", n);
	dir = opendir(path);
	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (sscanf(d->d_name, "loop%dp%d", &disk, &part) == 2 &&
		    nr < 256)
			numbers[nr++] = part;
	closedir(dir);
	qsort(numbers, nr, sizeof(numbers[0]), by_number);
	for (i = 0; i < nr && len < sizeof(text) - 128; i++) {
		snprintf(path, sizeof(path), "/sys/block/loop%d/loop%dp%d", n,
			 n, numbers[i]);
		sysfs_read(start, sizeof(start), "%s/start", path);
		sysfs_read(size, sizeof(size), "%s/size", path);
		sysfs_read(ro, sizeof(ro), "%s/ro", path);
		len += snprintf(text + len, sizeof(text) - len,
				"p%d(%s+%s ro=%s) ", numbers[i], start, size,
				ro);
	}
	update(&parts[n], text, n, "partitions");
}

/* A file by the name that it has in the sequence. */
static void name_inode(char *buf, size_t size, unsigned long long dev,
		       unsigned long long ino)
{
	static const char * const kinds[] = { "f", "b", "d" };
	char name[8], path[PATH_MAX];
	struct stat st;
	size_t k;
	int i;

	for (k = 0; k < 3; k++) {
		for (i = 0; i < 4; i++) {
			snprintf(name, sizeof(name), "%s%d", kinds[k], i);
			if (kinds[k][0] == 'f')
				snprintf(path, sizeof(path), "%s",
					 shared->files[i]);
			else
				snprintf(path, sizeof(path), NODES "/%s%d",
					 kinds[k][0] == 'b' ? "disk" : "loop",
					 i);
			if (!path[0] || stat(path, &st) ||
			    st.st_ino != ino || st.st_dev != dev)
				continue;
			snprintf(buf, size, "%s", name);
			return;
		}
	}
	/* Partitions, for example. */
	snprintf(buf, size, "other");
}

/* Notes one answer; they come in the same order each time. */
__attribute__((format(printf, 4, 5)))
static void answer(int n, int *which, const char *name, const char *fmt, ...)
{
	char text[MAX_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!masked(n, name))
		update(&answers[n][*which], text, n, name);
	(*which)++;
}

#define ASK(request, type)						\
	do {								\
		type value = 0;						\
									\
		answer(n, &which, #request, "%lld",			\
		       ioctl(fd, request, &value) ?			\
		       -(long long)errno : (long long)value);		\
	} while (0)

static void trace_answers(int n, int fd)
{
	struct loop_info64 info;
	char text[64] = "";
	uint64_t seq = 0;
	int which = 0;

	ASK(BLKGETSIZE64, uint64_t);
	ASK(BLKGETSIZE, long);
	ASK(BLKROGET, int);
	ASK(BLKSSZGET, int);
	ASK(BLKPBSZGET, unsigned int);
	ASK(BLKIOMIN, unsigned int);
	ASK(BLKIOOPT, unsigned int);
	ASK(BLKALIGNOFF, int);
	ASK(BLKDISCARDZEROES, unsigned int);
	ASK(BLKROTATIONAL, unsigned short);
	ASK(BLKSECTGET, unsigned short);
	ASK(BLKRAGET, long);
	ASK(BLKBSZGET, int);
	if (!ioctl(fd, _IOR(0x12, 128, uint64_t), &seq))
		snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
	answer(n, &which, "BLKGETDISKSEQ", "+%llu", diskseq(text));
	memset(&info, 0xa5, sizeof(info));
	if (ioctl(fd, LOOP_GET_STATUS64, &info)) {
		answer(n, &which, "LOOP_GET_STATUS64", "%d", -errno);
		return;
	}
	name_inode(text, sizeof(text), info.lo_device, info.lo_inode);
	answer(n, &which, "LOOP_GET_STATUS64",
	       "number=%u file=%s rdevice=%d offset=%llu sizelimit=%llu flags=%u encrypt=%u,%u init=%llu,%llu name=%.64s crypt=%.64s key=%.32s",
	       info.lo_number, text, !!info.lo_rdevice,
	       (unsigned long long)info.lo_offset,
	       (unsigned long long)info.lo_sizelimit, info.lo_flags,
	       info.lo_encrypt_type, info.lo_encrypt_key_size,
	       (unsigned long long)info.lo_init[0],
	       (unsigned long long)info.lo_init[1],
	       (char *)info.lo_file_name, (char *)info.lo_crypt_name,
	       (char *)info.lo_encrypt_key);
}

/* Asks about @n by any of the descriptors that the actors have. */
static void ask(int n, const int *pids)
{
	int actor, slot, pidfd, fd;

	for (actor = 0; actor < NR_ACTORS; actor++) {
		for (slot = 0; slot < NR_HANDLES; slot++) {
			struct handle *h = &shared->handles[actor][slot];

			if (h->fd < 0 || h->device != n || h->part)
				continue;
			pidfd = syscall(SYS_pidfd_open, pids[actor], 0);
			fd = syscall(SYS_pidfd_getfd, pidfd, h->fd, 0);
			if (fd >= 0) {
				trace_answers(n, fd);
				close(fd);
			}
			close(pidfd);
			return;
		}
	}
}

static void trace_device(int n, enum detail detail)
{
	char buf[MAX_TEXT], path[64];
	bool is;
	int i;

	snprintf(path, sizeof(path), "/sys/block/loop%d", n);
	is = !access(path, F_OK);
	if (is != there[n])
		trace("  d%d %s\n", n, is ? "is there" : "is gone");
	if (!is) {
		/* What comes back is another one. */
		for (i = 0; i < nr_attrs && there[n]; i++) {
			free(attrs[i].text[n]);
			attrs[i].text[n] = NULL;
		}
		there[n] = false;
		return;
	}
	if (!there[n])
		detail = ALL;
	there[n] = true;
	for (i = 0; i < nr_attrs; i++) {
		if (masked(n, attrs[i].name) ||
		    detail < attrs[i].detail)
			continue;
		if (!read_attr(&attrs[i], n, buf)) {
			if (!attrs[i].text[n])
				continue;
			snprintf(buf, sizeof(buf), "(none)");
		}
		update(&attrs[i].text[n], buf, n, attrs[i].name);
	}
	if (detail > SHARED)
		trace_parts(n);
}

/* The line of an event as it is told, or nothing for what is the system's. */
static void trace_uevent_line(const char *line)
{
	if (!strncmp(line, "SEQNUM=", 7) || !strncmp(line, "ACTION=", 7) ||
	    !strncmp(line, "DEVPATH=", 8) || !strncmp(line, "SUBSYSTEM=", 10))
		return;
	/* Numbers of partitions are whatever is free. */
	if (!strncmp(line, "MAJOR=259", 9) || !strncmp(line, "MINOR=", 6))
		return;
	if (!strncmp(line, "DISKSEQ=", 8))
		trace(" DISKSEQ=+%llu", diskseq(line + 8));
	else
		trace(" %s", line);
}

static void trace_uevents(void)
{
	char buf[8192];
	ssize_t len;
	int n;

	while ((len = recv(uevents, buf, sizeof(buf) - 1, 0)) != 0) {
		const char *path, *p;

		if (len < 0) {
			if (errno == ENOBUFS)
				trace("  uevents were lost\n");
			break;
		}
		buf[len] = 0;
		path = strchr(buf, '@');
		if (!path)
			continue;
		if (!strncmp(path, "@/devices/virtual/bdi/7:", 24)) {
			trace("  uevent %s\n", buf);
			continue;
		}
		if (strncmp(path, "@/devices/virtual/block/loop", 28))
			continue;
		if (sscanf(path + 28, "%d", &n) == 1 && n < NR_DEVICES &&
		    shared->abandoned[n])
			continue;
		trace("  uevent %.*s %s:", (int)(path - buf), buf, path + 24);
		for (p = buf + strlen(buf) + 1; p < buf + len;
		     p += strlen(p) + 1)
			trace_uevent_line(p);
		trace("\n");
	}
}

/*
 * Traces what is new: all of all devices (-1), or what is likely of one, and of
 * the others what one can change. The actors, whose pids these are, do nothing
 * meanwhile.
 */
void state_trace(const int *pids, int device)
{
	long references = module_references() - first_references;
	int n;

	trace_uevents();
	for (n = 0; n < NR_DEVICES; n++) {
		enum detail detail = device < 0 ? ALL :
				     device == n ? LIKELY : SHARED;

		if (shared->abandoned[n])
			continue;
		trace_device(n, detail);
		if (detail > SHARED)
			ask(n, pids);
	}
	if (references != last_references)
		trace("  module references: %ld -> %ld\n", last_references,
		      references);
	last_references = references;
}
