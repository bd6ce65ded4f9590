/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How arguments reach the loop driver: its structures, native and as 32-bit
 * programs have them, filled from "field=value" arguments, at good and at bad
 * addresses; and the 32-bit system call entry.
 */
#ifndef LOOP_ABI_H
#define LOOP_ABI_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>
#include <linux/loop.h>
#include <sys/mman.h>
#include "loop_test.h"

#ifndef MAP_32BIT
#define MAP_32BIT 0
#endif

/* One for all files of a program. */
__attribute__((weak)) long page;
__attribute__((weak)) char *area;	/* three pages, below 4 GiB: rw, r, none */

static inline void map_area(void)
{
	page = sysconf(_SC_PAGESIZE);
	area = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (area == MAP_FAILED)
		usage("mmap: %s", strerror(errno));
	mprotect(area + page, page, PROT_READ);
	mprotect(area + 2 * page, page, PROT_NONE);
}

/* The old status structure as a 32-bit x86 program sees it. */
struct loop_info_compat {
	int32_t lo_number;
	uint16_t lo_device;
	uint32_t lo_inode;
	uint16_t lo_rdevice;
	int32_t lo_offset;
	int32_t lo_encrypt_type;
	int32_t lo_encrypt_key_size;
	int32_t lo_flags;
	char lo_name[LO_NAME_SIZE];
	unsigned char lo_encrypt_key[LO_KEY_SIZE];
	uint32_t lo_init[2];
	char reserved[4];
};

#ifdef __x86_64__
static sigjmp_buf no_entry;

static inline void no_entry_handler(int sig)
{
	(void)sig;
	siglongjmp(no_entry, 1);
}

