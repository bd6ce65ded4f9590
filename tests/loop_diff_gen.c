// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the sequence that a seed stands for. Most of it is sensible: devices
 * are attached and used; but any value may be a bad one, and any operation may
 * come at any time.
 *
 * The numbers come from a generator of its own, so that a seed is the same
 * sequence everywhere. Of a sequence only its lines count: to take some out
 * gives another sequence.
 */
#include <stdarg.h>
#include <string.h>
#include "loop_diff.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t state;
static char (*out)[MAX_LINE];
static int nr_lines;
static int nr_devices, nr_files;
/* What was opened, as far as is known here. */
static int opened[NR_ACTORS][NR_HANDLES];	/* device + 1 */
static bool direct[NR_ACTORS][NR_HANDLES];

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

#define PICK(array) ((array)[below(COUNT(array))])

__attribute__((format(printf, 1, 2)))
static void line(const char *fmt, ...)
{
	va_list ap;

	if (nr_lines == MAX_LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(out[nr_lines++], MAX_LINE, fmt, ap);
	va_end(ap);
}

/* Adds words to a line that is being made. */
__attribute__((format(printf, 2, 3)))
static void add(char *buf, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, MAX_LINE - len, fmt, ap);
	va_end(ap);
}

static const char *any_offset(void)
{
	static const char * const good[] = {
		"0", "512", "1024", "4096", "8192", "65536", "131072",
	};
	static const char * const odd[] = {
		"1", "511", "513", "1000", "2048", "4095", "4608", "262144",
		"300000", "524288", "1048576", "1099511627776",
		"9223372036854775807", "9223372036854775808",
		"18446744073709551615", "9223372036854775296", "2147483648",
		"4294967296",
	};

	return once_in(4) ? PICK(odd) : PICK(good);
}

static const char *any_limit(void)
{
	static const char * const limits[] = {
		"0", "0", "0", "512", "4096", "65536", "65536", "100000",
		"131072", "262144", "1", "511", "4095", "1048576",
		"1099511627776", "9223372036854775807",
		"9223372036854775808", "18446744073709551615",
	};

	return PICK(limits);
}

static const char *any_position(void)
{
	static const char * const good[] = {
		"0", "512", "4096", "8192", "20480", "65536", "131072",
	};
	static const char * const odd[] = {
		"1", "100", "511", "513", "1024", "4608", "61440", "65024",
		"130560", "199680", "204800", "261632", "262144", "524288",
		"1048576", "9223372036854771712",
	};

	return once_in(3) ? PICK(odd) : PICK(good);
}

static const char *any_length(void)
{
	static const char * const good[] = {
		"512", "4096", "8192", "65536", "131072",
	};
	static const char * const odd[] = {
		"0", "1", "300", "513", "1024", "4608", "12288", "40000",
		"262144",
	};

	return once_in(3) ? PICK(odd) : PICK(good);
}

static unsigned int any_device(void)
{
	return once_in(25) ? below(NR_DEVICES) : below(nr_devices);
}

/* A backing file for the device @n. */
static const char *any_backing(unsigned int n)
{
	static const char * const odd[] = {
		"r:dir", "p:dir", "fifo", "char", "control", "proc", "pipe",
		"socket", "event", "memfd", "fd:-1", "fd:999", "p:f0", "w:f0",
		"f3", "w:b0", "p:b0",
	};
	static const char * const modes[] = {
		"", "", "", "", "r:", "r:", "d:", "d:", "rd:",
	};
	static char name[64];

	if (once_in(12))
		return PICK(odd);
	snprintf(name, sizeof(name), "%s", PICK(modes));
	if (once_in(6)) {
		add(name, "b%u", below(NR_DISKS));
	} else if (once_in(6)) {
		/* One below another, mostly; the rest is refused. */
		add(name, "d%u", once_in(3) ? below(NR_DEVICES) :
		    (n + 1) % NR_DEVICES);
		if (once_in(8))
			add(name, "p%u", 1 + below(2));
	} else {
		add(name, "f%u", below(nr_files));
	}
	return name;
}

