// SPDX-License-Identifier: GPL-2.0
/*
 * A storm: processes make random calls of all kinds on a few loop devices at
 * once, with good, odd and hostile arguments. They are killed in the middle of
 * it, and others go on in their place.
 *
 *	loop_storm [-p PROCESSES] [-d FIRST] [-o KINDS] [-k CALLS] [-K] [-P]
 *		SEED CALLS DIRECTORY [BACKING_DEVICE...]
 *
 *	-p	how many processes at a time; 6 if not given
 *	-d	number of the first device, of NR_DEVICES; 40 if not given
 *	-o	which kinds of calls, a letter each; one that comes twice comes
 *		twice as often:
 *			b  bind, change and clear files
 *			s  status and settings
 *			c  loop-control: add, remove, find devices
 *			o  open and close
 *			i  I/O
 *			k  ioctls of the block layer
 *			p  partitions
 *			h  any ioctl with a hostile argument
 *			f  change the backing files
 *			y  attributes
 *			n  pinned mode
 *	-k	a process is killed each so many calls, now and then all at
 *		once; 300 if not given, 0 for none
 *	-K	at last all are killed, rather than asked to end
 *	-P	no partition becomes a backing file
 *
 * Files are made in DIRECTORY, and nodes of the devices, which make them when
 * they are opened. What a process asks for is settled by the seed and its place
 * in the sequence of processes; what comes of it also by what others do.
 *
 * A call that does not end, an error that userspace must not see, and a device
 * that cannot be detached and removed afterwards fail it. Prints how often each
 * call succeeded and failed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <linux/aio_abi.h>
#include <linux/blkpg.h>
#include <linux/blkzoned.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "loop_abi.h"
#include "loop_test.h"

#define LOOP_MAJOR	7
#define NR_DEVICES	10
#define NR_HANDLES	4	/* open devices of a process */
#define NR_FILES	5
#define MAX_PROCESSES	32
#define MAX_BACKINGS	4
#define MAX_DEVICES	65536	/* whose existence is remembered */
#define BUFFER		65536
#define NR_AIO		4
/* A call that takes longer does not end. */
#define CALL_SECONDS	120
#define MAX_ERRNO	133	/* the last that userspace knows */

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))
#define PICK(array)	((array)[below(COUNT(array))])

#define CALLS(X)							\
	X(OPEN) X(CLOSE) X(LOOP_SET_FD) X(LOOP_CONFIGURE)		\
	X(LOOP_CHANGE_FD) X(LOOP_CLR_FD) X(LOOP_SET_STATUS)		\
	X(LOOP_SET_STATUS64) X(LOOP_GET_STATUS) X(LOOP_GET_STATUS64)	\
	X(LOOP_SET_CAPACITY) X(LOOP_SET_DIRECT_IO) X(LOOP_SET_BLOCK_SIZE) \
	X(LOOP_CTL_ADD) X(LOOP_CTL_REMOVE) X(LOOP_CTL_GET_FREE)		\
	X(BLKPG) X(BLKRRPART) X(BLKFLSBUF) X(BLKDISCARD) X(BLKSECDISCARD) \
	X(BLKZEROOUT) X(BLKROSET) X(BLKBSZSET) X(BLKRASET)		\
	X(ANY_IOCTL) X(HOSTILE)						\
	X(READ) X(WRITE) X(FSYNC) X(MMAP) X(FALLOCATE) X(AIO)		\
	X(FILE) X(SHOW) X(STORE) X(PIN)

enum call {
#define X(name) CALL_##name,
	CALLS(X)
#undef X
	NR_CALLS
};

static const char * const call_names[] = {
#define X(name) #name,
	CALLS(X)
#undef X
};

/* What a process is about. */
struct process {
	pid_t pid;
	unsigned int generation;
	bool dying;
	unsigned long begun, ended;	/* calls, as numbers */
	int call, device;
	unsigned long arg;
	/* The conductor's: since when it is in that call. */
	unsigned long seen;
	time_t since;
};

static struct shared {
	unsigned long long calls;
	/* How often each call ended in which error; 0 is success. */
	unsigned long long results[NR_CALLS][MAX_ERRNO + 1];
	bool bad;
	struct process processes[MAX_PROCESSES];
	/* Devices that are none of the storm's. */
	bool others[MAX_DEVICES];
} *shared;

