// SPDX-License-Identifier: GPL-2.0
/*
 * Performs ioctls of the loop driver on one device and checks their outcome.
 *
 *	loop_ioctl [-c] [-n] DEVICE operation argument... [=RESULT] [, operation...]
 *
 * -c issues the ioctls through the 32-bit system call entry, with the
 * structures that 32-bit programs use. loop_ioctl32 is such a program.
 *
 * -n does the first operation again and again, with the first, the second, ...
 * allocation in it failing as "faults" of test_common.sh has it, until there
 * is none left to fail. Each time it has to say so (ENOMEM, or EFAULT: copying
 * fails too, or EINVAL: that is what comes of one of those that a new disk
 * takes) and to have changed nothing, or to succeed. Then the other operations
 * undo it, but for the last time. Prints how often it failed.
 *
 * The device is opened for reading and writing by the first operation that
 * needs it, unless "open" comes first. "fd:N" as DEVICE is one which is open
 * already. Operations:
 *
 *	open MODE		opens it once more and uses that; MODE holds
 *				r and w, x for O_EXCL, n for O_NONBLOCK
 *	use N, close N		uses or closes the N-th opened (from 0)
 *	drop-caps		gives up all capabilities
 *	catch			SIGUSR1 is not fatal from here on
 *	set-fd FILE, change-fd FILE, clr-fd
 *	configure FILE [block_size=N] [FIELD=VALUE...]
 *	set-status, set-status64 [keep] [FIELD=VALUE...]
 *				"keep" starts from what get-status64 says
 *	get-status, get-status64 [FIELD=VALUE...]
 *				compares the fields, prints them all if none
 *	set-capacity, set-dio N, set-block-size N
 *	add N, remove N, get-free	on loop-control; print what they return
 *	read OFFSET LENGTH, write OFFSET LENGTH, fsync
 *	dio-align		prints how direct I/O on the file DEVICE has to be
 *				aligned, in memory and in the file; 0 if unknown
 *	size BYTES		what BLKGETSIZE64 has to say
 *	ro N			what BLKROGET has to say
 *	pinned VALUE		writes that to the attribute in sysfs
 *	add-part N OFFSET LENGTH, del-part N	BLKPG, in bytes
 *	ioctl NUMBER ARG	any other
 *	spawn COMMAND		runs a shell command and waits for it
 *
 * FILE is a path, opened for reading and writing; "r:", "w:", "d:", "rd:" or
 * "p:" before it ask for read-only, write-only, O_DIRECT, both and O_PATH.
 * "fd:N" is a number taken as it is, "memfd:SIZE", "pipe:", "socket:" and
 * "event:" make such a file.
 *
 * ptr=null, bad, edge, ro and odd choose another address for the structure:
 * NULL, unmapped, half unmapped, not writable, not aligned.
 */
#include <fcntl.h>
#include <unistd.h>
#include <linux/blkpg.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "loop_abi.h"
#include "loop_test.h"

#define MAX_OPEN 8

static const char *device;
static bool compat;
static int fds[MAX_OPEN];
static int nr_fds;
static int cur;
static bool failed;
static int open_device(int flags)
{
	int fd;

	if (nr_fds == MAX_OPEN)
		usage("too many opens");
	fd = open(device, flags | O_CLOEXEC);
	if (fd < 0)
		return errno;
	cur = nr_fds;
	fds[nr_fds++] = fd;
	return 0;
}

/* Returns what the ioctl returned, or an error as a negative number. */
static long do_ioctl(unsigned long cmd, unsigned long arg)
{
	long ret;

	if (!nr_fds) {
		int err = open_device(O_RDWR);

		if (err)
			return -err;
	}
	if (compat)
		return syscall32(54, fds[cur], cmd, arg);
	ret = ioctl(fds[cur], cmd, arg);
	return ret < 0 ? -errno : ret;
}

static int mode_flags(const char *mode)
{
	bool r = strchr(mode, 'r'), w = strchr(mode, 'w');
	int flags = r && w ? O_RDWR : w ? O_WRONLY : O_RDONLY;

	if (strchr(mode, 'x'))
		flags |= O_EXCL;
	if (strchr(mode, 'n'))
		flags |= O_NONBLOCK;
	return flags;
}

