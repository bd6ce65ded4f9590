/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The differential run: random sequences of operations on loop devices, and a
 * trace of all that userspace can observe meanwhile. See loop_diff.c.
 */
#ifndef LOOP_DIFF_H
#define LOOP_DIFF_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NR_DEVICES	4	/* loop devices that are looked at: 0 to 3 */
#define NR_ACTORS	3	/* processes; the last has no CAP_SYS_ADMIN */
#define NR_HANDLES	6	/* open devices of an actor */
#define NR_FILES	4	/* backing files of a sequence */
#define NR_DISKS	3	/* backing block devices of the guest */
#define MAX_LINES	64
#define MAX_LINE	256
#define MAX_RESULT	512

#define ROOT		"/tmp/diff"
#define NODES		ROOT "/dev"

/* An open device of an actor. */
struct handle {
	int fd;			/* in the actor; -1 if not open */
	int device;
	bool part, write;
};

/* What actors and the program that conducts them have in common. */
struct shared {
	struct handle handles[NR_ACTORS][NR_HANDLES];
	char line[MAX_LINE];
	char result[MAX_RESULT];
	int device;			/* that the line was about, or -1 */
	char files[NR_FILES][64];	/* their paths; "" if there is none */
	bool abandoned[NR_DEVICES];	/* see loop_diff_known.c */
	bool changed_fd[NR_DEVICES];
	bool set_dio[NR_DEVICES];
	unsigned int dio_align[NR_DEVICES];	/* of the file; 0 if unknown */
	unsigned long long skipped[MAX_LINES];	/* see abandon() */
	int nr_skipped;
};

extern struct shared *shared;

/* loop_diff.c */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* loop_diff_gen.c: the lines of the sequence that a seed stands for */
int generate(unsigned long long seed, char lines[MAX_LINES][MAX_LINE]);

/* loop_diff_op.c: one operation of an actor */
void actor_main(int actor, int wake, int done);
const char *file_path_of(const char *name);
void fill_pattern(void *buf, size_t len, uint64_t seed, uint64_t offset);
uint64_t sum(const void *buf, size_t len, uint64_t h);

/* loop_diff_state.c: what can be seen of the devices */
void state_init(void);
void state_begin(void);		/* of a sequence */
void state_trace(const int *pids, int device);
int sysfs_read(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
long module_references(void);

/* loop_diff_known.c: differences that are meant, and why */
enum known {
	LOST_AT_CLR_FD,
	IO_IN_RUNDOWN,
	REFUSED_CONFIGURE,
	DMA_ALIGNMENT_CHANGE_FD,
	DMA_ALIGNMENT_DIO,
	READ_AHEAD_DIO,
	COMPAT_PERMISSION,
	PARTITION_CIRCLE,
	LIMITS_LATER,
	TORN_SECTOR,
	ADD_OVERFLOW,
	SHORT_WRITE,
	SMALL_BLOCKS,
	PARTITIONS_CHANGE_FD,
	NR_KNOWN,
};

bool known(enum known which);	/* whether it is so with this kernel */
const char *known_name(enum known which);
void known_print(void);

#endif /* LOOP_DIFF_H */
