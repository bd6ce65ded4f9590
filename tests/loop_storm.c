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
#include <time.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "loop_storm.h"

struct shared *shared;

unsigned long long seed, limit;
int nr_processes = 6, first = 40;
unsigned int kill_each = 300;
const char *kinds = "bbbbssccoooooiiiiiikkpphfy";
bool kill_at_last, no_partitions;
const char *dir;
char **backings;
int nr_backings;
bool have_compat;
int part_bits;
int patience = 1;

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
