// SPDX-License-Identifier: GPL-2.0
/*
 * A FUSE filesystem with one file, "img", for backing files that misbehave.
 *
 *	loop_fuse DIRECTORY SIZE [SECONDS [UID]]
 *
 * mounts itself there and serves until it is killed; what is under way then
 * fails with ECONNABORTED. The file is SIZE bytes of zeroes at first and is
 * kept in memory. The kernel may believe what it is told of the file for an
 * hour, or as many SECONDS. It is root's, or that of user UID. Commands are
 * lines written to the file "control"; when the write returns they have taken
 * effect:
 *
 *	hold OPERATION [COUNT]	leaves the next COUNT such requests (all if not
 *				given) without an answer
 *	release			answers them, and holds no more
 *	fail OPERATION ERROR	answers with this error, OK to end that
 *	short BYTES		writes do at most so much of what they are
 *				asked for, 0 to end that
 *	long BYTES		writes say that they did so much more than that
 *	size BYTES		the file is said to be of that size
 *
 * OPERATION is read, write, fsync, statfs, getattr, punch or zero; the latter
 * are fallocate with FALLOC_FL_PUNCH_HOLE and FALLOC_FL_ZERO_RANGE.
 *
 * Standard output tells of each of these requests: "read OFFSET LENGTH",
 * "fsync", with "held " before those that get no answer.
 */
#include <fcntl.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "loop_test.h"

#define MAX_WRITE	(128 * 1024)
#define MAX_HELD	64

enum { ROOT = FUSE_ROOT_ID, IMG, CONTROL };

enum operation {
	READ, WRITE, FSYNC, STATFS, GETATTR, PUNCH, ZERO, NR_OPERATIONS
};

static const char *const operation_names[] = {
	"read", "write", "fsync", "statfs", "getattr", "punch", "zero",
};

/* A request as it comes from the kernel. */
struct request {
	struct fuse_in_header head;
	union {
		struct fuse_init_in init;
		struct fuse_read_in read;
		struct fuse_fallocate_in fallocate;
		struct fuse_setattr_in setattr;
		struct {
			struct fuse_write_in write;
			char data[MAX_WRITE];
		};
		char name[4096];
	};
};

static struct {
	unsigned long hold;
	int error;
} rules[NR_OPERATIONS];

static size_t max_write = MAX_WRITE;
static struct request *held[MAX_HELD];
static int nr_held;
static char *content;
static uint64_t size;
/* What we say. */
static uint64_t told_size;
static uint32_t written_more;
static unsigned long believed = 3600;
static int dev;

static void reply(const struct request *req, int err, const void *data,
		  size_t len)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + (err ? 0 : len),
		.error = -err,
		.unique = req->head.unique,
	};
	struct iovec parts[] = {
		{ &head, sizeof(head) }, { (void *)data, len },
	};

	/* It fails for a request that was aborted meanwhile. */
	if (writev(dev, parts, err || !len ? 1 : 2) < 0 && errno != ENOENT)
		perror("loop_fuse: reply");
}

static void fill_attr(uint64_t node, struct fuse_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->mode = node == ROOT ? S_IFDIR | 0755 : S_IFREG | 0600;
	attr->nlink = 1;
	attr->size = node == IMG ? told_size : 0;
	attr->blocks = attr->size / 512;
	attr->blksize = 4096;
}

static void reply_attr(const struct request *req)
{
	struct fuse_attr_out out = { .attr_valid = believed };

	fill_attr(req->head.nodeid, &out.attr);
	reply(req, 0, &out, sizeof(out));
}

static void lookup(const struct request *req)
{
	struct fuse_entry_out out = {
		.entry_valid = believed,
		.attr_valid = believed,
	};

	if (!strcmp(req->name, "img"))
		out.nodeid = IMG;
	else if (!strcmp(req->name, "control"))
		out.nodeid = CONTROL;
	else
		return reply(req, ENOENT, NULL, 0);
	fill_attr(out.nodeid, &out.attr);
	reply(req, 0, &out, sizeof(out));
}

static void init(const struct request *req)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = req->init.max_readahead,
		.flags = FUSE_BIG_WRITES | FUSE_ASYNC_DIO,
		.max_write = MAX_WRITE,
	};

	reply(req, 0, &out, sizeof(out));
}

/* Answers one of the requests that commands are about. */
static void answer(enum operation op, const struct request *req)
{
	struct fuse_write_out written = {};
	struct fuse_statfs_out statfs = { .st.bsize = 4096 };
	uint64_t offset, len;

	if (rules[op].error)
		return reply(req, rules[op].error, NULL, 0);
	switch (op) {
	case READ:
		offset = req->read.offset;
		len = offset < size ? size - offset : 0;
		if (len > req->read.size)
			len = req->read.size;
		return reply(req, 0, content + offset, len);
	case WRITE:
		offset = req->write.offset;
		len = req->write.size;
		if (len > max_write)
			len = max_write;
		if (offset + len > size)
			return reply(req, ENOSPC, NULL, 0);
		memcpy(content + offset, req->data, len);
		written.size = len + written_more;
		return reply(req, 0, &written, sizeof(written));
	case STATFS:
		return reply(req, 0, &statfs, sizeof(statfs));
	case GETATTR:
		return reply_attr(req);
	case PUNCH:
	case ZERO:
		offset = req->fallocate.offset;
		len = req->fallocate.length;
		if (offset + len > size)
			return reply(req, ENOSPC, NULL, 0);
		memset(content + offset, 0, len);
		break;
	default:
		break;
	}
	reply(req, 0, NULL, 0);
}

