// SPDX-License-Identifier: GPL-2.0
/*
 * The processes: what each does, and that they are begun, watched and killed.
 * A part of loop_storm.c.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "loop_storm.h"

static void step(void)
{
	char kind = kinds[below(strlen(kinds))];
	struct handle *h;

	switch (kind) {
	case 'c':
		control_step();
		return;
	case 'f':
		file_step();
		return;
	case 'y':
		attribute_step();
		return;
	case 'o':
		h = &handles[below(NR_HANDLES - 1)];
		/* Devices are detached by the last close. */
		if (once_in(2))
			for (h = handles; h < control(); h++)
				if (h->fd >= 0)
					do_close(h);
		if (h->fd >= 0 && once_in(2))
			do_close(h);
		else
			do_open();
		return;
	case 'h':
		h = once_in(4) && control()->fd >= 0 ? control() :
		    need_handle();
		if (h)
			hostile_step(h);
		return;
	}
	h = need_handle();
	if (!h)
		return;
	switch (kind) {
	case 'b':
		bind_step(h);
		break;
	case 's':
		status_step(h);
		break;
	case 'i':
		io_step(h);
		break;
	case 'k':
		block_step(h);
		break;
	case 'p':
		part_step(h);
		break;
	case 'n':
		pin_step(h);
		break;
	}
}

/* Takes descriptors away while the process may be in a call with them. */
static void *closer(void *arg)
{
	state = (uintptr_t)arg;
	for (;;) {
		int fd = handles[below(NR_HANDLES)].fd;

		usleep(5000 + below(50000));
		if (fd > 2)
			close(fd);
	}
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

static void drop_caps(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = {};

	if (syscall(SYS_capset, &header, none))
		abort();
}

static void process_main(int id)
{
	struct sigaction bus = { .sa_handler = faulted };
	pthread_t thread;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	self = &shared->processes[id];
	state = (seed << 20) + id * 4096 + self->generation;
	next();
	sigaction(SIGBUS, &bus, NULL);
	for (i = 0; i < NR_HANDLES; i++)
		handles[i].fd = -1;
	control()->device = -1;
	if (posix_memalign((void **)&buffer, page, BUFFER + page) ||
	    syscall(SYS_io_setup, NR_AIO, &aio))
		abort();
	memset(buffer, 'a' + id, BUFFER + page);
	/* One in four is not privileged, one in four not alone. */
	if (id % 4 == 3)
		drop_caps();
	if (id % 4 == 1 &&
	    pthread_create(&thread, NULL, closer, (void *)next()))
		abort();
	while (__atomic_load_n(&shared->calls, __ATOMIC_RELAXED) < limit)
		step();
	/* The kernel is to close all that is open. */
	_exit(0);
}

static void start(int id)
{
	struct process *p = &shared->processes[id];
	pid_t pid;

	p->begun = p->ended = p->seen = 0;
	p->dying = false;
	p->since = time(NULL);
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(TEST_FAIL);
	}
	if (!pid)
		process_main(id);
	p->pid = pid;
}

static void show_file(const char *fmt, pid_t pid)
{
	char path[64], text[4096];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), fmt, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (len > 0)
		printf("%.*s\n", (int)len, text);
	if (fd >= 0)
		close(fd);
}

/* Whether a process is in one call for too long; tells of all of them. */
static bool stuck(int id)
{
	struct process *p = &shared->processes[id];
	unsigned long begun = __atomic_load_n(&p->begun, __ATOMIC_ACQUIRE);

	if (p->seen != begun || (p->ended == begun && !p->dying)) {
		p->seen = begun;
		p->since = time(NULL);
		return false;
	}
	if (time(NULL) - p->since < CALL_SECONDS * patience)
		return false;
	for (id = 0; id < nr_processes; id++) {
		p = &shared->processes[id];
		if (!p->pid)
			continue;
		printf("process %d: %s%s of loop%d with %#lx%s\n", p->pid,
		       p->begun == p->ended ? "after " : "",
		       call_names[p->call], p->device, p->arg,
		       p->dying ? ", killed" : "");
		show_file("/proc/%d/wchan", p->pid);
		show_file("/proc/%d/stack", p->pid);
	}
	return true;
}

/*
 * Reaps processes that have ended; if @again, starts others in their place.
 * Returns how many run.
 */
static int reap(bool again)
{
	int id, status, left = 0;

	for (id = 0; id < nr_processes; id++) {
		struct process *p = &shared->processes[id];

		if (!p->pid)
			continue;
		left++;
		if (stuck(id))
			exit(TEST_FAIL);
		if (waitpid(p->pid, &status, WNOHANG) != p->pid)
			continue;
		if (status && !(p->dying && WIFSIGNALED(status) &&
				WTERMSIG(status) == SIGKILL)) {
			printf("process %d ended with %#x in %s of loop%d\n",
			       p->pid, status, call_names[p->call], p->device);
			shared->bad = true;
		}
		p->pid = 0;
		left--;
		if (again && p->dying) {
			p->generation++;
			start(id);
			left++;
		}
	}
	return left;
}

static void kill_process(int id)
{
	struct process *p = &shared->processes[id];

	if (!p->pid || p->dying)
		return;
	p->dying = true;
	p->since = time(NULL);
	kill(p->pid, SIGKILL);
}

void conduct(void)
{
	/*
	 * For the processes, from their beginning. No SA_RESTART: whatever is
	 * interrupted shows it.
	 */
	struct sigaction interrupt = { .sa_handler = nothing };
	unsigned long long next_kill = kill_each ? kill_each : -1ull;
	unsigned int kills = 0;
	int id;

	sigaction(SIGUSR1, &interrupt, NULL);
	for (id = 0; id < nr_processes; id++)
		start(id);
	while (__atomic_load_n(&shared->calls, __ATOMIC_RELAXED) < limit) {
		usleep(1000);
		if (shared->calls >= next_kill) {
			next_kill = shared->calls + kill_each;
			kills++;
			if (once_in(4))
				for (id = 0; id < nr_processes; id++)
					kill_process(id);
			else
				kill_process(below(nr_processes));
		}
		id = below(nr_processes);
		if (shared->processes[id].pid && once_in(4))
			kill(shared->processes[id].pid, SIGUSR1);
		reap(true);
	}
	if (kill_at_last)
		for (id = 0; id < nr_processes; id++)
			kill_process(id);
	while (reap(false))
		usleep(10000);
	printf("%llu calls, %u kills\n", shared->calls, kills);
}