struct handle {
	int fd;			/* -1 if not open */
	int device;		/* -1 if it is loop-control */
	bool part;
};

static unsigned long long seed, limit;
static int nr_processes = 6, first = 40;
static unsigned int kill_each = 300;
static const char *kinds = "bbbbssccoooooiiiiiikkpphfy";
static bool kill_at_last, no_partitions;
static const char *dir;
static char **backings;
static int nr_backings;
static bool have_compat;
static int part_bits;
static int patience = 1;

/* Of a process. */
static struct process *self;
static struct handle handles[NR_HANDLES];
static char *buffer;
static aio_context_t aio;
static int aio_queued;
static sigjmp_buf fault;

static __thread uint64_t state;

static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return next() % n;
}

/* True once in @n times. */
static bool once_in(unsigned int n)
{
	return !below(n);
}

static void begin(enum call call, int device, unsigned long arg)
{
	self->call = call;
	self->device = device;
	self->arg = arg;
	__atomic_add_fetch(&self->begun, 1, __ATOMIC_RELEASE);
}

/* @ret is negative if it failed, with errno. Returns it. */
static long end(long ret)
{
	int err = ret < 0 ? errno : 0;

	__atomic_store_n(&self->ended, self->begun, __ATOMIC_RELEASE);
	__atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
	if (err >= 0 && err <= MAX_ERRNO) {
		__atomic_add_fetch(&shared->results[self->call][err], 1,
				   __ATOMIC_RELAXED);
	} else {
		printf("%s of loop%d with %#lx: errno %d\n",
		       call_names[self->call], self->device, self->arg, err);
		fflush(stdout);
		shared->bad = true;
	}
	return ret;
}

static int any_device(void)
{
	return first + below(NR_DEVICES);
}

/* One that is open, NULL if none is. */
static struct handle *any_handle(void)
{
	unsigned int i, slot = below(NR_HANDLES);

	for (i = 0; i < NR_HANDLES; i++, slot = (slot + 1) % NR_HANDLES)
		if (handles[slot].fd >= 0 && handles[slot].device >= 0)
			return &handles[slot];
	return NULL;
}

static struct handle *control(void)
{
	return &handles[NR_HANDLES - 1];
}

/* An address that the kernel should not follow, or not wholly. */
static unsigned long hostile_address(void)
{
	switch (below(9)) {
	case 0: return 0;
	case 1: return (unsigned long)area + 2 * page;	/* not mapped */
	case 2: return (unsigned long)area + 2 * page - 8; /* half of it */
	case 3: return (unsigned long)area + page;	/* not writable */
	case 4: return (unsigned long)area + 1;		/* not aligned */
	case 5: return -1ul;
	case 6: return 0xffff888000000000ul;		/* the kernel's */
	case 7: return 0x8000000000000000ul;		/* nobody's */
	default: return below(4096);
	}
}

/* Where an argument is that is in the area, mostly. */
static unsigned long argument(void)
{
	return once_in(12) ? hostile_address() : (unsigned long)area;
}

static long do_ioctl(enum call call, struct handle *h, unsigned int cmd,
		     unsigned long arg, bool compat)
{
	long ret;

	begin(call, h->device, arg);
	if (compat && have_compat) {
		ret = syscall32(54, h->fd, cmd, arg);
		if (ret < 0) {
			errno = -ret;
			ret = -1;
		}
	} else {
		ret = ioctl(h->fd, cmd, arg);
	}
	return end(ret);
}

static void do_close(struct handle *h)
{
	begin(CALL_CLOSE, h->device, 0);
	end(close(h->fd));
	h->fd = -1;
}