static enum operation operation(const struct request *req)
{
	switch (req->head.opcode) {
	case FUSE_READ:
		return READ;
	case FUSE_WRITE:
		return WRITE;
	case FUSE_FSYNC:
		return FSYNC;
	case FUSE_STATFS:
		return STATFS;
	case FUSE_GETATTR:
		return req->head.nodeid == IMG ? GETATTR : NR_OPERATIONS;
	case FUSE_FALLOCATE:
		if (req->fallocate.mode & FALLOC_FL_PUNCH_HOLE)
			return PUNCH;
		if (req->fallocate.mode & FALLOC_FL_ZERO_RANGE)
			return ZERO;
	}
	return NR_OPERATIONS;
}

static void tell(enum operation op, const struct request *req, bool hold)
{
	printf("%s%s", hold ? "held " : "", operation_names[op]);
	if (op == READ)
		printf(" %llu %u", (unsigned long long)req->read.offset,
		       req->read.size);
	else if (op == WRITE)
		printf(" %llu %u", (unsigned long long)req->write.offset,
		       req->write.size);
	else if (op == PUNCH || op == ZERO)
		printf(" %llu %llu", (unsigned long long)req->fallocate.offset,
		       (unsigned long long)req->fallocate.length);
	printf("\n");
}

static void serve(enum operation op, const struct request *req)
{
	bool hold = rules[op].hold;

	tell(op, req, hold);
	if (!hold)
		return answer(op, req);
	rules[op].hold--;
	if (nr_held == MAX_HELD)
		usage("too many held requests");
	held[nr_held] = malloc(sizeof(*req));
	memcpy(held[nr_held++], req, req->head.len);
}

static void release(void)
{
	int i;

	for (i = 0; i < NR_OPERATIONS; i++)
		rules[i].hold = 0;
	for (i = 0; i < nr_held; i++) {
		answer(operation(held[i]), held[i]);
		free(held[i]);
	}
	nr_held = 0;
}

static enum operation operation_named(const char *name)
{
	int i;

	for (i = 0; i < NR_OPERATIONS; i++)
		if (name && !strcmp(operation_names[i], name))
			break;
	return i;
}

static int error_named(const char *name)
{
	size_t i;

	for (i = 0; name && i < sizeof(errno_names) / sizeof(errno_names[0]); i++)
		if (!strcmp(errno_names[i].name, name))
			return errno_names[i].value;
	return -1;
}

/* Carries out a command; false if it is none. */
static bool command(char *line)
{
	char *name = strtok(line, " \n");
	char *first = strtok(NULL, " \n");
	char *second = strtok(NULL, " \n");
	enum operation op = operation_named(first);
	int err = error_named(second);

	if (!name)
		return false;
	if (!strcmp(name, "release")) {
		release();
	} else if (!strcmp(name, "short") && first) {
		max_write = number(first) ? number(first) : MAX_WRITE;
	} else if (!strcmp(name, "long") && first) {
		written_more = number(first);
	} else if (!strcmp(name, "size") && first) {
		told_size = number(first);
	} else if (!strcmp(name, "hold") && op < NR_OPERATIONS) {
		rules[op].hold = second ? number(second) : -1ul;
	} else if (!strcmp(name, "fail") && op < NR_OPERATIONS && err >= 0) {
		rules[op].error = err;
	} else {
		return false;
	}
	return true;
}

static void control(struct request *req)
{
	struct fuse_write_out out = { .size = req->write.size };

	req->data[req->write.size] = 0;
	if (command(req->data))
		reply(req, 0, &out, sizeof(out));
	else
		reply(req, EINVAL, NULL, 0);
}

static void handle(struct request *req)
{
	struct fuse_open_out opened = {};
	enum operation op = operation(req);

	if (req->head.nodeid == CONTROL && op == WRITE)
		return control(req);
	if (op < NR_OPERATIONS)
		return serve(op, req);
	switch (req->head.opcode) {
	case FUSE_INIT:
		return init(req);
	case FUSE_LOOKUP:
		return lookup(req);
	case FUSE_SETATTR:
		if (req->head.nodeid == IMG &&
		    req->setattr.valid & FATTR_SIZE)
			return reply(req, EOPNOTSUPP, NULL, 0);
		return reply_attr(req);
	case FUSE_GETATTR:
		return reply_attr(req);
	case FUSE_OPEN:
		if (req->head.nodeid == CONTROL)
			opened.open_flags = FOPEN_DIRECT_IO;
		return reply(req, 0, &opened, sizeof(opened));
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		return reply(req, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		/* These want no answer. */
		return;
	default:
		return reply(req, ENOSYS, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	/* One byte more, to end a command with. */
	static char buf[sizeof(struct request) + 1];
	struct request *req = (struct request *)buf;
	char options[80];
	unsigned int uid = 0;

	if (argc < 3 || argc > 5)
		usage("loop_fuse DIRECTORY SIZE [SECONDS [UID]]");
	size = number(argv[2]);
	told_size = size;
	if (argc > 3)
		believed = number(argv[3]);
	if (argc > 4)
		uid = number(argv[4]);
	content = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (content == MAP_FAILED)
		usage("no memory");
	setvbuf(stdout, NULL, _IOLBF, 0);

	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		perror("/dev/fuse");
		return TEST_SKIP;
	}
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u", dev, uid, uid);
	if (mount("loop_fuse", argv[1], "fuse", MS_NOSUID | MS_NODEV,
		  options)) {
		perror(argv[1]);
		return TEST_FAIL;
	}
	for (;;) {
		ssize_t len = read(dev, req, sizeof(*req));

		if (len < 0 && errno == ENODEV)
			return 0;	/* unmounted */
		if (len < 0 && errno != EINTR && errno != ENOENT &&
		    errno != EAGAIN) {
			perror("/dev/fuse");
			return TEST_FAIL;
		}
		if (len > 0)
			handle(req);
	}
}
