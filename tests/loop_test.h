/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the loop helper programs share: a command line of several operations
 * separated by ",", each of which may end in the result that it expects.
 *
 *	operation argument... [=RESULT]
 *
 * RESULT is "OK" (the default), the name of an error ("EBUSY"), or "ANY".
 */
#ifndef LOOP_TEST_H
#define LOOP_TEST_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_FAIL	1
#define TEST_USAGE	2
#define TEST_SKIP	4

#define MAX_ARGS	64

/* One operation of the command line. */
struct op {
	const char *name;
	const char *expect;
	int argc;
	char *argv[MAX_ARGS];
};

static const struct {
	int value;
	const char *name;
} errno_names[] = {
	{ 0, "OK" },
	{ EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { EINTR, "EINTR" },
	{ EIO, "EIO" }, { ENXIO, "ENXIO" }, { EBADF, "EBADF" },
	{ EAGAIN, "EAGAIN" }, { ENOMEM, "ENOMEM" }, { EACCES, "EACCES" },
	{ EFAULT, "EFAULT" }, { EBUSY, "EBUSY" }, { EEXIST, "EEXIST" },
	{ ENODEV, "ENODEV" }, { EISDIR, "EISDIR" }, { EINVAL, "EINVAL" },
	{ ENOTTY, "ENOTTY" }, { EFBIG, "EFBIG" }, { ENOSPC, "ENOSPC" },
	{ EROFS, "EROFS" }, { EPIPE, "EPIPE" }, { ENOSYS, "ENOSYS" },
	{ ELOOP, "ELOOP" }, { EOVERFLOW, "EOVERFLOW" },
	{ EOPNOTSUPP, "EOPNOTSUPP" }, { EREMOTEIO, "EREMOTEIO" },
	{ ENODATA, "ENODATA" }, { EILSEQ, "EILSEQ" },
	{ ETXTBSY, "ETXTBSY" }, { EUCLEAN, "EUCLEAN" },
	{ ESTALE, "ESTALE" }, { ETIMEDOUT, "ETIMEDOUT" },
	{ ENOLINK, "ENOLINK" }, { EDQUOT, "EDQUOT" },
	{ ECANCELED, "ECANCELED" }, { ERANGE, "ERANGE" },
};

static inline const char *errno_name(int err)
{
	static char buf[16];
	size_t i;

	for (i = 0; i < sizeof(errno_names) / sizeof(errno_names[0]); i++)
		if (errno_names[i].value == err)
			return errno_names[i].name;
	snprintf(buf, sizeof(buf), "E%d", err);
	return buf;
}

__attribute__((noreturn, format(printf, 1, 2)))
static inline void usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "usage: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(TEST_USAGE);
}

static inline unsigned long long number(const char *s)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 0);
	switch (*end) {
	case 'K': case 'k':
		v <<= 10;
		end++;
		break;
	case 'M':
		v <<= 20;
		end++;
		break;
	case 'G':
		v <<= 30;
		end++;
		break;
	}
	if (errno || end == s || *end)
		usage("\"%s\" is not a number", s);
	return v;
}

/* Takes the next operation off the command line; false when there is none. */
static inline bool next_op(int *argc, char ***argv, struct op *op)
{
	memset(op, 0, sizeof(*op));
	op->expect = "OK";
	if (!*argc)
		return false;
	op->name = **argv;
	for ((*argc)--, (*argv)++; *argc; (*argc)--, (*argv)++) {
		char *arg = **argv;

		if (!strcmp(arg, ",")) {
			(*argc)--;
			(*argv)++;
			break;
		}
		if (arg[0] == '=') {
			op->expect = arg + 1;
			continue;
		}
		if (op->argc == MAX_ARGS)
			usage("too many arguments");
		op->argv[op->argc++] = arg;
	}
	return true;
}

static inline char *op_arg(const struct op *op, int i)
{
	if (i >= op->argc)
		usage("%s: argument %d is missing", op->name, i + 1);
	return op->argv[i];
}

/* The value of the argument "key=value", or NULL. */
static inline char *op_value(const struct op *op, const char *key)
{
	size_t len = strlen(key);
	int i;

	for (i = 0; i < op->argc; i++)
		if (!strncmp(op->argv[i], key, len) && op->argv[i][len] == '=')
			return op->argv[i] + len + 1;
	return NULL;
}

/* Compares the outcome (0 or an errno) with what was expected. */
static inline bool op_check(const char *what, const struct op *op, int err)
{
	const char *name = errno_name(err);
	int i;

	if (!strcmp(op->expect, "ANY")) {
		printf("%s\n", name);
		return true;
	}
	if (!strcmp(op->expect, name))
		return true;
	printf("%s: %s", what, op->name);
	for (i = 0; i < op->argc; i++)
		printf(" %s", op->argv[i]);
	printf(": expected %s, got %s\n", op->expect, name);
	return false;
}

#endif /* LOOP_TEST_H */
