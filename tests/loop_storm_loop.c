// SPDX-License-Identifier: GPL-2.0
/*
 * What a process asks of the loop driver: its ioctls and its attributes.
 * A part of loop_storm.c.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include "loop_storm.h"

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

unsigned long long any_offset(void)
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

unsigned int any_block_size(void)
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
void bind_well(struct handle *h, unsigned int flags)
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

void bind_step(struct handle *h)
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

void status_step(struct handle *h)
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

void control_step(void)
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

void hostile_step(struct handle *h)
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

void attribute_step(void)
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

void pin_step(struct handle *h)
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