static void do_open(void)
{
	static const int modes[] = {
		O_RDWR, O_RDWR, O_RDWR, O_RDWR, O_RDWR, O_RDWR, O_RDWR,
		O_RDWR, O_RDWR | O_DIRECT, O_RDWR | O_DIRECT, O_RDONLY,
		O_RDONLY, O_WRONLY, O_RDWR | O_DIRECT, O_RDWR | O_DIRECT,
		O_RDWR | O_DIRECT, O_RDWR | O_DIRECT, O_RDONLY | O_DIRECT,
		O_RDWR | O_EXCL, O_RDONLY | O_EXCL, O_RDWR | O_NONBLOCK,
		O_RDONLY | O_NONBLOCK, O_RDWR | O_SYNC, 3,
	};
	struct handle *h = &handles[below(NR_HANDLES - 1)];
	int mode = PICK(modes);
	char path[PATH_MAX];

	if (h->fd >= 0)
		do_close(h);
	h->device = any_device();
	h->part = once_in(8);
	if (h->part)
		snprintf(path, sizeof(path), "/dev/loop%dp%u", h->device,
			 1 + below(3));
	else if (once_in(2))
		snprintf(path, sizeof(path), "/dev/loop%d", h->device);
	else
		snprintf(path, sizeof(path), "%s/loop%d", dir, h->device);
	begin(CALL_OPEN, h->device, mode);
	h->fd = end(open(path, mode | O_CLOEXEC));
}

/* A handle to work with; opens one if there is none. */
static struct handle *need_handle(void)
{
	struct handle *h = any_handle();

	if (h && !once_in(10))
		return h;
	do_open();
	return any_handle();
}

static const char *file_path(int n)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/file%d", dir, n);
	return path;
}

/* A file to bind; @own says that it is to be closed afterwards. */
static int any_backing(bool *own)
{
	static const int modes[] = {
		O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_RDONLY, O_RDWR | O_DIRECT,
		O_RDWR | O_DIRECT, O_RDONLY | O_DIRECT, O_WRONLY, O_PATH,
		O_RDWR | O_APPEND,
	};
	int mode = PICK(modes) | O_CLOEXEC, fd, pair[2];
	struct handle *h;
	char path[64];

	*own = true;
	switch (below(16)) {
	case 0:
		*own = false;
		return once_in(2) ? -1 : 1000 + (int)below(1u << 30);
	case 1:
		/* Its own device, or another one as its own file. */
		h = any_handle();
		if (!h || (h->part && no_partitions))
			break;
		*own = false;
		return h->fd;
	case 2:
	case 3:
		snprintf(path, sizeof(path), "/dev/loop%d", any_device());
		if (once_in(4) && !no_partitions)
			strcat(path, "p1");
		return open(path, mode);
	case 4:
		switch (below(9)) {
		case 0:
			if (pipe2(pair, O_CLOEXEC))
				return -1;
			close(pair[1]);
			return pair[0];
		case 1:
			return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		case 2:
			return eventfd(0, EFD_CLOEXEC);
		case 3:
			return open("/dev/null", mode);
		case 4:
			return open(dir, O_RDONLY | O_CLOEXEC);
		case 5:
			return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
		case 6:
			return open("/dev/loop-control", O_RDWR | O_CLOEXEC);
		default:
			fd = memfd_create("storm", MFD_CLOEXEC);
			if (fd >= 0 && ftruncate(fd, 65536)) {
				close(fd);
				return -1;
			}
			return fd;
		}
	case 5:
	case 6:
		if (nr_backings)
			return open(backings[below(nr_backings)], mode);
	}
	return open(file_path(below(NR_FILES)), mode);
}

static unsigned long long any_offset(void)
{
	static const unsigned long long good[] = {
		0, 0, 0, 0, 512, 4096, 4096, 8192, 65536,
	};
	static const unsigned long long odd[] = {
		1, 511, 513, 1000, 99999, 1ull << 20, 1ull << 32, 1ull << 40,
		LLONG_MAX - 511, LLONG_MAX, 1ull << 63, -512, -1,
	};

	return once_in(6) ? PICK(odd) : PICK(good);
}

static unsigned int any_block_size(void)
{
	static const unsigned int good[] = { 512, 1024, 2048, 4096, 0 };
	static const unsigned int odd[] = {
		1, 256, 511, 513, 3000, 8192, 65536, 131072, 1u << 31, -1,
	};

	return once_in(4) ? PICK(odd) : PICK(good);
}

