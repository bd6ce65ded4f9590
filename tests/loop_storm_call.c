// SPDX-License-Identifier: GPL-2.0
/*
 * Calls: how they begin and end, with which handles and arguments, at random.
 * A part of loop_storm.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include "loop_storm.h"

/* Of a process. */
struct process *self;
struct handle handles[NR_HANDLES];
char *buffer;
aio_context_t aio;

__thread uint64_t state;

const char * const call_names[] = {
#define X(name) #name,
	CALLS(X)
#undef X
};

uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

unsigned int below(unsigned int n)
{
	return next() % n;
}

/* True once in @n times. */
bool once_in(unsigned int n)
{
	return !below(n);
}

void begin(enum call call, int device, unsigned long arg)
{
	self->call = call;
	self->device = device;
	self->arg = arg;
	__atomic_add_fetch(&self->begun, 1, __ATOMIC_RELEASE);
}

/* @ret is negative if it failed, with errno. Returns it. */
long end(long ret)
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

int any_device(void)
{
	return first + below(NR_DEVICES);
}

/* One that is open, NULL if none is. */
struct handle *any_handle(void)
{
	unsigned int i, slot = below(NR_HANDLES);

	for (i = 0; i < NR_HANDLES; i++, slot = (slot + 1) % NR_HANDLES)
		if (handles[slot].fd >= 0 && handles[slot].device >= 0)
			return &handles[slot];
	return NULL;
}

struct handle *control(void)
{
	return &handles[NR_HANDLES - 1];
}

/* An address that the kernel should not follow, or not wholly. */
unsigned long hostile_address(void)
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
unsigned long argument(void)
{
	return once_in(12) ? hostile_address() : (unsigned long)area;
}

long do_ioctl(enum call call, struct handle *h, unsigned int cmd,
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

void do_close(struct handle *h)
{
	begin(CALL_CLOSE, h->device, 0);
	end(close(h->fd));
	h->fd = -1;
}

void do_open(void)
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
struct handle *need_handle(void)
{
	struct handle *h = any_handle();

	if (h && !once_in(10))
		return h;
	do_open();
	return any_handle();
}

const char *file_path(int n)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/file%d", dir, n);
	return path;
}