static void add_flags(char *buf)
{
	static const unsigned int flags[] = {
		1, 4, 8, 8, 8, 12, 16, 16, 24, 5, 28, 29, 9, 17, 2, 32, 64,
		0x80000000, 0xffffffff,
	};

	if (!once_in(3))
		add(buf, " flags=%u", once_in(2) ? flags[below(12)] :
		    PICK(flags));
}

static void add_hostile(char *buf)
{
	static const char * const words[] = {
		" encrypt_type=1", " encrypt_type=18", " encrypt_type=7",
		" key_size=32", " key_size=33", " key_size=4294967295",
		" key=secret", " init=7", " number=3", " device=99",
		" inode=5", " rdevice=6", " crypt_name=none", " ptr=null",
		" ptr=bad", " ptr=edge", " ptr=ro", " ptr=odd",
		" file_name=a-name-that-is-longer-than-the-sixty-four-bytes-which-there-are-for-it",
	};

	if (once_in(8))
		add(buf, "%s", PICK(words));
	if (once_in(6))
		add(buf, " file_name=name%u", below(3));
	if (once_in(6))
		add(buf, " compat");
}

static const char *any_block_size(void)
{
	static const char * const good[] = { "512", "1024", "2048", "4096" };
	static const char * const odd[] = {
		"0", "1", "256", "511", "513", "3000", "8192", "16384",
		"65536", "131072", "4294967295", "4294967296", "4294967808",
		"4294971392",
	};

	return once_in(4) ? PICK(odd) : PICK(good);
}

/* With a file that is likely to do; with any, if there is none. */
static void configure(unsigned int actor, unsigned int slot, const char *file)
{
	unsigned int n = opened[actor][slot] ? opened[actor][slot] - 1 : 0;
	char buf[MAX_LINE] = "";
	bool sensible = file;

	if (!sensible && once_in(8)) {
		line("%u set-fd h%u %s%s", actor, slot, any_backing(n),
		     once_in(6) ? " compat" : "");
		return;
	}
	if (sensible) {
		add(buf, "%u configure h%u %s", actor, slot, file);
		if (once_in(3))
			add(buf, " block_size=%s",
			    once_in(10) ? any_block_size() :
			    once_in(2) ? "512" : "4096");
	} else {
		add(buf, "%u configure h%u %s", actor, slot, any_backing(n));
		if (once_in(3))
			add(buf, " block_size=%s", any_block_size());
	}
	add_flags(buf);
	if (once_in(4))
		add(buf, " offset=%s", sensible && !once_in(6) ? "4096" :
		    any_offset());
	if (once_in(4))
		add(buf, " sizelimit=%s", sensible && !once_in(6) ? "131072" :
		    any_limit());
	if (!sensible) {
		add_hostile(buf);
		if (once_in(20))
			add(buf, " reserved=1");
	}
	line("%s", buf);
}

static void set_status(unsigned int actor, unsigned int slot)
{
	bool old = once_in(4);
	char buf[MAX_LINE] = "";

	add(buf, "%u set-status%s h%u", actor, old ? "" : "64", slot);
	if (once_in(2))
		add(buf, " keep=1");
	add_flags(buf);
	if (once_in(2))
		add(buf, " offset=%s", any_offset());
	if (once_in(2))
		add(buf, " sizelimit=%s", any_limit());
	add_hostile(buf);
	line("%s", buf);
}

static const char *any_mode(void)
{
	static const char * const modes[] = {
		"rwd", "rwd", "rwd", "r", "r", "rd", "w", "rwx", "rx", "rwn",
		"rn", "wd",
	};

	return PICK(modes);
}

static void open_device(unsigned int actor, unsigned int slot, unsigned int n,
			const char *mode)
{
	if (nr_lines > 10 && once_in(6))
		line("%u open h%u d%up%u %s", actor, slot, n, 1 + below(3),
		     mode);
	else
		line("%u open h%u d%u %s", actor, slot, n, mode);
	if (!opened[actor][slot]) {
		opened[actor][slot] = n + 1;
		direct[actor][slot] = strchr(mode, 'd');
	}
}