static void any_info(struct loop_info64 *info)
{
	static const unsigned int good[] = {
		0, 0, LO_FLAGS_AUTOCLEAR, LO_FLAGS_AUTOCLEAR,
		LO_FLAGS_PARTSCAN, LO_FLAGS_DIRECT_IO, LO_FLAGS_DIRECT_IO,
		LO_FLAGS_READ_ONLY, LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN,
		LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};
	static const unsigned int odd[] = {
		LO_FLAGS_DIRECT_IO | LO_FLAGS_READ_ONLY, 2, 1u << 31, -1,
	};
	size_t i;

	memset(info, 0, sizeof(*info));
	if (!once_in(3)) {
		info->lo_flags = PICK(good);
		info->lo_offset = once_in(2) ? 4096 : 0;
		info->lo_sizelimit = once_in(3) ? 65536 : 0;
		return;
	}
	if (once_in(20)) {
		for (i = 0; i < sizeof(*info); i++)
			((unsigned char *)info)[i] = next();
		return;
	}
	info->lo_offset = any_offset();
	if (once_in(3))
		info->lo_sizelimit = any_offset();
	info->lo_flags = once_in(8) ? PICK(odd) : PICK(good);
	if (once_in(10))
		info->lo_encrypt_type = below(20);
	if (once_in(10))
		info->lo_encrypt_key_size = next();
	memset(info->lo_file_name, 'a' + below(26), below(LO_NAME_SIZE + 1));
}

/* So that there is something to do I/O on, or to pin. */
static void bind_well(struct handle *h, unsigned int flags)
{
	struct loop_config config = { .block_size = once_in(4) ? 4096 : 0 };

	config.fd = open(file_path(below(3)), O_RDWR | O_CLOEXEC |
			 (once_in(2) ? O_DIRECT : 0));
	config.info.lo_flags = flags | (once_in(2) ? LO_FLAGS_AUTOCLEAR : 0);
	put(area, &config, sizeof(config));
	do_ioctl(CALL_LOOP_CONFIGURE, h, LOOP_CONFIGURE, (unsigned long)area,
		 false);
	close(config.fd);
}

static void bind_step(struct handle *h)
{
	struct loop_config config = {};
	bool own;
	int fd;

	switch (below(10)) {
	case 0:
	case 1:
		fd = any_backing(&own);
		do_ioctl(CALL_LOOP_SET_FD, h, LOOP_SET_FD, fd, once_in(8));
		break;
	case 2:
	case 3:
	case 4:
		fd = any_backing(&own);
		config.fd = fd;
		if (once_in(3))
			config.block_size = any_block_size();
		any_info(&config.info);
		if (once_in(30))
			config.__reserved[below(8)] = next();
		put(area, &config, sizeof(config));
		do_ioctl(CALL_LOOP_CONFIGURE, h, LOOP_CONFIGURE, argument(),
			 once_in(8));
		break;
	case 5:
	case 6:
		fd = any_backing(&own);
		do_ioctl(CALL_LOOP_CHANGE_FD, h, LOOP_CHANGE_FD, fd,
			 once_in(8));
		break;
	default:
		do_ioctl(CALL_LOOP_CLR_FD, h, LOOP_CLR_FD,
			 once_in(8) ? next() : 0, once_in(8));
		return;
	}
	if (own && fd >= 0)
		close(fd);
}

static void status_step(struct handle *h)
{
	struct loop_info_compat c;
	struct loop_info64 info;
	struct loop_info old;
	bool compat = once_in(4);

	any_info(&info);
	switch (below(10)) {
	case 0:
	case 1:
	case 2:
		put(area, &info, sizeof(info));
		do_ioctl(CALL_LOOP_SET_STATUS64, h, LOOP_SET_STATUS64,
			 argument(), compat);
		break;
	case 3:
		to_compat(&info, &c);
		to_old(&info, &old);
		if (compat)
			put(area, &c, sizeof(c));
		else
			put(area, &old, sizeof(old));
		do_ioctl(CALL_LOOP_SET_STATUS, h, LOOP_SET_STATUS, argument(),
			 compat);
		break;
	case 4:
		do_ioctl(CALL_LOOP_GET_STATUS, h, LOOP_GET_STATUS, argument(),
			 compat);
		break;
	case 5:
		do_ioctl(CALL_LOOP_GET_STATUS64, h, LOOP_GET_STATUS64,
			 argument(), compat);
		break;
	case 6:
		do_ioctl(CALL_LOOP_SET_CAPACITY, h, LOOP_SET_CAPACITY,
			 once_in(8) ? next() : 0, compat);
		break;
	case 7:
	case 8:
		do_ioctl(CALL_LOOP_SET_DIRECT_IO, h, LOOP_SET_DIRECT_IO,
			 once_in(8) ? next() : below(2), compat);
		break;
	default:
		do_ioctl(CALL_LOOP_SET_BLOCK_SIZE, h, LOOP_SET_BLOCK_SIZE,
			 any_block_size(), compat);
	}
}

