// SPDX-License-Identifier: GPL-2.0
/*
 * Does one thing to a loop device from several threads at once, a given number
 * of times each, and reports results that may not happen.
 *
 *	loop_stress bind COUNT DEVICE FILE
 *		two threads attach and detach, one opens and reads, one asks
 *		for the status
 *	loop_stress change COUNT DEVICE FILE FILE
 *		two threads switch between the files, two read and compare
 *		every block with the first block of either file
 *	loop_stress clear COUNT DEVICE FILE
 *		one thread attaches and clears, three read and write
 *	loop_stress control COUNT CONTROL INDEX
 *		two threads add and remove one device, one opens its node, one
 *		looks for a free device
 *	loop_stress many COUNT CONTROL FILE
 *		COUNT devices are made, each has a block of the file, and all
 *		are used before the first one goes
 *	loop_stress reconfigure COUNT DEVICE
 *		one thread changes direct I/O, one the block size, one the
 *		offset and size, one reads and writes
 *
 * Prints how often each operation succeeded.
 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "loop_test.h"

#define MAX_THREADS	4
#define BLOCK		4096

struct worker {
	const char *what;
	void (*run)(struct worker *w);
	unsigned int id;
	unsigned int done;
	pthread_t thread;
};

static unsigned int count;
static const char *device;
static const char *files[2];
static int loop_index;
static volatile bool stop;
static volatile bool failed;

/* Counts a success; every error has to be among those named. */
static bool result(struct worker *w, const char *what, long ret,
		   const int *may, size_t n)
{
	int err = ret < 0 ? errno : 0;
	size_t i;

	if (!err) {
		w->done++;
		return true;
	}
	for (i = 0; i < n; i++)
		if (may[i] == err)
			return false;
	printf("%s: %s: unexpected %s\n", device, what, errno_name(err));
	failed = true;
	return false;
}

#define RESULT(w, what, ret, ...)					\
	({								\
		const int may_[] = { __VA_ARGS__ };			\
		result(w, what, ret, may_, sizeof(may_) / sizeof(int));	\
	})

static void bind_attach(struct worker *w)
{
	int backing = open(files[0], O_RDWR | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < count && !failed; i++) {
		int fd = open(device, O_RDWR | O_CLOEXEC);

		if (!RESULT(w, "open", fd, ENXIO))
			continue;
		w->done--;
		if (RESULT(w, "LOOP_SET_FD", ioctl(fd, LOOP_SET_FD, backing),
			   EBUSY)) {
			/* Another thread may have cleared it in between. */
			RESULT(w, "LOOP_CLR_FD", ioctl(fd, LOOP_CLR_FD, 0),
			       ENXIO);
		} else {
			RESULT(w, "LOOP_CLR_FD", ioctl(fd, LOOP_CLR_FD, 0),
			       ENXIO);
		}
		close(fd);
	}
	close(backing);
}

static void bind_read(struct worker *w)
{
	char buf[512];

	while (!stop && !failed) {
		int fd = open(device, O_RDONLY | O_CLOEXEC);

		if (!RESULT(w, "open", fd, ENXIO))
			continue;
		RESULT(w, "read", pread(fd, buf, sizeof(buf), 0), EIO);
		close(fd);
	}
}

static void bind_status(struct worker *w)
{
	struct loop_info64 info;

	while (!stop && !failed) {
		int fd = open(device, O_RDONLY | O_CLOEXEC);

		if (!RESULT(w, "open", fd, ENXIO))
			continue;
		RESULT(w, "LOOP_GET_STATUS64",
		       ioctl(fd, LOOP_GET_STATUS64, &info), ENXIO);
		close(fd);
	}
}

static void change_switch(struct worker *w)
{
	int backing[2] = {
		open(files[0], O_RDONLY | O_CLOEXEC),
		open(files[1], O_RDONLY | O_CLOEXEC),
	};
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < count && !failed; i++)
		RESULT(w, "LOOP_CHANGE_FD",
		       ioctl(fd, LOOP_CHANGE_FD, backing[(i + w->id) % 2]), 0);
	close(fd);
	close(backing[0]);
	close(backing[1]);
}

static void change_read(struct worker *w)
{
	int flags = O_RDONLY | O_CLOEXEC | (w->id % 2 ? O_DIRECT : 0);
	int fd = open(device, flags);
	char want[2][BLOCK];
	unsigned int n = 0;
	char *buf;
	int i;

	if (posix_memalign((void **)&buf, BLOCK, BLOCK))
		abort();
	for (i = 0; i < 2; i++) {
		int f = open(files[i], O_RDONLY | O_CLOEXEC);

		if (pread(f, want[i], BLOCK, 0) != BLOCK)
			failed = true;
		close(f);
	}
	while (!stop && !failed) {
		off_t at = (off_t)(n++ % 64) * BLOCK;

		if (pread(fd, buf, BLOCK, at) != BLOCK) {
			printf("%s: read at %lld: %s\n", device,
			       (long long)at, errno_name(errno));
			failed = true;
		} else if (memcmp(buf, want[0], BLOCK) &&
			   memcmp(buf, want[1], BLOCK)) {
			printf("%s: data of neither file at %lld\n", device,
			       (long long)at);
			failed = true;
		}
		w->done++;
	}
	free(buf);
	close(fd);
}