static void transfer(unsigned int actor, unsigned int slot)
{
	static const char * const aligned[] = {
		"0", "512", "4096", "8192", "65536",
	};
	static const char * const lengths[] = {
		"512", "4096", "8192", "65536", "131072",
	};
	bool write = once_in(2);
	char buf[MAX_LINE] = "";
	bool plain = direct[actor][slot] && !once_in(4);

	add(buf, "%u %s h%u %s %s", actor, write ? "write" : "read", slot,
	    plain ? PICK(aligned) : any_position(),
	    plain ? PICK(lengths) : any_length());
	if (write)
		add(buf, " %u", 1 + below(1000));
	if (direct[actor][slot] && once_in(8))
		add(buf, " mem=%u", once_in(2) ? 512 : 4);
	line("%s", buf);
}

static void attribute(unsigned int actor)
{
	static const char * const writes[] = {
		"queue/read_ahead_kb 0", "queue/read_ahead_kb 512",
		"queue/max_sectors_kb 4", "queue/max_sectors_kb 64",
		"queue/max_sectors_kb 1", "queue/max_sectors_kb 1280",
		"queue/max_sectors_kb 100000", "queue/max_sectors_kb 0",
		"queue/write_cache write back",
		"queue/write_cache write through",
		"queue/write_cache nonsense",
		"queue/discard_max_bytes 0", "queue/discard_max_bytes 4096",
		"queue/discard_max_bytes 513",
		"queue/discard_max_bytes 2147450880",
		"queue/discard_max_bytes 99999999999",
		"queue/nomerges 2", "queue/rq_affinity 2",
		"queue/rotational 1", "queue/rotational 0",
		"queue/iostats 0", "queue/add_random 1",
		"queue/stable_writes 1", "queue/io_timeout 1000",
		"queue/nr_requests 64", "queue/nr_requests 2",
		"queue/nr_requests 4096", "queue/wbt_lat_usec 0",
		"queue/wbt_lat_usec -1", "queue/io_poll 1",
		"queue/scheduler none", "queue/scheduler mq-deadline",
		"queue/scheduler nonsense",
		"queue/write_zeroes_unmap_max_bytes 4096",
		"events_poll_msecs 0", "events_poll_msecs -1",
		"uevent change", "uevent nonsense", "loop/offset 512",
		"loop/dio 1", "queue/logical_block_size 4096",
	};
	const char *write = PICK(writes);
	const char *value = strchr(write, ' ') + 1;

	line("%u attr d%u %.*s %s", actor, any_device(),
	     (int)(value - write - 1), write, value);
}

static void control(unsigned int actor)
{
	static const char * const numbers[] = {
		"-1", "-2", "4", "5", "100", "1048575", "1048576",
		"2147483647", "-2147483648", "4294967295", "4294967296",
	};
	const char *compat = once_in(8) ? " compat" : "";
	char n[16];

	snprintf(n, sizeof(n), "%u", below(NR_DEVICES));
	switch (below(8)) {
	case 0: case 1:
		line("%u add %s%s", actor, once_in(3) ? PICK(numbers) : n,
		     compat);
		break;
	case 2: case 3: case 4:
		line("%u remove %s%s", actor, once_in(4) ? PICK(numbers) : n,
		     compat);
		break;
	case 5: case 6:
		line("%u get-free%s", actor, compat);
		break;
	default:
		line("%u control", actor);
	}
}

static void other_ioctl(unsigned int actor, unsigned int slot)
{
	/* Unknown to the driver; some are the block layer's. */
	static const unsigned int numbers[] = {
		0x4c0b, 0x4c0f, 0x4c7f, 0x4c80, 0x4c82, 0x4cff, 0, 0x301,
		0x5309, 0x5331, 0x2285, 0x1277, 0x80081272, 0x40101289,
		0x125d, 0x127c, 0xffffffff,
	};
	static const unsigned int ours[] = {
		0x4c00, 0x4c02, 0x4c03, 0x4c04, 0x4c05, 0x4c06, 0x4c0a,
	};
	static const char * const args[] = { "0", "1", "4096", "4294967295" };

	if (once_in(2))
		line("%u ioctl h%u %#x %s%s", actor, slot, PICK(ours),
		     PICK(args), once_in(3) ? " compat" : "");
	else
		line("%u ioctl h%u %#x area%s", actor, slot, PICK(numbers),
		     once_in(3) ? " compat" : "");
}

