// SPDX-License-Identifier: GPL-2.0-only
/* What must become of descriptors, ioctls, read(2), write(2), fork(2) and exit(2). */
#include <errno.h>
#include <string.h>

#include "content.h"
#include "predict.h"

#define TOO_LARGE	(1ULL << 40)	/* more bytes than any guest has memory */
#define MAX_BYTES	((1ULL << 63) - 1)
#define MAX_ORDER	10

static int check_bytes(uint64_t bytes)
{
	if (!bytes || bytes % M_PAGE)
		return -EINVAL;
	return bytes > MAX_BYTES ? -EFBIG : 0;
}

static int check_create(const struct m_op *op)
{
	uint32_t largest = m_has_window(op->strategy) ? FAULTMAP_WINDOW_MAX : 1;

	if (op->memory > M_COHERENT || op->strategy >= M_STRATEGIES ||
	    op->flags & M_BADFLAG || op->window > largest ||
	    (op->flags & M_BATCHED && op->strategy != FAULTMAP_STRATEGY_EAGER))
		return -EINVAL;
	if (op->memory == FAULTMAP_MEMORY_PHYS ||
	    (op->flags & M_ON_DEMAND &&
	     (op->memory > FAULTMAP_MEMORY_VMALLOC || op->flags & M_BATCHED)) ||
	    (op->memory == M_COHERENT && op->strategy != FAULTMAP_STRATEGY_EAGER) ||
	    !m_supported(op->memory, op->strategy))
		return -EOPNOTSUPP;
	if (op->order > (op->memory == FAULTMAP_MEMORY_PAGES ? MAX_ORDER : 0))
		return -EINVAL;
	return check_bytes(op->len);
}

static bool do_create(struct m_world *w, struct m_proc *p, const struct m_op *op,
		      struct m_want *want)
{
	uint32_t window = m_has_window(op->strategy) ? op->window : 1;
	struct m_buffer *buffer;
	struct m_view *view;

	want->ret = check_create(op);
	if (p->fd[op->fd])
		return false;
	if (want->ret)
		return true;
	if (op->len > w->config.pages * M_PAGE || op->memory == M_COHERENT)
		return false;
	buffer = m_buffer_create(w, op->memory, op->len / M_PAGE, op->order);
	buffer->on_demand = op->flags & M_ON_DEMAND;
	view = m_view_create(w, buffer, op->strategy, window);
	if (op->flags & M_BATCHED)
		m_view_batch(view);
	p->fd[op->fd] = m_file_create(view, 0);
	return true;
}

static bool do_open(struct m_world *w, struct m_proc *p, const struct m_op *op)
{
	struct m_view *view;

	if (op->memory >= M_NODES || op->strategy >= M_STRATEGIES || p->fd[op->fd])
		return false;
	view = w->node[op->memory][op->strategy];
	if (view)
		p->fd[op->fd] = m_file_create(view, op->flags);
	return view;
}

static bool do_close(struct m_world *w, struct m_proc *p, const struct m_op *op,
		     struct m_want *want)
{
	if (!p->fd[op->fd]) {
		want->ret = -EBADF;
		return true;
	}
	m_file_put(w, p->fd[op->fd]);
	p->fd[op->fd] = NULL;
	return true;
}

/* dup(2), or pidfd_getfd(2) from another process. */
static bool do_dup(struct m_proc *from, struct m_proc *p,
		   const struct m_op *op, struct m_want *want)
{
	if (!from->live || p->fd[op->fd2])
		return false;
	if (!from->fd[op->fd]) {
		want->ret = -EBADF;
		return true;
	}
	p->fd[op->fd2] = from->fd[op->fd];
	m_file_get(p->fd[op->fd2]);
	return true;
}

/* open(2) of /proc/self/fd/N, whose file works. */
static bool do_reopen(struct m_proc *p, const struct m_op *op)
{
	struct m_file *file = p->fd[op->fd];

	if (!file || p->fd[op->fd2] || m_revoked(file))
		return false;
	p->fd[op->fd2] = m_file_create(file->view, op->flags);
	return true;
}