static void clear_attach(struct worker *w)
{
	int backing = open(files[0], O_RDWR | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < count && !failed; i++) {
		int fd = open(device, O_RDWR | O_CLOEXEC);

		if (!RESULT(w, "open", fd, ENXIO))
			continue;
		w->done--;
		/* Busy as long as a reader keeps the last one from going. */
		if (RESULT(w, "LOOP_SET_FD", ioctl(fd, LOOP_SET_FD, backing),
			   EBUSY))
			usleep(1000);
		RESULT(w, "LOOP_CLR_FD", ioctl(fd, LOOP_CLR_FD, 0), ENXIO);
		close(fd);
	}
	close(backing);
}

static void clear_io(struct worker *w)
{
	unsigned int n = 0;
	char *buf;

	if (posix_memalign((void **)&buf, BLOCK, BLOCK))
		abort();
	memset(buf, w->id, BLOCK);
	while (!stop && !failed) {
		int fd = open(device, O_RDWR | O_CLOEXEC |
			      (w->id % 2 ? O_DIRECT : 0));
		int i;

		if (fd < 0) {
			RESULT(w, "open", fd, ENXIO);
			continue;
		}
		for (i = 0; i < 4; i++) {
			off_t at = (off_t)(n++ % 64) * BLOCK;

			RESULT(w, "write", pwrite(fd, buf, BLOCK, at),
			       EIO, ENOSPC);
			RESULT(w, "read", pread(fd, buf, BLOCK, at), EIO);
		}
		close(fd);
	}
	free(buf);
}

static void control_add(struct worker *w)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < count && !failed; i++) {
		RESULT(w, "LOOP_CTL_ADD", ioctl(fd, LOOP_CTL_ADD, loop_index),
		       EEXIST);
		RESULT(w, "LOOP_CTL_REMOVE",
		       ioctl(fd, LOOP_CTL_REMOVE, loop_index), ENODEV, EBUSY);
	}
	close(fd);
}

static void control_open(struct worker *w)
{
	char node[64];

	snprintf(node, sizeof(node), "/dev/loop%d", loop_index);
	while (!stop && !failed) {
		int fd = open(node, O_RDONLY | O_CLOEXEC);

		if (RESULT(w, "open", fd, ENOENT, ENXIO))
			close(fd);
	}
}

static void control_free(struct worker *w)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);

	while (!stop && !failed)
		RESULT(w, "LOOP_CTL_GET_FREE", ioctl(fd, LOOP_CTL_GET_FREE, 0),
		       EEXIST);
	close(fd);
}

/* Opens a device by its number; the caller has waited for its node. */
static int open_number(int n, int flags)
{
	char node[64];

	snprintf(node, sizeof(node), "/dev/loop%d", n);
	return open(node, flags | O_CLOEXEC);
}

static void many_block(char *buf, unsigned int i)
{
	memset(buf, 1 + i % 251, BLOCK);
	memcpy(buf, &i, sizeof(i));
}

static void many_devices(struct worker *w)
{
	int control = open(device, O_RDWR | O_CLOEXEC);
	int backing = open(files[0], O_RDWR | O_CLOEXEC);
	int *numbers = calloc(count, sizeof(*numbers));
	char *buf, want[BLOCK];
	unsigned int i, made, tries;
	int fd;

	if (!numbers || posix_memalign((void **)&buf, BLOCK, BLOCK))
		abort();
	for (i = 0; i < count && !failed; i++) {
		struct loop_config config = { .fd = backing };

		config.info.lo_offset = (unsigned long long)i * BLOCK;
		config.info.lo_sizelimit = BLOCK;
		config.info.lo_flags = i % 2 ? LO_FLAGS_DIRECT_IO : 0;
		numbers[i] = ioctl(control, LOOP_CTL_ADD, -1);
		if (!RESULT(w, "LOOP_CTL_ADD", numbers[i], 0))
			break;
		fd = open_number(numbers[i], O_RDWR | O_DIRECT);
		RESULT(w, "open", fd, 0);
		RESULT(w, "LOOP_CONFIGURE", ioctl(fd, LOOP_CONFIGURE, &config),
		       0);
		many_block(buf, i);
		RESULT(w, "write", pwrite(fd, buf, BLOCK, 0), 0);
		close(fd);
	}
	made = i;
	for (i = 0; i < made && !failed; i++) {
		fd = open_number(numbers[i], O_RDONLY);
		many_block(want, i);
		RESULT(w, "read", pread(fd, buf, BLOCK, 0), 0);
		if (memcmp(buf, want, BLOCK)) {
			printf("loop%d: other data\n", numbers[i]);
			failed = true;
		}
		RESULT(w, "LOOP_CLR_FD", ioctl(fd, LOOP_CLR_FD, 0), 0);
		close(fd);
	}
	for (i = 0; i < made; i++) {
		/* Others may look at it meanwhile. */
		for (tries = 0; tries < 6000; tries++) {
			if (!ioctl(control, LOOP_CTL_REMOVE, numbers[i]) ||
			    errno != EBUSY)
				break;
			usleep(10000);
		}
		if (tries == 6000) {
			printf("loop%d cannot be removed\n", numbers[i]);
			failed = true;
		}
	}
	free(numbers);
	free(buf);
	close(backing);
	close(control);
}

