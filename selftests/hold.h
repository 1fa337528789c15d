/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process is held at a function of the kernel until it is told to go on, so that others
 * come in between, and not by chance: a kprobe there runs a BPF program, which is busy
 * meanwhile.
 *
 * It holds its CPU, with preemption off. So it has the last one for itself, and others, and
 * SRCU's callbacks, have the first. After HOLD_PATIENCE seconds it goes on in any case,
 * before a watchdog of the kernel barks.
 */
#ifndef _FAULTMAP_HOLD_H
#define _FAULTMAP_HOLD_H

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "faultmap_test.h"

#define HOLD_PATIENCE	8
#define HOLD_KPROBES	"/sys/bus/event_source/devices/kprobe/"

enum hold_where {
	HOLD_ENTRY,
	HOLD_RETURN,
};

/* What the program and the processes see of each other: the value of a map. */
struct hold_state {
	atomic_uint pid;		/* who is held */
	atomic_uint armed;		/* at the next time, or so many times later */
	atomic_uint held;		/* now */
	atomic_uint times;		/* it was held */
	atomic_uint go_on;
	atomic_ullong hits;		/* times that it was there */
	uint64_t until;			/* in ns */
};

struct hold {
	int map, program, probe;
	unsigned int nth;		/* which time it is held at, first 1 */
	struct hold_state *state;
};

static inline int hold_bpf(int cmd, union bpf_attr *attr)
{
	return fm_errno(syscall(SYS_bpf, cmd, attr, sizeof(*attr)));
}

/* A map that is also memory of the processes; its descriptor or -errno. */
static inline int hold_make_map(struct hold *hold)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(struct hold_state),
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
	};

	hold->map = hold_bpf(BPF_MAP_CREATE, &attr);
	if (hold->map < 0)
		return hold->map;
	hold->state = mmap(NULL, fm_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
			   hold->map, 0);
	return hold->state == MAP_FAILED ? -errno : 0;
}

/* The type that all its functions have, number 3: the kernel asks for one of each. */
static inline int hold_make_types(void)
{
	struct {
		struct btf_header header;
		unsigned int types[10];
		char names[12];
	} btf = {
		.header = {
			.magic = BTF_MAGIC,
			.version = BTF_VERSION,
			.hdr_len = sizeof(btf.header),
			.type_len = sizeof(btf.types),
			.str_off = sizeof(btf.types),
			.str_len = sizeof(btf.names),
		},
		.types = {
			1, BTF_KIND_INT << 24, 4, BTF_INT_SIGNED << 24 | 32,
			0, BTF_KIND_FUNC_PROTO << 24, 1,
			5, BTF_KIND_FUNC << 24, 2,
		},
		.names = "\0int\0hold",
	};
	union bpf_attr attr = {
		.btf = (unsigned long)&btf,
		.btf_size = sizeof(btf),
	};

	return hold_bpf(BPF_BTF_LOAD, &attr);
}

/* The program, as it is put together: three functions. */
struct hold_code {
	struct bpf_insn insn[64];
	struct bpf_func_info function[3];
	unsigned int n, functions;
};

static inline unsigned int hold_emit(struct hold_code *code, unsigned int op,
				     unsigned int dst, unsigned int src, int off, int imm)
{
	code->insn[code->n] = (struct bpf_insn){
		.code = op, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm,
	};
	return code->n++;
}

static inline void hold_begin_function(struct hold_code *code)
{
	code->function[code->functions++] = (struct bpf_func_info){
		.insn_off = code->n, .type_id = 3,
	};
}

/* A constant of 64 bits, or what the kernel puts in its place. */
static inline unsigned int hold_emit_64(struct hold_code *code, unsigned int dst,
					unsigned int src, uint64_t value)
{
	unsigned int at = hold_emit(code, BPF_LD | BPF_DW | BPF_IMM, dst, src, 0, value);

	hold_emit(code, 0, 0, 0, 0, src ? 0 : value >> 32);
	return at;
}