/* The descriptor to pass as the backing file. */
static int backing_fd(const char *spec)
{
	const char *path = spec;
	int flags;
	int pair[2];
	int fd;

	if (prefixed(spec, "fd:", &path))
		return (int)strtol(path, NULL, 0);
	if (prefixed(spec, "memfd:", &path)) {
		fd = memfd_create("loop", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, number(path)))
			usage("memfd: %s", strerror(errno));
		return fd;
	}
	if (prefixed(spec, "pipe:", &path)) {
		if (pipe(pair))
			usage("pipe: %s", strerror(errno));
		return pair[0];
	}
	if (prefixed(spec, "socket:", &path)) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			usage("socketpair: %s", strerror(errno));
		return pair[0];
	}
	if (prefixed(spec, "event:", &path)) {
		fd = eventfd(0, 0);
		if (fd < 0)
			usage("eventfd: %s", strerror(errno));
		return fd;
	}

	flags = file_flags(spec, &path);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		usage("%s: %s", spec, strerror(errno));
	return fd;
}

static long get_status(const struct op *op, bool old, struct loop_info64 *info)
{
	union {
		struct loop_info64 info;
		struct loop_info old;
		struct loop_info_compat compat;
	} u;
	size_t size = !old ? sizeof(u.info) :
		      compat ? sizeof(u.compat) : sizeof(u.old);
	char *at = place(op, size);
	long ret;

	/* Rubbish, so that a field which is not filled in shows. */
	memset(&u, 0xa5, sizeof(u));
	put(at, &u, size);
	ret = do_ioctl(old ? LOOP_GET_STATUS : LOOP_GET_STATUS64,
		       (unsigned long)at);
	if (ret < 0)
		return ret;
	memcpy(&u, at, size);
	if (!old)
		*info = u.info;
	else if (compat)
		FROM_OLD(info, &u.compat);
	else
		FROM_OLD(info, &u.old);
	return ret;
}

static long set_status(const struct op *op, bool old)
{
	struct loop_info64 info;
	int i;

	memset(&info, 0, sizeof(info));
	for (i = 0; i < op->argc; i++) {
		if (!strcmp(op->argv[i], "keep")) {
			struct op none = { .name = "get-status64" };
			long ret = get_status(&none, false, &info);

			if (ret < 0)
				return ret;
		}
	}
	fill_info(op, &info);
	if (!old) {
		void *at = place(op, sizeof(info));

		put(at, &info, sizeof(info));
		return do_ioctl(LOOP_SET_STATUS64, (unsigned long)at);
	}
	if (compat) {
		struct loop_info_compat c;
		void *at = place(op, sizeof(c));

		to_compat(&info, &c);
		put(at, &c, sizeof(c));
		return do_ioctl(LOOP_SET_STATUS, (unsigned long)at);
	} else {
		struct loop_info o;
		void *at = place(op, sizeof(o));

		to_old(&info, &o);
		put(at, &o, sizeof(o));
		return do_ioctl(LOOP_SET_STATUS, (unsigned long)at);
	}
}

static long configure(const struct op *op)
{
	struct loop_config config;
	void *at = place(op, sizeof(config));
	char *v;
	long ret;
	int fd;

	memset(&config, 0, sizeof(config));
	fd = backing_fd(op_arg(op, 0));
	config.fd = fd;
	if ((v = op_value(op, "block_size")))
		config.block_size = number(v);
	if ((v = op_value(op, "reserved")))
		config.__reserved[0] = config.__reserved[7] = number(v);
	fill_info(op, &config.info);
	put(at, &config, sizeof(config));
	ret = do_ioctl(LOOP_CONFIGURE, (unsigned long)at);
	if (strncmp(op->argv[0], "fd:", 3))
		close(fd);
	return ret;
}

static long with_file(const struct op *op, unsigned long cmd)
{
	const char *spec = op_arg(op, 0);
	int fd = backing_fd(spec);
	long ret = do_ioctl(cmd, fd);

	if (strncmp(spec, "fd:", 3))
		close(fd);
	return ret;
}