static void idle(struct worker *w)
{
	(void)w;
}

static void reconf_dio(struct worker *w)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < count && !failed; i++)
		RESULT(w, "LOOP_SET_DIRECT_IO",
		       ioctl(fd, LOOP_SET_DIRECT_IO, (unsigned long)(i % 2)),
		       EINVAL);
	close(fd);
}

static void reconf_block(struct worker *w)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < count && !failed; i++)
		RESULT(w, "LOOP_SET_BLOCK_SIZE",
		       ioctl(fd, LOOP_SET_BLOCK_SIZE, 512ul << i % 4), EBUSY);
	close(fd);
}

static void reconf_status(struct worker *w)
{
	int fd = open(device, O_RDWR | O_CLOEXEC);
	struct loop_info64 info;
	unsigned int i;

	for (i = 0; i < count && !failed; i++) {
		memset(&info, 0, sizeof(info));
		info.lo_offset = i % 4 * 4096;
		info.lo_sizelimit = i % 3 * 65536;
		RESULT(w, "LOOP_SET_STATUS64",
		       ioctl(fd, LOOP_SET_STATUS64, &info), 0);
		RESULT(w, "LOOP_SET_CAPACITY",
		       ioctl(fd, LOOP_SET_CAPACITY, 0), 0);
	}
	close(fd);
}

static void reconf_io(struct worker *w)
{
	unsigned int n = 0;
	char *buf;
	int fd;

	if (posix_memalign((void **)&buf, BLOCK, BLOCK))
		abort();
	memset(buf, 0x33, BLOCK);
	fd = open(device, O_RDWR | O_CLOEXEC | O_DIRECT);
	while (!stop && !failed) {
		off_t at = (off_t)(n++ % 8) * BLOCK;

		RESULT(w, "write", pwrite(fd, buf, BLOCK, at), EIO, ENOSPC);
		RESULT(w, "read", pread(fd, buf, BLOCK, at), EIO);
	}
	free(buf);
	close(fd);
}

/* Those that count come first; the others go on until these have ended. */
static const struct scenario {
	const char *name;
	int files;
	int counted;
	struct {
		const char *what;
		void (*run)(struct worker *w);
	} threads[MAX_THREADS];
} scenarios[] = {
	{ "bind", 1, 2, {
		{ "attach", bind_attach }, { "attach", bind_attach },
		{ "read", bind_read }, { "status", bind_status } } },
	{ "change", 2, 2, {
		{ "change", change_switch }, { "change", change_switch },
		{ "read", change_read }, { "read", change_read } } },
	{ "clear", 1, 1, {
		{ "attach", clear_attach }, { "io", clear_io },
		{ "io", clear_io }, { "io", clear_io } } },
	{ "control", 1, 2, {
		{ "add", control_add }, { "add", control_add },
		{ "open", control_open }, { "get-free", control_free } } },
	{ "many", 1, 1, {
		{ "many", many_devices }, { "idle", idle },
		{ "idle", idle }, { "idle", idle } } },
	{ "reconfigure", 0, 3, {
		{ "dio", reconf_dio }, { "block size", reconf_block },
		{ "status", reconf_status }, { "io", reconf_io } } },
};

static void *start(void *arg)
{
	struct worker *w = arg;

	w->run(w);
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker workers[MAX_THREADS] = {};
	const struct scenario *s = NULL;
	size_t i;

	for (i = 0; argc > 3 && i < sizeof(scenarios) / sizeof(*s); i++)
		if (!strcmp(argv[1], scenarios[i].name))
			s = &scenarios[i];
	if (!s || argc != 4 + s->files)
		usage("loop_stress SCENARIO COUNT DEVICE [FILE...]");
	count = number(argv[2]);
	device = argv[3];
	files[0] = argv[4];
	files[1] = s->files > 1 ? argv[5] : NULL;
	if (!strcmp(s->name, "control"))
		loop_index = number(argv[4]);

	for (i = 0; i < MAX_THREADS; i++) {
		workers[i].what = s->threads[i].what;
		workers[i].run = s->threads[i].run;
		workers[i].id = i;
		if (pthread_create(&workers[i].thread, NULL, start,
				   &workers[i]))
			usage("no thread");
	}
	for (i = 0; i < MAX_THREADS; i++) {
		if ((int)i == s->counted)
			stop = true;
		pthread_join(workers[i].thread, NULL);
	}
	for (i = 0; i < MAX_THREADS; i++)
		printf("%s: %u\n", workers[i].what, workers[i].done);
	return failed ? TEST_FAIL : 0;
}