/* A dma-buf, which is mapped as the file is. */
static bool do_export(struct m_proc *p, const struct m_op *op, struct m_want *want)
{
	struct m_file *file = p->fd[op->fd];

	if (p->fd[op->fd2])
		return false;
	if (!file || !file->can_read || !file->can_write)
		want->ret = -EBADF;
	else if (op->flags & M_BADFLAG)
		want->ret = -EINVAL;
	else if (!m_supported(file->view->buffer->memory, FAULTMAP_STRATEGY_LAZY))
		want->ret = -EOPNOTSUPP;
	else if (m_revoked(file))
		want->ret = -ENODEV;
	if (want->ret)
		return true;
	p->fd[op->fd2] = m_file_create(file->view, 0);
	p->fd[op->fd2]->limit = file->view->buffer->npages;
	return true;
}

/* Our ioctls of a dma-buf; what else there is, but to map it, is not ours to tell. */
static bool do_dmabuf(const struct m_op *op, struct m_want *want)
{
	want->ret = -ENOTTY;
	return op->kind == M_RESIZE || op->kind == M_REVOKE || op->kind == M_STATS ||
	       op->kind == M_RESET || op->kind == M_INFO;
}

/* Whose first descriptor an operation is about. */
static bool is_about_dmabuf(const struct m_op *op, const struct m_file *file)
{
	return file && file->limit &&
	       ((op->kind >= M_PREAD && op->kind <= M_STAMP) ||
		(op->kind >= M_REOPEN && op->kind <= M_INFO));
}

/* pread(2) and pwrite(2) with memory of the process's own. */
static bool do_pread(struct m_file *file, const struct m_op *op,
		     struct m_want *want)
{
	struct m_buffer *buffer;
	uint64_t size, len = op->len;
	bool write = op->kind == M_PWRITE;

	if (!len || len > M_IO * M_PAGE || op->off > TOO_LARGE)
		return false;
	if (!file || !(write ? file->can_write : file->can_read)) {
		want->ret = -EBADF;
		return true;
	}
	if (m_revoked(file)) {
		want->ret = -ENODEV;
		return true;
	}
	buffer = file->view->buffer;
	size = buffer->npages * M_PAGE;
	if (op->off >= size) {
		want->ret = write ? -ENOSPC : 0;
		return true;
	}
	if (len > size - op->off)
		len = size - op->off;
	want->ret = len;
	if (write) {
		m_fill(buffer->bytes + op->off, op->stamp, 0, len);
	} else {
		want->has_hash = true;
		want->hash = m_hash_bytes(M_HASH_START, buffer->bytes + op->off, len);
		memcpy(&want->first, buffer->bytes + op->off, len < 8 ? len : 8);
	}
	return true;
}

/* The same, a word of each page. */
static bool do_skim(struct m_file *file, const struct m_op *op, struct m_want *want)
{
	bool write = op->kind == M_STAMP;
	struct m_buffer *buffer;
	uint64_t i, word;
	uint8_t *bytes;

	if (!op->n || op->pg + op->n > TOO_LARGE / M_PAGE || op->off > M_PAGE - 8)
		return false;
	if (!file || !(write ? file->can_write : file->can_read)) {
		want->ret = -EBADF;
		return true;
	}
	if (m_revoked(file)) {
		want->ret = -ENODEV;
		return true;
	}
	buffer = file->view->buffer;
	if (write && op->pg >= buffer->npages) {
		want->ret = -ENOSPC;
		return true;
	}
	want->has_hash = !write;
	want->hash = M_HASH_START;
	for (i = 0; i < op->n && op->pg + i < buffer->npages; i++) {
		bytes = buffer->bytes + (op->pg + i) * M_PAGE + op->off;
		word = m_word(op->stamp, i);
		if (write)
			memcpy(bytes, &word, sizeof(word));
		else
			memcpy(&word, bytes, sizeof(word));
		if (!i)
			want->first = word;
		want->hash = m_hash_word(want->hash, word);
	}
	want->ret = i;
	return true;
}

static bool do_resize(struct m_world *w, struct m_file *file, const struct m_op *op,
		      struct m_want *want)
{
	if (!file || !file->can_write)
		want->ret = -EBADF;
	else if (op->flags & M_BADFLAG)
		want->ret = -EINVAL;
	else
		want->ret = check_bytes(op->len);
	if (!want->ret && m_revoked(file))
		want->ret = -ENODEV;
	if (want->ret)
		return true;
	if (op->len > file->view->buffer->max * M_PAGE) {
		/* Less is a matter of the machine's memory. */
		if (op->len < TOO_LARGE && !m_is_device(file->view->buffer))
			return false;
		want->ret = -EFBIG;
		return true;
	}
	m_resize(w, file->view, op->len / M_PAGE);
	return true;
}

