// SPDX-License-Identifier: GPL-2.0-only
/*
 * An episode: new processes, a new model, and one operation after the other, or
 * several at once, done by them and checked against it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"
#include "predict.h"
#include "race.h"
#include "run.h"
#include "worker.h"

#define PATIENCE	30		/* seconds for an operation */

struct m_episode {
	struct m_world *w;
	struct m_shared *shared;
	struct m_failure *failure;
	int pidfd[M_PROCS];
	int cpu, cpus;		/* where operations are done one by one; -1: any */
	bool failed;
	/* What is asked of each thread together, and which operation it was. */
	struct m_want want[M_PROCS][M_THREADS][M_QUEUE];
	size_t at[M_PROCS][M_THREADS][M_QUEUE];
};

static void fail(struct m_episode *e, size_t at, const char *format, ...)
{
	struct m_failure *f = e->failure;
	size_t used = e->failed ? strlen(f->text) : 0;
	va_list args;

	if (e->failed && f->at != at)
		return;
	e->failed = true;
	f->at = at;
	va_start(args, format);
	vsnprintf(f->text + used, sizeof(f->text) - used, format, args);
	va_end(args);
}

static bool has_exited(struct m_episode *e, uint32_t proc, int milliseconds)
{
	struct pollfd poll_for = { .fd = e->pidfd[proc], .events = POLLIN };

	return poll(&poll_for, 1, milliseconds) == 1;
}

/* Waits for a thread to have done what it was asked. */
static bool wait_for(struct m_episode *e, uint32_t proc, uint32_t *word, uint32_t want,
		     size_t at)
{
	unsigned int i, had;

	for (i = 0; (had = m_get(word)) != want; i++) {
		if (e->pidfd[proc] >= 0 && has_exited(e, proc, 0)) {
			fail(e, at, "process %u is dead\n", proc);
			return false;
		}
		if (i > PATIENCE) {
			fail(e, at, "no answer for %u seconds\n", PATIENCE);
			return false;
		}
		m_futex_wait(word, had);
	}
	return true;
}

static void reset_slots(struct m_episode *e, uint32_t proc)
{
	uint32_t i;

	for (i = 0; i < M_THREADS; i++) {
		struct m_slot *slot = &e->shared->slot[proc][i];

		slot->asked = 0;
		slot->answered = 0;
		slot->ready = 0;
		slot->n = 0;
	}
	e->shared->pid[proc] = 0;
	e->pidfd[proc] = -1;
}

static bool meet(struct m_episode *e, uint32_t proc, size_t at)
{
	uint32_t i;

	for (i = 0; i < M_THREADS; i++)
		if (!wait_for(e, proc, &e->shared->slot[proc][i].ready, 1, at))
			return false;
	e->pidfd[proc] = syscall(SYS_pidfd_open, e->shared->pid[proc], 0);
	return true;
}

static bool part(struct m_episode *e, uint32_t proc, size_t at)
{
	if (!has_exited(e, proc, PATIENCE * 1000)) {
		fail(e, at, "process %u does not end\n", proc);
		return false;
	}
	close(e->pidfd[proc]);
	reset_slots(e, proc);
	return true;
}

static const char *outcome(char *text, size_t size, int64_t ret, int sig, uint64_t where)
{
	if (sig)
		snprintf(text, size, "%s at page %ld, byte %ld", strsignal(sig),
			 (long)(where - M_BASE) / (long)M_PAGE,
			 (long)(where - M_BASE) % (long)M_PAGE);
	else if (ret < 0 && ret > -4096)
		snprintf(text, size, "%s", strerrorname_np(-ret));
	else
		snprintf(text, size, "%ld", (long)ret);
	return text;
}

static void check_info(struct m_episode *e, const struct m_want *want,
		       const struct m_answer *answer, size_t at)
{
	struct faultmap_info info = answer->info;
	uint64_t most = info.bytes / M_PAGE;
	uint64_t least = !(info.flags & FAULTMAP_INFO_ON_DEMAND);

	/* How many pieces there are is the allocators' affair; a device is one. */
	if (info.memory == FAULTMAP_MEMORY_PHYS)
		most = 1;
	if (want->info.extents ? info.extents < least || info.extents > most : info.extents) {
		fail(e, at, "INFO: %llu extents\n", info.extents);
		return;
	}
	info.extents = want->info.extents;
	if (info.memory == FAULTMAP_MEMORY_PHYS ? info.held : least && info.held < info.bytes)
		fail(e, at, "INFO: %llu bytes held\n", info.held);
	info.held = want->info.held;
	if (memcmp(&info, &want->info, sizeof(info)))
		fail(e, at, "INFO: expected %llu bytes, flags %x; seen %llu, %x, or another kind\n",
		     want->info.bytes, want->info.flags, info.bytes, info.flags);
}

