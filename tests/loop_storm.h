/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A storm of random calls on loop devices. See loop_storm.c.
 */
#ifndef LOOP_STORM_H
#define LOOP_STORM_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/aio_abi.h>
#include <linux/loop.h>
#include "loop_abi.h"
#include "loop_test.h"

#define LOOP_MAJOR	7
#define NR_DEVICES	10
#define NR_HANDLES	4	/* open devices of a process */
#define NR_FILES	5
#define MAX_PROCESSES	32
#define MAX_BACKINGS	4
#define MAX_DEVICES	65536	/* whose existence is remembered */
#define BUFFER		65536
#define NR_AIO		4
/* A call that takes longer does not end. */
#define CALL_SECONDS	120
#define MAX_ERRNO	133	/* the last that userspace knows */

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))
#define PICK(array)	((array)[below(COUNT(array))])

#define CALLS(X)							\
	X(OPEN) X(CLOSE) X(LOOP_SET_FD) X(LOOP_CONFIGURE)		\
	X(LOOP_CHANGE_FD) X(LOOP_CLR_FD) X(LOOP_SET_STATUS)		\
	X(LOOP_SET_STATUS64) X(LOOP_GET_STATUS) X(LOOP_GET_STATUS64)	\
	X(LOOP_SET_CAPACITY) X(LOOP_SET_DIRECT_IO) X(LOOP_SET_BLOCK_SIZE) \
	X(LOOP_CTL_ADD) X(LOOP_CTL_REMOVE) X(LOOP_CTL_GET_FREE)		\
	X(BLKPG) X(BLKRRPART) X(BLKFLSBUF) X(BLKDISCARD) X(BLKSECDISCARD) \
	X(BLKZEROOUT) X(BLKROSET) X(BLKBSZSET) X(BLKRASET)		\
	X(ANY_IOCTL) X(HOSTILE)						\
	X(READ) X(WRITE) X(FSYNC) X(MMAP) X(FALLOCATE) X(AIO)		\
	X(FILE) X(SHOW) X(STORE) X(PIN)

enum call {
#define X(name) CALL_##name,
	CALLS(X)
#undef X
	NR_CALLS
};

/* What a process is about. */
struct process {
	pid_t pid;
	unsigned int generation;
	bool dying;
	unsigned long begun, ended;	/* calls, as numbers */
	int call, device;
	unsigned long arg;
	/* The conductor's: since when it is in that call. */
	unsigned long seen;
	time_t since;
};

extern struct shared {
	unsigned long long calls;
	/* How often each call ended in which error; 0 is success. */
	unsigned long long results[NR_CALLS][MAX_ERRNO + 1];
	bool bad;
	struct process processes[MAX_PROCESSES];
	/* Devices that are none of the storm's. */
	bool others[MAX_DEVICES];
} *shared;

struct handle {
	int fd;			/* -1 if not open */
	int device;		/* -1 if it is loop-control */
	bool part;
};

/* loop_storm.c: what was asked for */
extern unsigned long long seed, limit;
extern int nr_processes, first;
extern unsigned int kill_each;
extern const char *kinds;
extern bool kill_at_last, no_partitions;
extern const char *dir;
extern char **backings;
extern int nr_backings;
extern bool have_compat;
extern int part_bits;
extern int patience;

/* loop_storm_call.c: one call of a process, and what it has for that */
extern const char * const call_names[NR_CALLS];
extern struct process *self;
extern struct handle handles[NR_HANDLES];
extern char *buffer;
extern aio_context_t aio;
extern __thread uint64_t state;

uint64_t next(void);
unsigned int below(unsigned int n);
bool once_in(unsigned int n);
void begin(enum call call, int device, unsigned long arg);
long end(long ret);
int any_device(void);
struct handle *any_handle(void);
struct handle *control(void);
unsigned long hostile_address(void);
unsigned long argument(void);
long do_ioctl(enum call call, struct handle *h, unsigned int cmd,
	      unsigned long arg, bool compat);
void do_close(struct handle *h);
void do_open(void);
struct handle *need_handle(void);
const char *file_path(int n);

/* loop_storm_loop.c: what is asked of the loop driver */
unsigned long long any_offset(void);
unsigned int any_block_size(void);
void bind_well(struct handle *h, unsigned int flags);
void bind_step(struct handle *h);
void status_step(struct handle *h);
void control_step(void);
void hostile_step(struct handle *h);
void attribute_step(void);
void pin_step(struct handle *h);

/* loop_storm_block.c: what is asked of the block layer */
void block_step(struct handle *h);
void part_step(struct handle *h);
void io_step(struct handle *h);
void file_step(void);
void faulted(int sig);

/* loop_storm_process.c: all of it, until enough calls were made */
void conduct(void);

#endif /* LOOP_STORM_H */