static inline long syscall32(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "0" (nr), "b" (a), "c" (b), "d" (c)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static inline void need_syscall32(void)
{
	signal(SIGSEGV, no_entry_handler);
	if (sigsetjmp(no_entry, 1) || syscall32(20, 0, 0, 0) != getpid()) {
		printf("no 32-bit system calls\n");
		exit(TEST_SKIP);
	}
	signal(SIGSEGV, SIG_DFL);
}
#else
static inline long syscall32(long nr, long a, long b, long c)
{
	(void)nr, (void)a, (void)b, (void)c;
	return -ENOSYS;
}

static inline void need_syscall32(void)
{
	printf("no 32-bit system calls\n");
	exit(TEST_SKIP);
}
#endif

static inline bool prefixed(const char *s, const char *prefix, const char **rest)
{
	size_t len = strlen(prefix);

	if (strncmp(s, prefix, len))
		return false;
	*rest = s + len;
	return true;
}

/* How to open a backing file, by what is before its path: "r:" and so on. */
static inline int file_flags(const char *spec, const char **path)
{
	if (prefixed(spec, "rd:", path))
		return O_RDONLY | O_DIRECT;
	if (prefixed(spec, "r:", path))
		return O_RDONLY;
	if (prefixed(spec, "w:", path))
		return O_WRONLY;
	if (prefixed(spec, "d:", path))
		return O_RDWR | O_DIRECT;
	if (prefixed(spec, "p:", path))
		return O_PATH;
	return O_RDWR;
}

/* Where a structure of @size bytes lies for this operation. */
static inline void *place(const struct op *op, size_t size)
{
	const char *ptr = op_value(op, "ptr");

	if (!ptr)
		return area;
	if (!strcmp(ptr, "null"))
		return NULL;
	if (!strcmp(ptr, "bad"))
		return area + 2 * page;
	if (!strcmp(ptr, "edge"))
		return area + 2 * page - size / 2 / 8 * 8;
	if (!strcmp(ptr, "ro"))
		return area + page;
	if (!strcmp(ptr, "odd"))
		return area + 1;
	usage("ptr=%s", ptr);
}

/* Copies to or from where the kernel shall look, as far as that is mapped. */
static inline void put(char *to, const void *from, size_t size)
{
	if (!to || to >= area + 2 * page)
		return;
	mprotect(area + page, page, PROT_READ | PROT_WRITE);
	if (to + size > area + 2 * page)
		size = area + 2 * page - to;
	memcpy(to, from, size);
	mprotect(area + page, page, PROT_READ);
}

static inline void set_text(void *to, size_t size, const char *text)
{
	size_t len = strlen(text);

	/* No byte is kept for the NUL: the driver has to add it. */
	memset(to, 0, size);
	memcpy(to, text, len < size ? len : size);
}

static inline void fill_info(const struct op *op, struct loop_info64 *info)
{
	char *v;

	if ((v = op_value(op, "offset")))
		info->lo_offset = number(v);
	if ((v = op_value(op, "sizelimit")))
		info->lo_sizelimit = number(v);
	if ((v = op_value(op, "flags")))
		info->lo_flags = number(v);
	if ((v = op_value(op, "number")))
		info->lo_number = number(v);
	if ((v = op_value(op, "device")))
		info->lo_device = number(v);
	if ((v = op_value(op, "inode")))
		info->lo_inode = number(v);
	if ((v = op_value(op, "rdevice")))
		info->lo_rdevice = number(v);
	if ((v = op_value(op, "encrypt_type")))
		info->lo_encrypt_type = number(v);
	if ((v = op_value(op, "key_size")))
		info->lo_encrypt_key_size = number(v);
	if ((v = op_value(op, "init")))
		info->lo_init[0] = info->lo_init[1] = number(v);
	if ((v = op_value(op, "file_name")))
		set_text(info->lo_file_name, LO_NAME_SIZE, v);
	if ((v = op_value(op, "crypt_name")))
		set_text(info->lo_crypt_name, LO_NAME_SIZE, v);
	if ((v = op_value(op, "key")))
		set_text(info->lo_encrypt_key, LO_KEY_SIZE, v);
}

static inline void to_old(const struct loop_info64 *info, struct loop_info *old)
{
	memset(old, 0, sizeof(*old));
	old->lo_number = info->lo_number;
	old->lo_device = info->lo_device;
	old->lo_inode = info->lo_inode;
	old->lo_rdevice = info->lo_rdevice;
	old->lo_offset = info->lo_offset;
	old->lo_encrypt_type = info->lo_encrypt_type;
	old->lo_encrypt_key_size = info->lo_encrypt_key_size;
	old->lo_flags = info->lo_flags;
	memcpy(old->lo_name, info->lo_file_name, LO_NAME_SIZE);
	memcpy(old->lo_encrypt_key, info->lo_encrypt_key, LO_KEY_SIZE);
	old->lo_init[0] = info->lo_init[0];
	old->lo_init[1] = info->lo_init[1];
}

static inline void to_compat(const struct loop_info64 *info,
		      struct loop_info_compat *old)
{
	memset(old, 0, sizeof(*old));
	old->lo_number = info->lo_number;
	old->lo_device = info->lo_device;
	old->lo_inode = info->lo_inode;
	old->lo_rdevice = info->lo_rdevice;
	old->lo_offset = info->lo_offset;
	old->lo_encrypt_type = info->lo_encrypt_type;
	old->lo_encrypt_key_size = info->lo_encrypt_key_size;
	old->lo_flags = info->lo_flags;
	memcpy(old->lo_name, info->lo_file_name, LO_NAME_SIZE);
	memcpy(old->lo_encrypt_key, info->lo_encrypt_key, LO_KEY_SIZE);
	old->lo_init[0] = info->lo_init[0];
	old->lo_init[1] = info->lo_init[1];
}

#define FROM_OLD(info, old)						\
	do {								\
		memset(info, 0, sizeof(*(info)));			\
		(info)->lo_number = (old)->lo_number;			\
		(info)->lo_device = (old)->lo_device;			\
		(info)->lo_inode = (old)->lo_inode;			\
		(info)->lo_rdevice = (old)->lo_rdevice;			\
		(info)->lo_offset = (old)->lo_offset;			\
		(info)->lo_encrypt_type = (old)->lo_encrypt_type;	\
		(info)->lo_encrypt_key_size = (old)->lo_encrypt_key_size; \
		(info)->lo_flags = (old)->lo_flags;			\
		memcpy((info)->lo_file_name, (old)->lo_name,		\
		       LO_NAME_SIZE);					\
		memcpy((info)->lo_encrypt_key, (old)->lo_encrypt_key,	\
		       LO_KEY_SIZE);					\
		(info)->lo_init[0] = (old)->lo_init[0];			\
		(info)->lo_init[1] = (old)->lo_init[1];			\
	} while (0)

#endif /* LOOP_ABI_H */