static void check_stats(struct m_episode *e, const struct m_view *view,
			const struct faultmap_stats *stats, size_t at)
{
	static const char *const names[M_COUNTERS] = {
		"read_faults", "write_faults", "pages_installed", "sigbus", "mmaps",
		"opens", "closes", "moves", "zaps", "huge_faults",
	};
	const __u64 *seen = (const __u64 *)stats;
	size_t i;

	for (i = 0; i < M_COUNTERS; i++)
		if (seen[i] < view->count[i].lo || seen[i] > view->count[i].hi)
			fail(e, at, "%s of view %u: expected %lu to %lu, seen %llu\n",
			     names[i], view->id, view->count[i].lo, view->count[i].hi,
			     seen[i]);
}

static void check_race(struct m_episode *e, const struct m_op *op,
		       const struct m_want *want, const struct m_answer *answer,
		       size_t at)
{
	uint64_t lost = want->always & answer->failed;
	uint64_t found = want->never & answer->worked;
	uint32_t pages[M_EDGES];

	m_edges(op, pages);
	if (lost)
		fail(e, at, "page %u raised a signal\n", pages[__builtin_ctzll(lost)]);
	if (found)
		fail(e, at, "page %u raised none\n", pages[__builtin_ctzll(found)]);
}

static void check(struct m_episode *e, const struct m_op *op, const struct m_want *want,
		  const struct m_answer *answer, size_t at)
{
	struct m_proc *p = &e->w->proc[op->proc];
	char expected[64], seen[64];
	uint32_t i;

	if (want->ret != answer->ret || want->sig != answer->sig ||
	    (want->sig && want->where != answer->where))
		fail(e, at, "expected %s, seen %s\n",
		     outcome(expected, sizeof(expected), want->ret, want->sig, want->where),
		     outcome(seen, sizeof(seen), answer->ret, answer->sig, answer->where));
	else if (want->has_hash && want->ret >= 0 && want->hash != answer->hash)
		fail(e, at, "other data: expected %016lx... (hash %lx), seen %016lx... (%lx)\n",
		     want->first, want->hash, answer->first, answer->hash);
	else if (want->has_info)
		check_info(e, want, answer, at);
	else if (want->races)
		check_race(e, op, want, answer, at);
	for (i = 0; i < M_FDS; i++)
		if (answer->stats_of & 1U << i && p->fd[i])
			check_stats(e, p->fd[i]->view, &answer->stats[i], at);
}

/* Whose counters a process can be asked for: one descriptor of each view. */
static uint32_t views_of(const struct m_proc *p)
{
	uint32_t i, j, of = 0;

	for (i = 0; i < M_FDS; i++) {
		for (j = 0; j < i; j++)
			if (p->fd[i] && p->fd[j] && !p->fd[j]->limit &&
			    p->fd[i]->view == p->fd[j]->view)
				break;
		if (p->fd[i] && !p->fd[i]->limit && j == i)
			of |= 1U << i;
	}
	return of;
}

static void ask(struct m_slot *slot, int cpu)
{
	slot->cpu = cpu;
	m_set(&slot->asked, slot->asked + 1);
}

static bool do_alone(struct m_episode *e, const struct m_op *op,
		     const struct m_want *want, size_t at)
{
	struct m_slot *slot = &e->shared->slot[op->proc][op->thread];

	if (want->forks)
		reset_slots(e, op->peer);
	slot->op[0] = *op;
	slot->n = 1;
	slot->answer[0].stats_of = views_of(&e->w->proc[op->proc]);
	ask(slot, e->cpu);
	if (want->exits)
		return part(e, op->proc, at);
	if (!wait_for(e, op->proc, &slot->answered, slot->asked, at))
		return false;
	slot->n = 0;
	check(e, op, want, &slot->answer[0], at);
	if (want->forks && !e->failed)
		meet(e, op->peer, at);
	return !e->failed;
}

/* Lets all threads do what they were asked, and waits for them. */
static bool do_together(struct m_episode *e)
{
	struct m_slot *slot;
	uint32_t i, j;

	for (i = 0; i < M_PROCS * M_THREADS; i++) {
		slot = &e->shared->slot[i / M_THREADS][i % M_THREADS];
		if (slot->n)
			ask(slot, i % e->cpus);
	}
	for (i = 0; i < M_PROCS * M_THREADS; i++) {
		slot = &e->shared->slot[i / M_THREADS][i % M_THREADS];
		if (!slot->n)
			continue;
		if (!wait_for(e, i / M_THREADS, &slot->answered, slot->asked,
			      e->at[i / M_THREADS][i % M_THREADS][0]))
			return false;
		for (j = 0; j < slot->n; j++)
			check(e, &slot->op[j], &e->want[i / M_THREADS][i % M_THREADS][j],
			      &slot->answer[j], e->at[i / M_THREADS][i % M_THREADS][j]);
		slot->n = 0;
	}
	return !e->failed;
}