static void control_step(void)
{
	static const unsigned long odd[] = {
		-1, -1, -1, -2, INT_MIN, INT_MAX, 1048575, 1048576, 1ul << 32,
		-1ul << 32,
	};
	struct handle *h = control();
	unsigned long n = once_in(10) ? PICK(odd) : (unsigned long)any_device();
	bool compat = once_in(8);
	long made;

	if (h->fd < 0 || once_in(20)) {
		if (h->fd >= 0)
			do_close(h);
		begin(CALL_OPEN, -1, 0);
		h->fd = end(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
		h->device = -1;
		if (h->fd < 0)
			return;
	}
	switch (below(5)) {
	case 0:
	case 1:
		made = do_ioctl(CALL_LOOP_CTL_ADD, h, LOOP_CTL_ADD, n, compat);
		break;
	case 2:
	case 3:
		/* Others' devices are not there to be removed. */
		if ((int)n >= 0 && (int)n < MAX_DEVICES &&
		    shared->others[(int)n])
			return;
		do_ioctl(CALL_LOOP_CTL_REMOVE, h, LOOP_CTL_REMOVE, n, compat);
		return;
	default:
		made = do_ioctl(CALL_LOOP_CTL_GET_FREE, h, LOOP_CTL_GET_FREE,
				0, compat);
	}
	/* The storm keeps to its own. */
	if (made >= 0 && (made < first || made >= first + NR_DEVICES) &&
	    (made >= MAX_DEVICES || !shared->others[made]))
		do_ioctl(CALL_LOOP_CTL_REMOVE, h, LOOP_CTL_REMOVE, made, false);
}

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

static void block_step(struct handle *h)
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

static void part_step(struct handle *h)
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

static void hostile_step(struct handle *h)
{
	static const unsigned int ours[] = {
		LOOP_SET_FD, LOOP_CLR_FD, LOOP_SET_STATUS, LOOP_GET_STATUS,
		LOOP_SET_STATUS64, LOOP_GET_STATUS64, LOOP_CHANGE_FD,
		LOOP_SET_CAPACITY, LOOP_SET_DIRECT_IO, LOOP_SET_BLOCK_SIZE,
		LOOP_CONFIGURE, LOOP_CTL_ADD, LOOP_CTL_REMOVE,
		LOOP_CTL_GET_FREE,
	};
	unsigned int cmd = once_in(4) ? 0x4c00 + below(256) : PICK(ours);
	unsigned long arg = hostile_address();

	/* Small numbers are descriptors. */
	if (arg && arg < 4096)
		arg = -arg;
	do_ioctl(CALL_HOSTILE, h, cmd, arg, once_in(4));
}

static void faulted(int sig)
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

static void io_step(struct handle *h)
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

static void file_step(void)
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

static void attribute_step(void)
{
	static const char * const shown[] = {
		"loop/backing_file", "loop/offset", "loop/sizelimit",
		"loop/autoclear", "loop/partscan", "loop/dio", "size", "ro",
		"stat", "inflight", "queue/logical_block_size",
		"queue/discard_max_bytes", "diskseq", "uevent",
	};
	static const char * const stored[][2] = {
		{ "queue/read_ahead_kb", "0" },
		{ "queue/read_ahead_kb", "512" },
		{ "queue/max_sectors_kb", "4" },
		{ "queue/max_sectors_kb", "1280" },
		{ "queue/discard_max_bytes", "0" },
		{ "queue/discard_max_bytes", "4096" },
		{ "queue/nr_requests", "4" },
		{ "queue/nr_requests", "128" },
		{ "queue/nomerges", "2" },
		{ "queue/rq_affinity", "2" },
		{ "queue/iostats", "0" },
		{ "queue/iostats", "1" },
		{ "queue/wbt_lat_usec", "0" },
		{ "queue/write_cache", "write through" },
		{ "queue/write_cache", "write back" },
		{ "queue/scheduler", "none" },
		{ "queue/scheduler", "mq-deadline" },
		{ "queue/scheduler", "nonsense" },
		{ "loop/offset", "512" },
		{ "uevent", "change" },
	};
	unsigned int which = below(COUNT(stored));
	bool store = once_in(3);
	int device = any_device(), fd;
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/loop%d/%s", device,
		 store ? stored[which][0] : PICK(shown));
	begin(store ? CALL_STORE : CALL_SHOW, device, which);
	fd = open(path, (store ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0) {
		end(-1);
		return;
	}
	if (store)
		end(write(fd, stored[which][1], strlen(stored[which][1])));
	else
		end(read(fd, buffer, BUFFER));
	close(fd);
}

static void pin_step(struct handle *h)
{
	static const char * const values[] = {
		"1", "fill", "fill", "fill", "0", "x",
	};
	const char *value = PICK(values);
	char path[64];
	int fd;

	if (once_in(2))
		bind_well(h, LO_FLAGS_DIRECT_IO);
	snprintf(path, sizeof(path), "/sys/block/loop%d/loop/pinned",
		 h->device);
	begin(CALL_PIN, h->device, 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		end(-1);
		return;
	}
	end(write(fd, value, strlen(value)));
	close(fd);
}

static void step(void)
{
	char kind = kinds[below(strlen(kinds))];
	struct handle *h;

	switch (kind) {
	case 'c':
		control_step();
		return;
	case 'f':
		file_step();
		return;
	case 'y':
		attribute_step();
		return;
	case 'o':
		h = &handles[below(NR_HANDLES - 1)];
		/* Devices are detached by the last close. */
		if (once_in(2))
			for (h = handles; h < control(); h++)
				if (h->fd >= 0)
					do_close(h);
		if (h->fd >= 0 && once_in(2))
			do_close(h);
		else
			do_open();
		return;
	case 'h':
		h = once_in(4) && control()->fd >= 0 ? control() :
		    need_handle();
		if (h)
			hostile_step(h);
		return;
	}
	h = need_handle();
	if (!h)
		return;
	switch (kind) {
	case 'b':
		bind_step(h);
		break;
	case 's':
		status_step(h);
		break;
	case 'i':
		io_step(h);
		break;
	case 'k':
		block_step(h);
		break;
	case 'p':
		part_step(h);
		break;
	case 'n':
		pin_step(h);
		break;
	}
}

/* Takes descriptors away while the process may be in a call with them. */
static void *closer(void *arg)
{
	state = (uintptr_t)arg;
	for (;;) {
		int fd = handles[below(NR_HANDLES)].fd;

		usleep(5000 + below(50000));
		if (fd > 2)
			close(fd);
	}
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

static void drop_caps(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = {};

	if (syscall(SYS_capset, &header, none))
		abort();
}

static void process_main(int id)
{
	struct sigaction bus = { .sa_handler = faulted };
	pthread_t thread;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	self = &shared->processes[id];
	state = (seed << 20) + id * 4096 + self->generation;
	next();
	sigaction(SIGBUS, &bus, NULL);
	for (i = 0; i < NR_HANDLES; i++)
		handles[i].fd = -1;
	control()->device = -1;
	if (posix_memalign((void **)&buffer, page, BUFFER + page) ||
	    syscall(SYS_io_setup, NR_AIO, &aio))
		abort();
	memset(buffer, 'a' + id, BUFFER + page);
	/* One in four is not privileged, one in four not alone. */
	if (id % 4 == 3)
		drop_caps();
	if (id % 4 == 1 &&
	    pthread_create(&thread, NULL, closer, (void *)next()))
		abort();
	while (__atomic_load_n(&shared->calls, __ATOMIC_RELAXED) < limit)
		step();
	/* The kernel is to close all that is open. */
	_exit(0);
}

static void start(int id)
{
	struct process *p = &shared->processes[id];
	pid_t pid;

	p->begun = p->ended = p->seen = 0;
	p->dying = false;
	p->since = time(NULL);
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(TEST_FAIL);
	}
	if (!pid)
		process_main(id);
	p->pid = pid;
}

static void show_file(const char *fmt, pid_t pid)
{
	char path[64], text[4096];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), fmt, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (len > 0)
		printf("%.*s\n", (int)len, text);
	if (fd >= 0)
		close(fd);
}