/* ftruncate(2), which looks at the file before its length, but for the sign. */
static bool do_truncate(struct m_world *w, struct m_file *file, const struct m_op *op,
			struct m_want *want)
{
	if (op->flags)
		return false;
	if (op->len > MAX_BYTES)
		want->ret = -EINVAL;
	else if (!file)
		want->ret = -EBADF;
	else if (!file->can_write || file->view->buffer->is_node)
		want->ret = -EINVAL;
	return want->ret || do_resize(w, file, op, want);
}

static bool do_revoke(struct m_world *w, struct m_file *file, struct m_want *want)
{
	if (!file || !file->can_write)
		want->ret = -EBADF;
	else if (m_revoked(file))
		want->ret = -ENODEV;
	else
		m_revoke(w, file->view);
	return true;
}

static bool do_reset(struct m_file *file, struct m_want *want)
{
	if (!file || !file->can_write)
		want->ret = -EBADF;
	else
		memset(file->view->count, 0, sizeof(file->view->count));
	return true;
}

static bool do_info(struct m_file *file, struct m_want *want)
{
	struct m_buffer *buffer;

	if (!file) {
		want->ret = -EBADF;
		return true;
	}
	buffer = file->view->buffer;
	want->has_info = true;
	want->info = (struct faultmap_info){
		.bytes = buffer->gone ? 0 : buffer->npages * M_PAGE,
		.extents = !buffer->gone,
		.memory = buffer->memory,
		.strategy = file->view->strategy,
		.order = buffer->order,
		.window = file->view->window,
		.flags = (buffer->on_demand ? FAULTMAP_INFO_ON_DEMAND :
					      FAULTMAP_INFO_ALLOCATED) |
			 (buffer->is_node ? 0 : FAULTMAP_INFO_PRIVATE) |
			 (m_revoked(file) ? FAULTMAP_INFO_REVOKED : 0),
	};
	return true;
}

/* Where it could be told only by those who have nothing of it, it is left alone. */
static bool do_rebind(struct m_world *w)
{
	if (!w->can_rebind || (w->config.memory != M_ANY &&
			       w->config.memory != FAULTMAP_MEMORY_PHYS))
		return false;
	m_rebind(w);
	return true;
}

static uint32_t live(const struct m_world *w)
{
	uint32_t i, n = 0;

	for (i = 0; i < M_PROCS; i++)
		n += w->proc[i].live;
	return n;
}

static bool do_fork(struct m_world *w, struct m_proc *p, const struct m_op *op,
		    struct m_want *want)
{
	if (w->proc[op->peer].live)
		return false;
	m_fork(w, p, &w->proc[op->peer]);
	want->forks = true;
	return true;
}

static bool do_exit(struct m_world *w, struct m_proc *p, struct m_want *want)
{
	if (live(w) < 2)
		return false;
	m_exit(w, p);
	want->exits = true;
	return true;
}

bool m_do_file(struct m_world *w, const struct m_op *op, struct m_want *want)
{
	struct m_proc *p = &w->proc[op->proc];
	struct m_file *file = p->fd[op->fd];

	if (is_about_dmabuf(op, file))
		return do_dmabuf(op, want);
	switch (op->kind) {
	case M_CREATE:
		return do_create(w, p, op, want);
	case M_OPEN:
		return do_open(w, p, op);
	case M_CLOSE:
		return do_close(w, p, op, want);
	case M_DUP:
		return do_dup(p, p, op, want);
	case M_TAKE:
		return do_dup(&w->proc[op->peer], p, op, want);
	case M_PREAD:
	case M_PWRITE:
		return do_pread(file, op, want);
	case M_SKIM:
	case M_STAMP:
		return do_skim(file, op, want);
	case M_REOPEN:
		return do_reopen(p, op);
	case M_EXPORT:
		return do_export(p, op, want);
	case M_TRUNCATE:
		return do_truncate(w, file, op, want);
	case M_RESIZE:
		return do_resize(w, file, op, want);
	case M_REVOKE:
		return do_revoke(w, file, want);
	case M_STATS:
		want->ret = file ? 0 : -EBADF;
		return true;
	case M_RESET:
		return do_reset(file, want);
	case M_INFO:
		return do_info(file, want);
	case M_REBIND:
		return do_rebind(w);
	case M_FORK:
		return do_fork(w, p, op, want);
	default:
		return do_exit(w, p, want);
	}
}