static bool queue(struct m_episode *e, const struct m_op *op, const struct m_want *want,
		  size_t at)
{
	struct m_slot *slot = &e->shared->slot[op->proc][op->thread];

	slot->op[slot->n] = *op;
	slot->answer[slot->n].stats_of = 0;
	e->want[op->proc][op->thread][slot->n] = *want;
	e->at[op->proc][op->thread][slot->n] = at;
	return ++slot->n < M_QUEUE || do_together(e);
}

/* All are done: what they have counted adds up. */
static bool barrier(struct m_episode *e, size_t at)
{
	struct m_op op = { .kind = M_BARRIER };
	struct m_want want = { 0 };

	if (!do_together(e))
		return false;
	for (op.proc = 0; op.proc < M_PROCS; op.proc++)
		if (e->w->proc[op.proc].live && !do_alone(e, &op, &want, at))
			return false;
	return true;
}

static bool do_op(struct m_episode *e, const struct m_op *op, const struct m_want *want,
		  size_t at)
{
	if (op->kind == M_TOGETHER)
		return true;
	if (op->kind == M_BARRIER)
		return barrier(e, at);
	return e->w->together ? queue(e, op, want, at) : do_alone(e, op, want, at);
}

/* One CPU is faster, several find what depends on which it is. */
static void choose_cpu(struct m_episode *e)
{
	uint64_t seed = e->w->config.seed;
	cpu_set_t set;
	int i;

	e->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	e->cpu = seed % 4 ? seed % e->cpus : -1;
	CPU_ZERO(&set);
	for (i = 0; i < e->cpus; i++)
		if (e->cpu < 0 || i == e->cpu)
			CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static bool start(struct m_episode *e, const struct m_host *host)
{
	uint32_t i;
	pid_t pid;

	choose_cpu(e);
	m_fragment(e->w->config.fragment);
	m_reset_host(host);
	e->shared->coordinator = getpid();
	for (i = 0; i < M_PROCS; i++)
		reset_slots(e, i);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (dup2(host->control, M_FD_CONTROL) < 0 ||
		    (host->disk >= 0 && dup2(host->disk, M_FD_DISK) < 0))
			_exit(2);
		m_work(e->shared, 0);
	}
	return meet(e, 0, 0);
}

static void end(struct m_episode *e)
{
	uint32_t i;

	for (i = 0; i < M_PROCS; i++) {
		if (e->pidfd[i] < 0)
			continue;
		syscall(SYS_pidfd_send_signal, e->pidfd[i], SIGKILL, NULL, 0);
		if (!has_exited(e, i, PATIENCE * 1000))
			fprintf(stderr, "model: process %d cannot be killed\n",
				e->shared->pid[i]);
		close(e->pidfd[i]);
	}
	munmap(e->shared, sizeof(*e->shared));
	m_world_free(e->w);
	free(e);
}

/* Draws operations until one can be done, and foretells it. */
static void draw(struct m_episode *e, struct m_random *random, struct m_op *op,
		 struct m_want *want, struct m_tally *tally)
{
	while (m_generate(e->w, random, op), !m_predict(e->w, op, want))
		tally->skipped++;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

bool m_run(const struct m_host *host, const struct m_config *config, struct m_op *ops,
	   size_t *n, bool generate, struct m_tally *tally, struct m_failure *failure)
{
	struct m_episode *e = calloc(1, sizeof(*e));
	struct m_random random;
	struct m_want want;
	uint64_t began;
	bool failed;
	size_t i;

	signal(SIGCHLD, SIG_IGN);
	m_seed(&random, config->seed);
	e->w = m_world_create(config, host);
	e->failure = failure;
	e->shared = mmap(NULL, sizeof(*e->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (e->shared == MAP_FAILED || !start(e, host))
		abort();
	for (i = 0; i < *n && !e->failed; i++) {
		if (generate)
			draw(e, &random, &ops[i], &want, tally);
		else if (!m_predict(e->w, &ops[i], &want))
			continue;
		tally->kind[ops[i].kind]++;
		tally->done++;
		tally->together += e->w->together;
		if (config->print)
			m_print_op(stderr, &ops[i]);
		began = now();
		do_op(e, &ops[i], &want, i);
		tally->nanoseconds[ops[i].kind] += now() - began;
		if (generate && config->until && time(NULL) >= config->until)
			*n = i + 1;
	}
	if (!e->failed && e->w->together)
		barrier(e, *n - 1);
	tally->episodes++;
	failed = e->failed;
	end(e);
	return !failed;
}
