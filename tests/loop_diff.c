// SPDX-License-Identifier: GPL-2.0
/*
 * The differential run: executes sequences of operations on loop devices and
 * prints a trace of what comes of each, and of all that userspace can observe
 * of the devices meanwhile. Nothing in a trace depends on time, or on what was
 * there before, so two drivers that behave alike give the same trace.
 *
 *	loop_diff serve		does what is asked for on standard input:
 *		seeds FIRST LAST	the sequences that these seeds stand for
 *		sequence NAME		the lines up to one that is "."
 *	loop_diff generate SEED	prints a sequence
 *	loop_diff known		prints which differences are meant
 *
 * A sequence is run from its first line to its last, one operation after the
 * other, by three processes. Lines which are no operation of a process say what
 * there is to begin with:
 *
 *	module [PARAMETER=VALUE...]	how the module is loaded
 *	devices N			0 to N - 1 are added
 *	file fN KIND SIZE SEED		a file in a file system of the guest
 *	disk bN SEED			what the block device N contains
 *
 * Needs a guest of its own: it takes all loop devices away. What else it needs
 * is in ROOT, see scripts/guest/differential.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "loop_diff.h"

#define OP_SECONDS 60

struct shared *shared;

static int pids[NR_ACTORS];
static int wake[NR_ACTORS][2], done[NR_ACTORS][2];
static char loaded[MAX_LINE] = "?";
static bool disk_used[NR_DISKS];
static int operations;

void trace(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

__attribute__((noreturn, format(printf, 1, 2)))
static void give_up(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("gave up: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	exit(3);
}

static void start_actor(int actor)
{
	int i;

	for (i = 0; i < NR_HANDLES; i++)
		shared->handles[actor][i].fd = -1;
	fflush(stdout);
	if (pipe2(wake[actor], O_CLOEXEC) || pipe2(done[actor], O_CLOEXEC))
		give_up("pipe: %s", strerror(errno));
	pids[actor] = fork();
	if (pids[actor])
		return;
	/* The other actors' ends have to be closed when they are. */
	for (i = 0; i < NR_ACTORS; i++) {
		if (i == actor) {
			close(wake[i][1]);
			close(done[i][0]);
		} else if (pids[i]) {
			close(wake[i][1]);
			close(done[i][0]);
		}
	}
	actor_main(actor, wake[actor][0], done[actor][1]);
	_exit(0);
}

static void start_actor_again(int actor)
{
	close(wake[actor][1]);
	close(done[actor][0]);
	start_actor(actor);
	close(wake[actor][0]);
	close(done[actor][1]);
}

/* Has an actor carry a line out; false if it ended. */
static bool run_line(int actor, const char *line)
{
	struct pollfd p = { .fd = done[actor][0], .events = POLLIN };
	int status;
	char c = 0;

	snprintf(shared->line, sizeof(shared->line), "%s", line);
	if (write(wake[actor][1], &c, 1) != 1)
		give_up("actor %d is gone", actor);
	if (poll(&p, 1, OP_SECONDS * 1000) == 0)
		give_up("not done after %d s: %s", OP_SECONDS, line);
	if (read(done[actor][0], &c, 1) == 1)
		return true;
	if (waitpid(pids[actor], &status, 0) < 0 || status)
		give_up("actor %d died with %#x: %s", actor, status, line);
	start_actor_again(actor);
	return false;
}

static void operation(int actor, const char *line)
{
	if (run_line(actor, line))
		trace("  = %s\n", shared->result);
	else
		trace("  = ended\n");
	/* All of all devices now and then, as one may change another. */
	state_trace(pids, ++operations % 8 ? shared->device : -1);
}