static void range(unsigned int actor, unsigned int slot)
{
	static const char * const names[] = {
		"discard", "discard", "discard", "zeroout", "zeroout",
		"zeroout", "secdiscard",
	};
	static const unsigned int modes[] = {
		0x3, 0x3, 0x3, 0x10, 0x11, 0x11, 0x0, 0x1, 0x2, 0x7, 0x80,
		0x40,
	};

	static const char * const positions[] = {
		"0", "4096", "8192", "65536",
	};
	static const char * const lengths[] = {
		"4096", "8192", "65536", "262144",
	};
	bool plain = !once_in(3);
	const char *at = plain ? PICK(positions) : any_position();
	const char *length = plain ? PICK(lengths) : any_length();

	if (once_in(3))
		line("%u fallocate h%u %#x %s %s", actor, slot, PICK(modes), at,
		     length);
	else
		line("%u %s h%u %s %s%s", actor, PICK(names), slot, at, length,
		     once_in(15) ? " ptr=bad" : "");
}

static void partitions(unsigned int actor, unsigned int slot)
{
	static const char * const starts[] = {
		"8192", "65536", "0", "512", "1000", "1048576",
		"18446744073709551104",
	};
	static const char * const lengths[] = {
		"4096", "8192", "65536", "0", "100", "1048576",
	};

	unsigned int number = once_in(5) ? below(200) : 1 + below(2);

	switch (below(9)) {
	case 0: case 1: case 2: case 8:
		line("%u part-add h%u %u %s %s", actor, slot, number,
		     once_in(3) ? PICK(starts) : "4096",
		     once_in(3) ? PICK(lengths) : "4096");
		break;
	case 3:
		line("%u part-del h%u %u", actor, slot, number);
		break;
	case 4:
		line("%u part-resize h%u %u 4096 %s", actor, slot, number,
		     PICK(lengths));
		break;
	case 5: case 6:
		line("%u rrpart h%u", actor, slot);
		break;
	default:
		line("%u table h%u %u", actor, slot, below(40));
	}
}

static void change_file(unsigned int actor)
{
	static const char * const sizes[] = {
		"0", "512", "65536", "100000", "131072", "262144", "524288",
		"300",
	};
	unsigned int n = below(nr_files);

	switch (below(5)) {
	case 0: case 1:
		line("%u ftruncate f%u %s", actor, n, PICK(sizes));
		break;
	case 2:
		line("%u fwrite f%u %s %s %u", actor, n, any_offset()[0] == '9' ?
		     "0" : "4096", "8192", 1 + below(1000));
		break;
	case 3:
		line("%u ftable f%u %u", actor, n, below(40));
		break;
	default:
		line("%u fread f%u", actor, n);
	}
}