/* Whether a process is in one call for too long; tells of all of them. */
static bool stuck(int id)
{
	struct process *p = &shared->processes[id];
	unsigned long begun = __atomic_load_n(&p->begun, __ATOMIC_ACQUIRE);

	if (p->seen != begun || (p->ended == begun && !p->dying)) {
		p->seen = begun;
		p->since = time(NULL);
		return false;
	}
	if (time(NULL) - p->since < CALL_SECONDS * patience)
		return false;
	for (id = 0; id < nr_processes; id++) {
		p = &shared->processes[id];
		if (!p->pid)
			continue;
		printf("process %d: %s%s of loop%d with %#lx%s\n", p->pid,
		       p->begun == p->ended ? "after " : "",
		       call_names[p->call], p->device, p->arg,
		       p->dying ? ", killed" : "");
		show_file("/proc/%d/wchan", p->pid);
		show_file("/proc/%d/stack", p->pid);
	}
	return true;
}

/* Reaps who has ended; starts others if @again. Returns how many there are. */
static int reap(bool again)
{
	int id, status, left = 0;

	for (id = 0; id < nr_processes; id++) {
		struct process *p = &shared->processes[id];

		if (!p->pid)
			continue;
		left++;
		if (stuck(id))
			exit(TEST_FAIL);
		if (waitpid(p->pid, &status, WNOHANG) != p->pid)
			continue;
		if (status && !(p->dying && WIFSIGNALED(status) &&
				WTERMSIG(status) == SIGKILL)) {
			printf("process %d ended with %#x in %s of loop%d\n",
			       p->pid, status, call_names[p->call], p->device);
			shared->bad = true;
		}
		p->pid = 0;
		left--;
		if (again && p->dying) {
			p->generation++;
			start(id);
			left++;
		}
	}
	return left;
}