/* What the conductor does by itself, in passing. */
__attribute__((format(printf, 2, 3)))
static void quietly(int actor, const char *fmt, ...)
{
	char line[MAX_LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	trace("* %s\n", line);
	operation(actor, line);
}

static void remove_all_devices(bool told)
{
	int numbers[256], nr = 0, i, n, fd;
	DIR *dir = opendir("/sys/block");
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (sscanf(d->d_name, "loop%d", &n) == 1 && nr < 256)
			numbers[nr++] = n;
	if (dir)
		closedir(dir);
	for (n = 0; n < nr; n++) {
		/* In order; there are few. */
		int least = n, tmp;

		for (i = n + 1; i < nr; i++)
			if (numbers[i] < numbers[least])
				least = i;
		tmp = numbers[n];
		numbers[n] = numbers[least];
		numbers[least] = tmp;
	}
	fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	for (i = 0; i < nr; i++) {
		int ret = ioctl(fd, LOOP_CTL_REMOVE, numbers[i]);

		if (ret < 0 && told)
			trace("leftover: loop%d cannot be removed: %d\n",
			      numbers[i], errno);
	}
	close(fd);
}

static void shell(const char *command)
{
	int status;

	fflush(stdout);
	status = system(command);
	if (status)
		give_up("%s: %#x", command, status);
}

static void load_module(const char *parameters)
{
	const char *ko = getenv("LOOP_KO");
	char command[MAX_LINE + 256], buf[32];
	int i, shift = 0, max_part;

	if (!strcmp(loaded, parameters))
		return;
	if (!access("/sys/module/loop", F_OK))
		shell("rmmod loop");
	snprintf(command, sizeof(command), "%s %s %s",
		 ko ? "insmod" : "modprobe", ko ? ko : "loop", parameters);
	shell(command);
	snprintf(loaded, sizeof(loaded), "%s", parameters);
	remove_all_devices(false);

	sysfs_read(buf, sizeof(buf), "/sys/module/loop/parameters/max_part");
	for (max_part = atoi(buf); max_part; max_part >>= 1)
		shift++;
	for (i = 0; i < NR_DEVICES; i++) {
		char node[64];

		snprintf(node, sizeof(node), NODES "/loop%d", i);
		unlink(node);
		if (mknod(node, S_IFBLK | 0600, makedev(7, i << shift)))
			give_up("%s: %s", node, strerror(errno));
	}
}

static void fill_file(const char *path, size_t size, uint64_t seed)
{
	static char buf[65536];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	size_t at;

	if (fd < 0)
		give_up("%s: %s", path, strerror(errno));
	for (at = 0; at < size; at += sizeof(buf)) {
		size_t n = size - at < sizeof(buf) ? size - at : sizeof(buf);

		fill_pattern(buf, n, seed, at);
		if (pwrite(fd, buf, n, at) != (ssize_t)n)
			give_up("%s: %s", path, strerror(errno));
	}
	close(fd);
}

/* The rest of files and disks is a hole. */
#define FILLED_BYTES (96 << 10)

static void clear_disk(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t range[2] = {};

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &range[1]) ||
	    ioctl(fd, BLKZEROOUT, range))
		give_up("%s: %s", path, strerror(errno));
	close(fd);
}

static void setup_line(const char *line)
{
	char kind[32], path[64];
	unsigned long long size, seed;
	int n, fd, i;

	if (sscanf(line, "devices %d", &n) == 1) {
		fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
		for (i = 0; i < n; i++)
			if (ioctl(fd, LOOP_CTL_ADD, i) < 0)
				trace("  loop%d cannot be added: %d\n", i,
				      errno);
		close(fd);
		state_trace(pids, -1);
	} else if (sscanf(line, "file f%d %31s %llu %llu", &n, kind, &size,
			  &seed) == 4 && n < NR_FILES) {
		snprintf(path, sizeof(path), ROOT "/%s/f%d", kind, n);
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0)
			give_up("%s: %s", path, strerror(errno));
		if (ftruncate(fd, size))
			give_up("%s: %s", path, strerror(errno));
		close(fd);
		fill_file(path, size < FILLED_BYTES ? size : FILLED_BYTES,
			  seed);
		snprintf(shared->files[n], sizeof(shared->files[n]), "%s",
			 path);
	} else if (sscanf(line, "disk b%d %llu", &n, &seed) == 2 &&
		   n < NR_DISKS) {
		snprintf(path, sizeof(path), NODES "/disk%d", n);
		clear_disk(path);
		fill_file(path, FILLED_BYTES, seed);
		disk_used[n] = true;
	} else if (strncmp(line, "module", 6)) {
		trace("  not understood\n");
	}
}

static uint64_t sum_file(const char *path)
{
	static char buf[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t h = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = sum(buf, n, h);
	close(fd);
	return h;
}

static void end_file(int n)
{
	const char *path = shared->files[n];
	struct stat st;
	int fd;

	if (!path[0])
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Given only to whoever has the file open alone. */
	if (fcntl(fd, F_SETLEASE, F_WRLCK))
		trace("leftover: f%d is still open: %d\n", n, errno);
	else
		fcntl(fd, F_SETLEASE, F_UNLCK);
	fstat(fd, &st);
	close(fd);
	trace("f%d: %lld bytes, sum %016llx", n, (long long)st.st_size,
	      (unsigned long long)sum_file(path));
	if (strstr(path, "/tmpfs/"))
		trace(", %lld blocks", (long long)st.st_blocks);
	trace("\n");
	unlink(path);
	shared->files[n][0] = 0;
}

static bool is_bound(int n)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/loop%d/loop", n);
	return !access(path, F_OK);
}