static void field(const struct op *op, const char *key, unsigned long long is)
{
	char *v = op_value(op, key);

	if (!op->argc)
		printf("%s=%llu\n", key, is);
	else if (v && number(v) != is) {
		printf("%s: %s: %s is %llu (0x%llx), expected %s\n", device,
		       op->name, key, is, is, v);
		failed = true;
	}
}

static void text_field(const struct op *op, const char *key, const void *is,
		       size_t size)
{
	char *v = op_value(op, key);
	char text[LO_NAME_SIZE + 1] = "";

	memcpy(text, is, size);
	if (!op->argc)
		printf("%s=%s\n", key, text);
	else if (v && strcmp(v, text)) {
		printf("%s: %s: %s is \"%s\", expected \"%s\"\n", device,
		       op->name, key, text, v);
		failed = true;
	}
}

static void show_status(const struct op *op, const struct loop_info64 *info)
{
	field(op, "number", info->lo_number);
	field(op, "device", info->lo_device);
	field(op, "inode", info->lo_inode);
	field(op, "rdevice", info->lo_rdevice);
	field(op, "offset", info->lo_offset);
	field(op, "sizelimit", info->lo_sizelimit);
	field(op, "flags", info->lo_flags);
	field(op, "encrypt_type", info->lo_encrypt_type);
	field(op, "key_size", info->lo_encrypt_key_size);
	field(op, "init", info->lo_init[0] | info->lo_init[1]);
	text_field(op, "file_name", info->lo_file_name, LO_NAME_SIZE);
	text_field(op, "crypt_name", info->lo_crypt_name, LO_NAME_SIZE);
	text_field(op, "key", info->lo_encrypt_key, LO_KEY_SIZE);
}

static long drop_caps(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = {};

	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

static void caught(int sig)
{
	(void)sig;
}

static long transfer(const struct op *op, bool write)
{
	off_t offset = number(op_arg(op, 0));
	size_t length = number(op_arg(op, 1));
	ssize_t done;
	void *buf;

	if (!nr_fds) {
		int err = open_device(O_RDWR);

		if (err)
			return -err;
	}
	if (posix_memalign(&buf, page, length))
		return -ENOMEM;
	memset(buf, 0x5a, length);
	done = write ? pwrite(fds[cur], buf, length, offset) :
		       pread(fds[cur], buf, length, offset);
	if (done < 0)
		done = -errno;
	else if ((size_t)done != length)
		done = -ENODATA;
	free(buf);
	return done < 0 ? done : 0;
}

/* Opens the attribute of pinned mode, which there may not be. */
static int open_pinned(int flags)
{
	const char *name = strrchr(device, '/');
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/%s/loop/pinned",
		 name ? name + 1 : device);
	return open(path, flags | O_CLOEXEC);
}