static void kill_process(int id)
{
	struct process *p = &shared->processes[id];

	if (!p->pid || p->dying)
		return;
	p->dying = true;
	p->since = time(NULL);
	kill(p->pid, SIGKILL);
}

static void conduct(void)
{
	/*
	 * For the processes, from their beginning. No SA_RESTART: whatever is
	 * interrupted shows it.
	 */
	struct sigaction interrupt = { .sa_handler = nothing };
	unsigned long long next_kill = kill_each ? kill_each : -1ull;
	unsigned int kills = 0;
	int id;

	sigaction(SIGUSR1, &interrupt, NULL);
	for (id = 0; id < nr_processes; id++)
		start(id);
	while (__atomic_load_n(&shared->calls, __ATOMIC_RELAXED) < limit) {
		usleep(1000);
		if (shared->calls >= next_kill) {
			next_kill = shared->calls + kill_each;
			kills++;
			if (once_in(4))
				for (id = 0; id < nr_processes; id++)
					kill_process(id);
			else
				kill_process(below(nr_processes));
		}
		id = below(nr_processes);
		if (shared->processes[id].pid && once_in(4))
			kill(shared->processes[id].pid, SIGUSR1);
		reap(true);
	}
	if (kill_at_last)
		for (id = 0; id < nr_processes; id++)
			kill_process(id);
	while (reap(false))
		usleep(10000);
	printf("%llu calls, %u kills\n", shared->calls, kills);
}

/* Which devices there are. */
static int list_devices(int *numbers, int max)
{
	DIR *d = opendir("/sys/block");
	struct dirent *entry;
	int n = 0;

	while (d && n < max && (entry = readdir(d)))
		if (sscanf(entry->d_name, "loop%d", &numbers[n]) == 1)
			n++;
	if (d)
		closedir(d);
	return n;
}

/* Detaches and removes what the storm has made; udev may have it open. */
static bool calm(void)
{
	time_t start = time(NULL);
	int numbers[256], nr, i, control, left;
	bool tell;

	do {
		tell = time(NULL) - start >= 60 * patience;
		left = 0;
		control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
		nr = list_devices(numbers, COUNT(numbers));
		for (i = 0; i < nr && control >= 0; i++) {
			int n = numbers[i], fd, err;
			char path[PATH_MAX];

			if (n < MAX_DEVICES && shared->others[n])
				continue;
			if (!ioctl(control, LOOP_CTL_REMOVE, n))
				continue;
			err = errno;
			left++;
			snprintf(path, sizeof(path), "/dev/loop%d", n);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd >= 0) {
				ioctl(fd, LOOP_CLR_FD, 0);
				close(fd);
			}
			if (tell)
				printf("loop%d cannot be removed: %s\n", n,
				       errno_name(err));
		}
		if (control >= 0)
			close(control);
		usleep(20000);
	} while (left && !tell);
	return !left;
}

