// SPDX-License-Identifier: GPL-2.0-only
/* Operations as text, one to a line, for people and for --replay. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"

static const char *const kinds[M_KINDS] = {
	[M_NOP] = "nop", [M_CREATE] = "create", [M_OPEN] = "open", [M_CLOSE] = "close",
	[M_DUP] = "dup", [M_TAKE] = "take", [M_MMAP] = "mmap", [M_MUNMAP] = "munmap",
	[M_MPROTECT] = "mprotect", [M_MADVISE] = "madvise", [M_MREMAP] = "mremap",
	[M_READ] = "read", [M_WRITE] = "write", [M_LOOK] = "look", [M_MARK] = "mark",
	[M_PREAD] = "pread", [M_PWRITE] = "pwrite", [M_SKIM] = "skim",
	[M_STAMP] = "stamp", [M_COPY_IN] = "copy_in", [M_COPY_OUT] = "copy_out",
	[M_DIRECT_READ] = "direct_read", [M_DIRECT_WRITE] = "direct_write",
	[M_PEEK] = "peek", [M_POKE] = "poke", [M_MEM_READ] = "mem_read",
	[M_MEM_WRITE] = "mem_write", [M_VM_READV] = "vm_readv",
	[M_VM_WRITEV] = "vm_writev", [M_FORK] = "fork", [M_EXIT] = "exit",
	[M_REOPEN] = "reopen", [M_EXPORT] = "export", [M_TRUNCATE] = "truncate",
	[M_RESIZE] = "resize", [M_REVOKE] = "revoke", [M_STATS] = "stats",
	[M_RESET] = "reset", [M_INFO] = "info", [M_REBIND] = "rebind",
	[M_SHAKE] = "shake", [M_RUSH] = "rush", [M_REBIND_SEEN] = "rebind_seen",
	[M_TOGETHER] = "together", [M_BARRIER] = "barrier",
};

static const struct {
	uint32_t flag;
	const char *name;
} flags[] = {
	{ M_PRIVATE, "private" }, { M_FIXED, "fixed" }, { M_NOREPLACE, "noreplace" },
	{ M_POPULATE, "populate" }, { M_MAYMOVE, "maymove" },
	{ M_DONTUNMAP, "dontunmap" }, { M_UNALIGNED, "unaligned" },
	{ M_RDONLY, "rdonly" }, { M_WRONLY, "wronly" }, { M_BATCHED, "batched" },
	{ M_BADFLAG, "badflag" }, { M_KILL, "kill" },
	{ M_ON_DEMAND, "on_demand" },
};

#define FIELD(s, m)	{ #m, offsetof(struct s, m), sizeof(((struct s *)0)->m) }

struct field {
	const char *name;
	size_t offset, size;
};

static const struct field op_fields[] = {
	FIELD(m_op, peer), FIELD(m_op, fd), FIELD(m_op, fd2), FIELD(m_op, memory),
	FIELD(m_op, strategy), FIELD(m_op, order), FIELD(m_op, window),
	FIELD(m_op, at), FIELD(m_op, n), FIELD(m_op, to), FIELD(m_op, m),
	FIELD(m_op, pg), FIELD(m_op, off), FIELD(m_op, len), FIELD(m_op, prot),
	FIELD(m_op, advice), FIELD(m_op, stamp),
};

static const struct field config_fields[] = {
	FIELD(m_config, seed), FIELD(m_config, memory), FIELD(m_config, strategy),
	FIELD(m_config, arena), FIELD(m_config, pages), FIELD(m_config, large),
	FIELD(m_config, fragment),
};

#define SPACE	"\n "
#define N_OF(a)	(sizeof(a) / sizeof(*(a)))

const char *m_kind_name(uint32_t kind)
{
	return kinds[kind];
}

static void print_fields(FILE *file, const void *from, const struct field *fields,
			 size_t n)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < n; i++) {
		value = 0;
		memcpy(&value, (const char *)from + fields[i].offset, fields[i].size);
		if (value)
			fprintf(file, value > 1 << 20 ? " %s=0x%" PRIx64 : " %s=%" PRIu64,
				fields[i].name, value);
	}
}

/* The stamp says what is written, and nothing of what is not. */
static bool has_stamp(uint32_t kind)
{
	return kind == M_WRITE || kind == M_MARK || kind == M_PWRITE ||
	       kind == M_STAMP || kind == M_POKE || kind == M_MEM_WRITE ||
	       kind == M_VM_WRITEV;
}