/* An operation on a device that is open, mostly. */
static void step(void)
{
	unsigned int actor = once_in(3) ? 1 + below(NR_ACTORS - 1) : 0;
	unsigned int slot = below(NR_HANDLES), i;

	/* Find one that is open. */
	for (i = 0; i < NR_HANDLES && !opened[actor][slot]; i++)
		slot = (slot + 1) % NR_HANDLES;
	if (!opened[actor][slot]) {
		open_device(actor, slot, any_device(),
			    once_in(2) ? any_mode() : "rw");
		return;
	}

	switch (below(46)) {
	case 0: case 1: case 2: case 3:
		configure(actor, slot, once_in(3) ? "f0" : NULL);
		break;
	case 4: case 5: case 6: case 7: case 8:
		set_status(actor, slot);
		break;
	case 9: case 10: {
		char buf[MAX_LINE] = "";

		add(buf, "%u get-status%s h%u", actor,
		    once_in(2) ? "" : "64", slot);
		add_hostile(buf);
		line("%s", buf);
		break;
	}
	case 11: case 12:
		line("%u set-dio h%u %s%s", actor, slot, once_in(3) ? "0" : "1",
		     once_in(6) ? " compat" : "");
		break;
	case 13: case 14:
		line("%u set-block-size h%u %s%s", actor, slot,
		     any_block_size(), once_in(6) ? " compat" : "");
		break;
	case 15: case 16:
		line("%u set-capacity h%u%s", actor, slot,
		     once_in(6) ? " 1 compat" : "");
		break;
	case 17: case 18: case 19:
		line("%u change-fd h%u %s%s", actor, slot,
		     any_backing(opened[actor][slot] - 1),
		     once_in(6) ? " compat" : "");
		break;
	case 20: case 21:
		line("%u clr-fd h%u%s", actor, slot,
		     once_in(6) ? " compat" : "");
		break;
	case 22: case 23: case 24: case 25: case 26: case 27:
		transfer(actor, slot);
		break;
	case 28:
		line("%u mmap h%u %s %s %u", actor, slot, any_position(),
		     once_in(2) ? "4096" : "12288", 1 + below(1000));
		break;
	case 29:
		line("%u fsync h%u", actor, slot);
		break;
	case 30: case 31: case 32:
		range(actor, slot);
		break;
	case 33: case 34: case 35:
		partitions(actor, slot);
		break;
	case 36:
		if (once_in(2))
			line("%u roset h%u %u", actor, slot, below(2));
		else
			line("%u raset h%u %u", actor, slot, below(4) * 128);
		break;
	case 37:
		if (once_in(2))
			line("%u flsbuf h%u", actor, slot);
		else
			line("%u bszset h%u %s", actor, slot,
			     any_block_size());
		break;
	case 38:
		attribute(actor);
		break;
	case 39:
		other_ioctl(actor, slot);
		break;
	case 40:
		control(actor);
		break;
	case 41:
		change_file(actor);
		break;
	case 42: case 43:
		line("%u close h%u", actor, slot);
		opened[actor][slot] = 0;
		break;
	default:
		if (once_in(12)) {
			line("%u die", actor);
			memset(opened[actor], 0, sizeof(opened[actor]));
			break;
		}
		for (i = 0; i < NR_HANDLES && opened[actor][slot]; i++)
			slot = (slot + 1) % NR_HANDLES;
		open_device(actor, slot, any_device(),
			    once_in(2) ? any_mode() : "rw");
	}
}

int generate(unsigned long long seed, char lines[MAX_LINES][MAX_LINE])
{
	static const char * const parameters[] = {
		"max_loop=0 max_part=7", "max_loop=2", "max_part=3 max_loop=0",
		"max_loop=0 hw_queue_depth=1", "max_loop=0 max_part=255",
	};
	static const char * const kinds[] = {
		"tmpfs", "tmpfs", "tmpfs", "ext4", "ext4", "ext4-4k",
		"overlay",
	};
	static const unsigned int sizes[] = {
		262144, 262144, 262144, 204800, 131072, 100000, 524288, 4096,
		511, 0, 65536 + 512,
	};
	unsigned int i, steps;

	/* Some seeds in a row have the same, as loading takes time. */
	state = seed / 50 * 2654435761u + 1;
	out = lines;
	nr_lines = 0;
	memset(opened, 0, sizeof(opened));
	if (once_in(3))
		line("module %s", PICK(parameters));

	state = seed + 1;
	next();
	nr_devices = once_in(2) ? 1 : once_in(4) ? 3 : 2;
	nr_files = 1 + below(3);
	line("devices %d", nr_devices);
	for (i = 0; i < (unsigned int)nr_files; i++)
		line("file f%u %s %u %u", i, PICK(kinds),
		     once_in(3) ? PICK(sizes) : 262144, below(1000));
	if (once_in(3))
		for (i = 0; i < NR_DISKS; i++)
			line("disk b%u %u", i, below(1000));
	if (once_in(2))
		line("0 ftable f0 %u", below(40));

	open_device(0, 0, 0, once_in(4) ? any_mode() : "rw");
	if (nr_devices > 1 && once_in(2)) {
		open_device(0, 1, 1, once_in(4) ? any_mode() : "rw");
		configure(0, 1, once_in(3) ? NULL : "f0");
		if (once_in(2))
			configure(0, 0, once_in(3) ? "d:d1" : "d1");
		else
			configure(0, 0, once_in(2) ? "f1" : "d:f1");
	} else if (!once_in(10)) {
		configure(0, 0, once_in(8) ? any_backing(0) :
			  once_in(4) ? "d:f0" : "f0");
	}
	for (steps = 10 + below(14); steps && nr_lines < MAX_LINES - 1; steps--)
		step();
	return nr_lines;
}