static inline void hold_emit_call(struct hold_code *code, int helper)
{
	hold_emit(code, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static inline void hold_emit_set(struct hold_code *code, unsigned int dst, int value)
{
	hold_emit(code, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

static inline void hold_emit_return(struct hold_code *code, int value)
{
	hold_emit_set(code, BPF_REG_0, value);
	hold_emit(code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* To the place where hold_land() is called. */
static inline unsigned int hold_emit_jump(struct hold_code *code, unsigned int condition,
					  unsigned int dst, unsigned int src)
{
	return hold_emit(code, BPF_JMP | condition, dst, src, 0, 0);
}

static inline void hold_land(struct hold_code *code, unsigned int jump)
{
	code->insn[jump].off = code->n - jump - 1;
}

#define HOLD_LOAD(code, size, dst, field) \
	hold_emit(code, BPF_LDX | (size) | BPF_MEM, dst, BPF_REG_6, \
		  offsetof(struct hold_state, field), 0)
#define HOLD_STORE(code, field, value) \
	hold_emit(code, BPF_ST | BPF_W | BPF_MEM, BPF_REG_6, 0, \
		  offsetof(struct hold_state, field), value)

static inline void hold_emit_state(struct hold_code *code, int map)
{
	hold_emit_64(code, BPF_REG_6, BPF_PSEUDO_MAP_VALUE, map);
}

/* Calls function @which as often as a program may, until it returns 1. */
static inline void hold_emit_loop(struct hold_code *code, unsigned int which)
{
	hold_emit_set(code, BPF_REG_1, 1 << 23);
	hold_emit_64(code, BPF_REG_2, BPF_PSEUDO_FUNC, which);
	hold_emit_set(code, BPF_REG_3, 0);
	hold_emit_set(code, BPF_REG_4, 0);
	hold_emit_call(code, BPF_FUNC_loop);
}

static inline void hold_link(struct hold_code *code)
{
	for (unsigned int i = 0; i < code->n; i++) {
		struct bpf_insn *insn = &code->insn[i];

		if (insn->code == (BPF_LD | BPF_DW | BPF_IMM) &&
		    insn->src_reg == BPF_PSEUDO_FUNC)
			insn->imm = code->function[insn->imm].insn_off - i - 1;
	}
}

/* Who is meant, and is to be held this time, waits. */
static inline void hold_emit_main(struct hold_code *code, int map)
{
	unsigned int other, passes, early;

	hold_begin_function(code);
	hold_emit_state(code, map);
	hold_emit_call(code, BPF_FUNC_get_current_pid_tgid);
	hold_emit(code, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, 32);
	HOLD_LOAD(code, BPF_W, BPF_REG_1, pid);
	other = hold_emit_jump(code, BPF_JNE | BPF_X, BPF_REG_0, BPF_REG_1);
	hold_emit_set(code, BPF_REG_1, 1);
	hold_emit(code, BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_6, BPF_REG_1,
		  offsetof(struct hold_state, hits), BPF_ADD);
	HOLD_LOAD(code, BPF_W, BPF_REG_1, armed);
	passes = hold_emit_jump(code, BPF_JEQ | BPF_K, BPF_REG_1, 0);
	hold_emit(code, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, -1);
	hold_emit(code, BPF_STX | BPF_W | BPF_MEM, BPF_REG_6, BPF_REG_1,
		  offsetof(struct hold_state, armed), 0);
	early = hold_emit_jump(code, BPF_JNE | BPF_K, BPF_REG_1, 0);
	hold_emit_call(code, BPF_FUNC_ktime_get_ns);
	hold_emit_64(code, BPF_REG_1, 0, HOLD_PATIENCE * 1000000000ULL);
	hold_emit(code, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_0, BPF_REG_1, 0, 0);
	hold_emit(code, BPF_STX | BPF_DW | BPF_MEM, BPF_REG_6, BPF_REG_0,
		  offsetof(struct hold_state, until), 0);
	hold_emit_set(code, BPF_REG_1, 1);
	hold_emit(code, BPF_STX | BPF_W | BPF_ATOMIC, BPF_REG_6, BPF_REG_1,
		  offsetof(struct hold_state, times), BPF_ADD);
	HOLD_STORE(code, held, 1);
	hold_emit_loop(code, 1);
	hold_land(code, other);
	hold_land(code, passes);
	hold_land(code, early);
	hold_emit_return(code, 0);
}

/* One loop alone would be over too soon. */
static inline void hold_emit_outer(struct hold_code *code, int map)
{
	unsigned int again;

	hold_begin_function(code);
	hold_emit_loop(code, 2);
	hold_emit_state(code, map);
	HOLD_LOAD(code, BPF_W, BPF_REG_1, held);
	again = hold_emit_jump(code, BPF_JNE | BPF_K, BPF_REG_1, 0);
	hold_emit_return(code, 1);
	hold_land(code, again);
	hold_emit_return(code, 0);
}

static inline void hold_emit_inner(struct hold_code *code, int map)
{
	unsigned int told, late;

	hold_begin_function(code);
	hold_emit_state(code, map);
	HOLD_LOAD(code, BPF_W, BPF_REG_1, go_on);
	told = hold_emit_jump(code, BPF_JNE | BPF_K, BPF_REG_1, 0);
	hold_emit_call(code, BPF_FUNC_ktime_get_ns);
	HOLD_LOAD(code, BPF_DW, BPF_REG_1, until);
	late = hold_emit_jump(code, BPF_JGT | BPF_X, BPF_REG_0, BPF_REG_1);
	hold_emit_return(code, 0);
	hold_land(code, told);
	hold_land(code, late);
	HOLD_STORE(code, go_on, 0);
	HOLD_STORE(code, held, 0);
	hold_emit_return(code, 1);
}

static inline int hold_make_program(struct hold *hold)
{
	static char log[65536];
	struct hold_code code = { 0 };
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_KPROBE,
		.insns = (unsigned long)code.insn,
		.license = (unsigned long)"GPL",
		.log_buf = (unsigned long)log,
		.log_size = sizeof(log),
		.log_level = 1,
		.func_info = (unsigned long)code.function,
		.func_info_rec_size = sizeof(*code.function),
		.func_info_cnt = 3,
	};

	hold_emit_main(&code, hold->map);
	hold_emit_outer(&code, hold->map);
	hold_emit_inner(&code, hold->map);
	hold_link(&code);
	attr.insn_cnt = code.n;
	attr.prog_btf_fd = hold_make_types();
	hold->program = hold_bpf(BPF_PROG_LOAD, &attr);
	if (hold->program < 0)
		printf("# the kernel takes no BPF program: %s\n", log);
	close(attr.prog_btf_fd);
	return hold->program < 0 ? hold->program : 0;
}

static inline int hold_kprobe_type(void)
{
	FILE *file = fopen(HOLD_KPROBES "type", "r");
	int type = -1;

	if (file && fscanf(file, "%d", &type) != 1)
		type = -1;
	if (file)
		fclose(file);
	return type;
}

/* At @offset bytes into a function; -errno where no probe may be, as inside of an instruction. */
static inline int hold_probe(struct hold *hold, const char *function, enum hold_where where,
			     unsigned int offset)
{
	struct perf_event_attr attr = {
		.type = hold_kprobe_type(),
		.size = sizeof(attr),
		.config = where == HOLD_RETURN,
		.kprobe_func = (unsigned long)function,
		.probe_offset = offset,
	};

	hold->probe = fm_errno(syscall(SYS_perf_event_open, &attr, -1, 0, -1,
				       PERF_FLAG_FD_CLOEXEC));
	if (hold->probe < 0)
		return hold->probe;
	return fm_errno(ioctl(hold->probe, PERF_EVENT_IOC_SET_BPF, hold->program));
}

static inline void hold_unprobe(struct hold *hold)
{
	if (hold->probe >= 0)
		close(hold->probe);
	hold->probe = -1;
}

/* Everything but the probe; 0 or -errno. */
static inline int hold_open(struct hold *hold)
{
	*hold = (struct hold){
		.map = -1, .program = -1, .probe = -1, .nth = 1, .state = MAP_FAILED,
	};
	return hold_make_map(hold) ?: hold_make_program(hold);
}

static inline void hold_close(struct hold *hold)
{
	hold_unprobe(hold);
	if (hold->state != MAP_FAILED)
		munmap(hold->state, fm_page_size());
	close(hold->program);
	close(hold->map);
}

/* If not, nobody can be held. */
static inline bool hold_possible(void)
{
	union bpf_attr none = { 0 };

	return !geteuid() && sysconf(_SC_NPROCESSORS_ONLN) > 1 && hold_kprobe_type() >= 0 &&
	       hold_bpf(BPF_MAP_CREATE, &none) == -EINVAL;
}

/* The caller, a process of one thread or more, is held when it, or one of these, is there. */
static inline void hold_me(struct hold *hold)
{
	fm_run_on(0, sysconf(_SC_NPROCESSORS_ONLN) - 1);
	hold->state->pid = getpid();
	hold->state->armed = hold->nth;
}

static inline bool hold_is_held(const struct hold *hold)
{
	return hold->state->held;
}

static inline void hold_go_on(struct hold *hold)
{
	hold->state->go_on = 1;
}

/* It is held again the next time, maybe at another probe of the same program. */
static inline void hold_go_on_once(struct hold *hold)
{
	hold->state->armed = 1;
	hold_go_on(hold);
}

#endif /* _FAULTMAP_HOLD_H */
