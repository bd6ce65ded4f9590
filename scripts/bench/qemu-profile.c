// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin which counts the instructions that the guest executes, by
 * address, between two marks. A mark is an instruction without effect that
 * the guest executes when it wants the counting to begin or to end:
 *
 *	nopl 0x70624dd3(%rax,%rax)
 *
 * Each second mark writes <outfile>.<n>, n from 0, with a line for each block
 * of code that ran: its address, the length in instructions, how often it ran.
 *
 * For one vCPU. QEMU's packages come without qemu-plugin.h, so what is used
 * of it is declared here; see docs/devel/tcg-plugins.rst of QEMU.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*tb_trans_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*exec_cb)(unsigned int vcpu, void *data);
enum { CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb cb, int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_cb cb, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len);

EXPORT int qemu_plugin_version = 4;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

/* One translation of a block; the same code may be translated again. */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t insns;
	uint64_t runs;
};

static const unsigned char mark[] = { 0x0f, 0x1f, 0x84, 0x00, 0xd3, 0x4d, 0x62, 0x70 };
static struct block *blocks;
static const char *outfile;
static bool counting;
static unsigned int windows;

static void block_runs(unsigned int vcpu, void *data)
{
	struct block *block = data;

	block->runs++;
}

static void write_window(void)
{
	struct block *block;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%u", outfile, windows++);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	for (block = blocks; block; block = block->next)
		if (block->runs)
			fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", block->address, block->insns,
				block->runs);
	fclose(file);
}

static void mark_runs(unsigned int vcpu, void *data)
{
	struct block *block;

	if (counting)
		write_window();
	counting = !counting;
	for (block = blocks; block; block = block->next)
		block->runs = 0;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof(*block));
	unsigned char code[sizeof(mark)];
	size_t i;

	if (!block)
		abort();
	block->address = qemu_plugin_tb_vaddr(tb);
	block->insns = qemu_plugin_tb_n_insns(tb);
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_runs, CB_NO_REGS, block);

	for (i = 0; i < block->insns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_data(insn, code, sizeof(code)) == sizeof(code) &&
		    !memcmp(code, mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_runs, CB_NO_REGS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "outfile=", 8))
			outfile = strdup(argv[i] + 8);
	if (!outfile) {
		fprintf(stderr, "profile: outfile= is missing\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