void m_print_op(FILE *file, const struct m_op *op)
{
	struct m_op copy = *op;
	size_t i;

	if (!has_stamp(op->kind))
		copy.stamp = 0;
	fprintf(file, "p%u.t%u %s", op->proc, op->thread, kinds[op->kind]);
	print_fields(file, &copy, op_fields, N_OF(op_fields));
	for (i = 0; i < N_OF(flags); i++)
		if (op->flags & flags[i].flag)
			fprintf(file, " %s", flags[i].name);
	fputc('\n', file);
}

void m_print_config(FILE *file, const struct m_config *config)
{
	fprintf(file, "config");
	print_fields(file, config, config_fields, N_OF(config_fields));
	fputc('\n', file);
}

static bool read_field(char *word, void *to, const struct field *fields, size_t n)
{
	char *value = strchr(word, '=');
	uint64_t number;
	size_t i;

	for (i = 0; value && i < n; i++) {
		if (strncmp(word, fields[i].name, value - word) ||
		    fields[i].name[value - word])
			continue;
		number = strtoull(value + 1, NULL, 0);
		memcpy((char *)to + fields[i].offset, &number, fields[i].size);
		return true;
	}
	return false;
}

static bool read_op_word(char *word, struct m_op *op)
{
	size_t i;

	for (i = 0; i < N_OF(flags); i++)
		if (!strcmp(word, flags[i].name)) {
			op->flags |= flags[i].flag;
			return true;
		}
	return read_field(word, op, op_fields, N_OF(op_fields));
}

static bool read_op(char *line, struct m_op *op)
{
	char *word, *rest, name[16];
	bool ok = true;

	memset(op, 0, sizeof(*op));
	if (sscanf(line, "p%u.t%u %15s", &op->proc, &op->thread, name) != 3)
		return false;
	while (op->kind < M_KINDS && strcmp(name, kinds[op->kind]))
		op->kind++;
	strtok_r(line, SPACE, &rest);
	strtok_r(NULL, SPACE, &rest);
	while (ok && (word = strtok_r(NULL, SPACE, &rest)))
		ok = read_op_word(word, op);
	return ok && op->kind < M_KINDS;
}

static bool read_config(char *line, struct m_config *config)
{
	char *word, *rest;
	bool ok = true;

	strtok_r(line, SPACE, &rest);
	while (ok && (word = strtok_r(NULL, SPACE, &rest)))
		ok = read_field(word, config, config_fields, N_OF(config_fields));
	return ok;
}

/* Reads what m_print_config() and m_print_op() wrote; lines that begin with # are not. */
bool m_read_script(FILE *file, struct m_config *config, struct m_op **ops, size_t *n)
{
	char line[1024];
	size_t number = 0;

	*ops = NULL;
	*n = 0;
	while (fgets(line, sizeof(line), file)) {
		bool ok = true;

		number++;
		if (*line == '#' || *line == '\n')
			continue;
		if (!strncmp(line, "config", 6)) {
			ok = read_config(line, config);
		} else {
			*ops = realloc(*ops, (*n + 1) * sizeof(**ops));
			ok = read_op(line, &(*ops)[*n]);
			++*n;
		}
		if (!ok) {
			fprintf(stderr, "model: line %zu is no operation\n", number);
			return false;
		}
	}
	return true;
}