static long write_pinned(const char *value)
{
	int fd = open_pinned(O_WRONLY);
	long ret = 0;

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

static long run(const struct op *op)
{
	const char *name = op->name;
	struct loop_info64 info;
	long ret;

	if (!strcmp(name, "open"))
		return -open_device(mode_flags(op_arg(op, 0)));
	if (!strcmp(name, "use")) {
		cur = number(op_arg(op, 0));
		if (cur >= nr_fds)
			usage("use %d: not opened", cur);
		return 0;
	}
	if (!strcmp(name, "close")) {
		int n = number(op_arg(op, 0));

		if (n >= nr_fds)
			usage("close %d: not opened", n);
		return close(fds[n]) ? -errno : 0;
	}
	if (!strcmp(name, "drop-caps"))
		return drop_caps();
	if (!strcmp(name, "catch")) {
		/* No SA_RESTART: whatever is interrupted shows it. */
		struct sigaction action = { .sa_handler = caught };

		return sigaction(SIGUSR1, &action, NULL) ? -errno : 0;
	}
	if (!strcmp(name, "set-fd"))
		return with_file(op, LOOP_SET_FD);
	if (!strcmp(name, "change-fd"))
		return with_file(op, LOOP_CHANGE_FD);
	if (!strcmp(name, "clr-fd"))
		return do_ioctl(LOOP_CLR_FD, 0);
	if (!strcmp(name, "configure"))
		return configure(op);
	if (!strcmp(name, "set-status"))
		return set_status(op, true);
	if (!strcmp(name, "set-status64"))
		return set_status(op, false);
	if (!strcmp(name, "get-status") || !strcmp(name, "get-status64")) {
		ret = get_status(op, !strcmp(name, "get-status"), &info);
		if (ret >= 0)
			show_status(op, &info);
		return ret;
	}
	if (!strcmp(name, "set-capacity"))
		return do_ioctl(LOOP_SET_CAPACITY, 0);
	if (!strcmp(name, "set-dio"))
		return do_ioctl(LOOP_SET_DIRECT_IO, number(op_arg(op, 0)));
	if (!strcmp(name, "set-block-size"))
		return do_ioctl(LOOP_SET_BLOCK_SIZE, number(op_arg(op, 0)));
	if (!strcmp(name, "add") || !strcmp(name, "remove") ||
	    !strcmp(name, "get-free")) {
		if (!strcmp(name, "add"))
			ret = do_ioctl(LOOP_CTL_ADD,
				       strtol(op_arg(op, 0), NULL, 0));
		else if (!strcmp(name, "remove"))
			ret = do_ioctl(LOOP_CTL_REMOVE,
				       strtol(op_arg(op, 0), NULL, 0));
		else
			ret = do_ioctl(LOOP_CTL_GET_FREE, 0);
		if (ret >= 0)
			printf("%ld\n", ret);
		return ret;
	}
	if (!strcmp(name, "read") || !strcmp(name, "write"))
		return transfer(op, !strcmp(name, "write"));
	if (!strcmp(name, "fsync"))
		return fsync(fds[cur]) ? -errno : 0;
	if (!strcmp(name, "dio-align")) {
		struct statx st;

		if (statx(AT_FDCWD, device, 0, STATX_DIOALIGN, &st))
			return -errno;
		printf("%u %u\n", st.stx_dio_mem_align,
		       st.stx_dio_offset_align);
		return 0;
	}
	if (!strcmp(name, "size")) {
		unsigned long long is = 0;

		if (!nr_fds && open_device(O_RDONLY))
			return -errno;
		if (ioctl(fds[cur], BLKGETSIZE64, &is))
			return -errno;
		if (is != number(op_arg(op, 0))) {
			printf("%s: size is %llu, expected %s\n", device, is,
			       op_arg(op, 0));
			failed = true;
		}
		return 0;
	}
	if (!strcmp(name, "ro")) {
		int is = 0;

		if (!nr_fds && open_device(O_RDONLY))
			return -errno;
		if (ioctl(fds[cur], BLKROGET, &is))
			return -errno;
		if (is != (int)number(op_arg(op, 0))) {
			printf("%s: ro is %d, expected %s\n", device, is,
			       op_arg(op, 0));
			failed = true;
		}
		return 0;
	}
	if (!strcmp(name, "pinned"))
		return write_pinned(op_arg(op, 0));
	if (!strcmp(name, "add-part") || !strcmp(name, "del-part")) {
		bool add = !strcmp(name, "add-part");
		struct blkpg_partition part = {
			.pno = number(op_arg(op, 0)),
			.start = add ? number(op_arg(op, 1)) : 0,
			.length = add ? number(op_arg(op, 2)) : 0,
		};
		struct blkpg_ioctl_arg arg = {
			.op = add ? BLKPG_ADD_PARTITION : BLKPG_DEL_PARTITION,
			.datalen = sizeof(part),
			.data = &part,
		};

		return do_ioctl(BLKPG, (unsigned long)&arg);
	}
	if (!strcmp(name, "ioctl"))
		return do_ioctl(number(op_arg(op, 0)), number(op_arg(op, 1)));
	if (!strcmp(name, "spawn")) {
		fflush(stdout);
		return system(op_arg(op, 0)) ? -EIO : 0;
	}
	usage("%s: no such operation", name);
}

/* What can be seen of a device. */
struct seen {
	struct loop_info64 info;
	uint64_t size;
	int error, read_only, block_size;
	char pinned[4];
};

static void look(struct seen *seen)
{
	int fd = open_pinned(O_RDONLY);

	memset(seen, 0, sizeof(*seen));
	if (ioctl(fds[cur], LOOP_GET_STATUS64, &seen->info))
		seen->error = errno;
	ioctl(fds[cur], BLKGETSIZE64, &seen->size);
	ioctl(fds[cur], BLKROGET, &seen->read_only);
	ioctl(fds[cur], BLKSSZGET, &seen->block_size);
	if (fd >= 0) {
		if (read(fd, seen->pinned, sizeof(seen->pinned)) < 0)
			seen->error = errno;
		close(fd);
	}
}

enum { SUCCEEDED, FAILED, NOTHING_FAILED, WRONG };

/* The first operation with the n-th allocation failing, then the others. */
static int with_nth_failing(unsigned long n, int argc, char **argv)
{
	struct seen before, after;
	char left[16] = "";
	struct op op;
	int nth = open("/proc/thread-self/fail-nth", O_RDWR);
	long ret;

	if (nth < 0 || (!nr_fds && open_device(O_RDWR)))
		usage("fail-nth, or %s: %s", device, strerror(errno));
	next_op(&argc, &argv, &op);
	look(&before);
	if (dprintf(nth, "%lu", n) < 0)
		usage("fail-nth: %s", strerror(errno));
	ret = run(&op);
	if (pread(nth, left, sizeof(left) - 1, 0) < 0 ||
	    pwrite(nth, "0", 1, 0) != 1)
		usage("fail-nth: %s", strerror(errno));
	if (atol(left)) {
		op_check(device, &op, ret < 0 ? -ret : 0);
		return ret < 0 ? WRONG : NOTHING_FAILED;
	}
	if (ret == -ENOMEM || ret == -EFAULT || ret == -EINVAL) {
		look(&after);
		if (!memcmp(&before, &after, sizeof(before)))
			return FAILED;
		printf("%s: %s has changed something, and failed\n", device,
		       op.name);
		return WRONG;
	}
	do {
		if (!op_check(device, &op, ret < 0 ? -ret : 0))
			return WRONG;
		if (!next_op(&argc, &argv, &op))
			return SUCCEEDED;
		ret = run(&op);
	} while (1);
}

static int with_each_failing(int argc, char **argv)
{
	unsigned long n, failures = 0;
	int status;

	for (n = 1;; n++) {
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (!pid) {
			status = with_nth_failing(n, argc, argv);
			exit(status);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			usage("fork: %s", strerror(errno));
		if (status == NOTHING_FAILED << 8)
			break;
		failures += status == FAILED << 8;
		if (status != FAILED << 8 && status != SUCCEEDED << 8) {
			printf("%s: with failure %lu\n", device, n);
			return TEST_FAIL;
		}
	}
	printf("%s %s: failed %lu of %lu times\n", device, argv[0], failures,
	       n - 1);
	return 0;
}

int main(int argc, char **argv)
{
	bool failing = false;
	struct op op;

	argc--;
	argv++;
	if (argc && !strcmp(argv[0], "-c")) {
		compat = true;
		argc--;
		argv++;
	}
	if (argc && !strcmp(argv[0], "-n")) {
		failing = true;
		argc--;
		argv++;
	}
	if (argc < 2)
		usage("loop_ioctl [-c] [-n] DEVICE OPERATION...");
	device = *argv;
	argc--;
	argv++;

	if (!strncmp(device, "fd:", 3))
		fds[nr_fds++] = number(device + 3);
	map_area();
	if (compat)
		need_syscall32();
	if (failing)
		return with_each_failing(argc, argv);

	while (next_op(&argc, &argv, &op)) {
		long ret = run(&op);

		if (!op_check(device, &op, ret < 0 ? -ret : 0))
			failed = true;
		if (failed)
			return TEST_FAIL;
	}
	return 0;
}