static void write_file(int n)
{
	/* A partition of 64 KiB at 32 KiB in a table as DOS had it. */
	static const unsigned char entry[16] = {
		0, 0, 2, 0, 0x83, 0, 0, 0, 64, 0, 0, 0, 128, 0, 0, 0,
	};
	static const off_t sizes[NR_FILES] = {
		1 << 20, 1 << 20, 1 << 20, 100000, 0,
	};
	int fd = open(file_path(n), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizes[n]) ||
	    (sizes[n] && (pwrite(fd, entry, sizeof(entry), 446) < 0 ||
			  pwrite(fd, "\x55\xaa", 2, 510) < 0)))
		usage("%s: %s", file_path(n), strerror(errno));
	close(fd);
}

static void prepare(void)
{
	int numbers[1024], nr, i, max_part = 0, status;
	char path[PATH_MAX];
	FILE *f;
	pid_t pid;

	f = fopen("/sys/module/loop/parameters/max_part", "r");
	if (f) {
		if (fscanf(f, "%d", &max_part) != 1)
			max_part = 0;
		fclose(f);
	}
	for (; max_part; max_part >>= 1)
		part_bits++;
	nr = list_devices(numbers, COUNT(numbers));
	for (i = 0; i < nr; i++) {
		if (numbers[i] >= first && numbers[i] < first + NR_DEVICES)
			usage("loop%d exists", numbers[i]);
		if (numbers[i] < MAX_DEVICES)
			shared->others[numbers[i]] = true;
	}
	for (i = 0; i < NR_FILES; i++)
		write_file(i);
	for (i = first; i < first + NR_DEVICES; i++) {
		snprintf(path, sizeof(path), "%s/loop%d", dir, i);
		if (mknod(path, S_IFBLK | 0600,
			  makedev(LOOP_MAJOR, i << part_bits)) &&
		    errno != EEXIST)
			usage("%s: %s", path, strerror(errno));
	}
	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* Says so on its output. */
		close(STDOUT_FILENO);
		need_syscall32();
		_exit(0);
	}
	have_compat = waitpid(pid, &status, 0) == pid && !status;
}

/* Of the errors those that came most often. */
static void show_results(enum call call)
{
	unsigned long long *results = shared->results[call], failed = 0;
	int i, err, most;

	for (err = 1; err <= MAX_ERRNO; err++)
		failed += results[err];
	if (!failed && !results[0])
		return;
	printf("%-20s %9llu ok %9llu failed", call_names[call], results[0],
	       failed);
	for (i = 0; i < 4; i++) {
		for (most = 1, err = 1; err <= MAX_ERRNO; err++)
			if (results[err] > results[most])
				most = err;
		if (results[most])
			printf("  %llu %s", results[most], errno_name(most));
		results[most] = 0;
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	const char *env = getenv("LOOP_PATIENCE");
	bool good;
	int c, i;

	while ((c = getopt(argc, argv, "p:d:o:k:KP")) != -1) {
		switch (c) {
		case 'p': nr_processes = number(optarg); break;
		case 'd': first = number(optarg); break;
		case 'o': kinds = optarg; break;
		case 'k': kill_each = number(optarg); break;
		case 'K': kill_at_last = true; break;
		case 'P': no_partitions = true; break;
		default: usage("see loop_storm.c");
		}
	}
	if (argc - optind < 3 || nr_processes < 1 ||
	    nr_processes > MAX_PROCESSES || first + NR_DEVICES > MAX_DEVICES)
		usage("loop_storm [OPTION...] SEED CALLS DIRECTORY [BACKING_DEVICE...]");
	if (env)
		patience = number(env);
	seed = state = number(argv[optind]);
	limit = number(argv[optind + 1]);
	dir = argv[optind + 2];
	backings = argv + optind + 3;
	nr_backings = argc - optind - 3;
	map_area();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		usage("mmap: %s", strerror(errno));
	prepare();
	conduct();
	good = calm() && !shared->bad;
	for (i = 0; i < NR_CALLS; i++)
		show_results(i);
	return good ? 0 : TEST_FAIL;
}