/* Closes and detaches everything, and looks whether anything is left. */
static void finish(void)
{
	int actor, slot, n, pass;
	char path[64];

	trace("end:\n");
	state_trace(pids, -1);
	for (actor = 0; actor < NR_ACTORS; actor++)
		for (slot = 0; slot < NR_HANDLES; slot++)
			if (shared->handles[actor][slot].fd >= 0)
				quietly(actor, "%d close h%d", actor, slot);
	/* Those on top of others first, whichever they are. */
	for (pass = 0; pass < NR_DEVICES; pass++) {
		for (n = NR_DEVICES - 1; n >= 0; n--) {
			if (!is_bound(n) || shared->abandoned[n])
				continue;
			quietly(0, "0 open h0 d%d r", n);
			quietly(0, "0 clr-fd h0");
			quietly(0, "0 close h0");
		}
	}
	for (n = 0; n < NR_DEVICES; n++)
		if (is_bound(n))
			trace("leftover: d%d is attached\n", n);
	remove_all_devices(true);
	state_trace(pids, -1);
	for (n = 0; n < NR_FILES; n++)
		end_file(n);
	for (n = 0; n < NR_DISKS; n++) {
		if (!disk_used[n])
			continue;
		snprintf(path, sizeof(path), NODES "/disk%d", n);
		trace("b%d: sum %016llx\n", n,
		      (unsigned long long)sum_file(path));
		disk_used[n] = false;
	}
}

static void run_sequence(const char *name, char lines[MAX_LINES][MAX_LINE],
			 int nr)
{
	const char *parameters = "max_loop=0";
	long references;
	int i;

	printf("begin %s\n", name);
	for (i = 0; i < nr; i++)
		printf("> %s\n", lines[i]);
	/* So that it is known which one hangs. */
	fflush(stdout);

	for (i = 0; i < nr; i++)
		if (!strncmp(lines[i], "module ", 7))
			parameters = lines[i] + 7;
	load_module(parameters);
	memset(shared->abandoned, 0, sizeof(shared->abandoned));
	memset(shared->changed_fd, 0, sizeof(shared->changed_fd));
	memset(shared->set_dio, 0, sizeof(shared->set_dio));
	shared->nr_skipped = 0;
	operations = 0;
	references = module_references();
	state_begin();
	for (i = 0; i < nr; i++) {
		int actor = lines[i][0] - '0';

		trace("%s\n", lines[i]);
		if (actor >= 0 && actor < NR_ACTORS)
			operation(actor, lines[i]);
		else
			setup_line(lines[i]);
	}
	finish();
	if (module_references() != references)
		trace("leftover: %ld references to the module\n",
		      module_references() - references);
	printf("done %s\n", name);
	fflush(stdout);
}

static void serve(void)
{
	static char lines[MAX_LINES][MAX_LINE];
	unsigned long long first, last;
	char request[MAX_LINE], name[64];
	int i, nr;

	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < NR_ACTORS; i++) {
		start_actor(i);
		close(wake[i][0]);
		close(done[i][1]);
	}
	load_module("max_loop=1");
	i = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (ioctl(i, LOOP_CTL_ADD, 0) < 0)
		give_up("no loop0: %s", strerror(errno));
	close(i);
	state_init();
	remove_all_devices(false);

	while (fgets(request, sizeof(request), stdin)) {
		if (sscanf(request, "seeds %llu %llu", &first, &last) == 2) {
			for (; first <= last; first++) {
				snprintf(name, sizeof(name), "%llu", first);
				nr = generate(first, lines);
				run_sequence(name, lines, nr);
			}
		} else if (sscanf(request, "sequence %63s", name) == 1) {
			nr = 0;
			while (nr < MAX_LINES &&
			       fgets(lines[nr], MAX_LINE, stdin)) {
				lines[nr][strcspn(lines[nr], "\n")] = 0;
				if (!strcmp(lines[nr], "."))
					break;
				nr++;
			}
			run_sequence(name, lines, nr);
		} else if (!strncmp(request, "quit", 4)) {
			break;
		} else {
			give_up("not understood: %s", request);
		}
	}
}

int main(int argc, char **argv)
{
	static char lines[MAX_LINES][MAX_LINE];
	int i, nr;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	if (argc == 2 && !strcmp(argv[1], "serve")) {
		serve();
	} else if (argc == 3 && !strcmp(argv[1], "generate")) {
		nr = generate(strtoull(argv[2], NULL, 0), lines);
		for (i = 0; i < nr; i++)
			printf("%s\n", lines[i]);
	} else if (argc == 2 && !strcmp(argv[1], "known")) {
		known_print();
	} else {
		fprintf(stderr, "usage: loop_diff serve | generate SEED | known\n");
		return 2;
	}
	return 0;
}
