// SPDX-License-Identifier: GPL-2.0-only
/*
 * What touching memory must do: by the processor, by system calls that copy or take
 * pages, and by other processes.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "content.h"
#include "predict.h"

/* A piece of a transfer that lies in one page. */
struct piece {
	uint32_t page;
	uint64_t offset, len, done;
};

static void see(struct m_want *want, const uint8_t *bytes, uint64_t len)
{
	if (!want->has_hash) {
		want->hash = M_HASH_START;
		memcpy(&want->first, bytes, len < 8 ? len : 8);
	}
	want->has_hash = true;
	want->hash = m_hash_bytes(want->hash, bytes, len);
}

/* The first or next page of @len bytes from byte @off of page @at on. */
static bool next_piece(struct piece *piece, uint32_t at, uint64_t off, uint64_t len)
{
	piece->done += piece->len;
	if (piece->done >= len)
		return false;
	off += piece->done;
	piece->page = at + off / M_PAGE;
	piece->offset = off % M_PAGE;
	piece->len = M_PAGE - piece->offset;
	if (piece->len > len - piece->done)
		piece->len = len - piece->done;
	return true;
}

static bool allowed(const struct m_vma *v, bool write)
{
	return v && v->flags & (write ? M_VM_WRITE : M_VM_READ);
}

/* The word of the next page. */
static bool next_word(struct piece *piece, const struct m_op *op)
{
	piece->page = piece->len ? piece->page + 1 : op->at;
	piece->offset = op->off;
	piece->done += piece->len;
	piece->len = sizeof(uint64_t);
	return piece->page < op->at + op->n;
}

/* By load and store, from the lowest address up to the first that fails. */
static void touch(struct m_world *w, struct m_proc *p, const struct m_op *op,
		  struct m_want *want)
{
	bool write = op->kind == M_WRITE || op->kind == M_MARK;
	bool each = op->kind == M_LOOK || op->kind == M_MARK;
	struct piece piece = { 0 };
	struct m_vma *v;

	while (each ? next_word(&piece, op) :
		      next_piece(&piece, op->at, op->off, op->len)) {
		v = m_find(p, piece.page);
		want->sig = allowed(v, write) ?
			    m_fault_in(w, p, v, piece.page, write) : SIGSEGV;
		if (want->sig) {
			want->where = M_BASE + piece.page * M_PAGE + piece.offset;
			want->has_hash = false;
			return;
		}
		if (write)
			m_fill(m_data(p, v, piece.page) + piece.offset, op->stamp,
			       piece.done, piece.len);
		else
			see(want, m_data(p, v, piece.page) + piece.offset, piece.len);
	}
}

/*
 * A copy by the kernel that ends at a bad page may try that one again, byte by byte,
 * or not, as the processor's way to copy is.
 */
static void tried_again(struct m_vma *v)
{
	m_add(v->file->view, offsetof(struct faultmap_stats, sigbus), 0, 3);
}

static bool copy_page_allowed(struct m_world *w, struct m_proc *p, uint32_t page,
			      bool write)
{
	struct m_vma *v = m_find(p, page);
	int sig;

	if (!allowed(v, write))
		return false;
	sig = m_fault_in(w, p, v, page, write);
	if (sig == SIGBUS)
		tried_again(v);
	return !sig;
}

/* pread(2) to the arena, whole pages. */
static int64_t copy_in(struct m_world *w, struct m_proc *p, const struct m_op *op)
{
	struct m_file *file = p->fd[op->fd];
	struct m_buffer *buffer = file->view->buffer;
	uint32_t i;

	for (i = 0; i < op->n && op->pg + i < buffer->npages; i++) {
		uint8_t bounce[M_PAGE];

		memcpy(bounce, buffer->bytes + (op->pg + i) * M_PAGE, M_PAGE);
		if (!copy_page_allowed(w, p, op->at + i, true))
			return i ? i * M_PAGE : -EFAULT;
		memcpy(m_data(p, m_find(p, op->at + i), op->at + i), bounce, M_PAGE);
	}
	return i * M_PAGE;
}

/* pwrite(2) from the arena: each page is read before the driver sees its offset. */
static int64_t copy_out(struct m_world *w, struct m_proc *p, const struct m_op *op)
{
	struct m_file *file = p->fd[op->fd];
	struct m_buffer *buffer = file->view->buffer;
	uint32_t i;

	for (i = 0; i < op->n; i++) {
		if (!copy_page_allowed(w, p, op->at + i, false))
			return i ? i * M_PAGE : -EFAULT;
		if (op->pg + i >= buffer->npages)
			return i ? i * M_PAGE : -ENOSPC;
		memmove(buffer->bytes + (op->pg + i) * M_PAGE,
			m_data(p, m_find(p, op->at + i), op->at + i), M_PAGE);
	}
	return i * M_PAGE;
}

static bool do_copy(struct m_world *w, struct m_proc *p, const struct m_op *op,
		    struct m_want *want)
{
	struct m_file *file = p->fd[op->fd];

	if (!op->n || op->pg > 1U << 30 || (file && file->limit))
		return false;
	if (!file || !(op->kind == M_COPY_IN ? file->can_read : file->can_write)) {
		want->ret = -EBADF;
	} else if (m_revoked(file)) {
		want->ret = -ENODEV;
	} else {
		want->ret = op->kind == M_COPY_IN ? copy_in(w, p, op) :
						    copy_out(w, p, op);
	}
	return true;
}

/* The page can be taken; if not, taking several is a matter of the block layer. */
static bool can_take(struct m_proc *p, uint32_t page, bool write)
{
	struct m_vma *v = m_find(p, page);

	return allowed(v, write) && !m_is_frames(v) && p->page[page].state != M_GUARD &&
	       (p->page[page].state != M_NONE ||
		(!m_revoked(v->file) &&
		 v->pgoff + page - v->start < v->file->view->buffer->npages));
}

static bool do_direct(struct m_world *w, struct m_proc *p, const struct m_op *op,
		      struct m_want *want)
{
	bool write = op->kind == M_DIRECT_READ;	/* the memory is written */
	uint32_t i, page;
	struct m_vma *v;

	if (!w->has_disk || !op->n || op->pg + op->n > M_DISK)
		return false;
	for (i = 0; op->n > 1 && i < op->n; i++)
		if (!can_take(p, op->at + i, write))
			return false;
	for (i = 0; i < op->n; i++) {
		page = op->at + i;
		v = m_find(p, page);
		if (!allowed(v, write) || m_is_frames(v) ||
		    m_fault_in(w, p, v, page, write)) {
			want->ret = -EFAULT;
			return true;
		}
		if (write)
			memcpy(m_data(p, v, page), w->disk + (op->pg + i) * M_PAGE,
			       M_PAGE);
		else
			memcpy(w->disk + (op->pg + i) * M_PAGE, m_data(p, v, page),
			       M_PAGE);
	}
	want->ret = op->n * M_PAGE;
	return true;
}

/* A debugger may do what the process may not, where that changes nobody else's. */
static bool forced(const struct m_vma *v, bool write)
{
	return allowed(v, write) || !write || m_is_cow(v);
}

/* Through the driver, which does not touch the mapping. */
static uint8_t *look_at_frame(struct m_vma *v, uint32_t page, bool write)
{
	struct m_buffer *buffer = v->file->view->buffer;
	uint64_t pgoff = v->pgoff + page - v->start;

	if ((write && !(v->flags & M_VM_WRITE)) || m_revoked(v->file) ||
	    pgoff >= buffer->npages)
		return NULL;
	return buffer->bytes + pgoff * M_PAGE;
}

static uint8_t *look_at(struct m_world *w, struct m_proc *p, uint32_t page,
			bool write, bool force)
{
	struct m_vma *v = m_find(p, page);

	if (!v || !(force ? forced(v, write) : allowed(v, write)))
		return NULL;
	if (m_is_frames(v))
		return force ? look_at_frame(v, page, write) : NULL;
	return m_fault_in(w, p, v, page, write) ? NULL : m_data(p, v, page);
}

/* How /proc/PID/mem forces access is a matter of configuration. */
static bool depends(struct m_proc *p, const struct m_op *op, bool write)
{
	struct m_vma *v = m_find(p, op->at);

	return (op->kind == M_MEM_READ || op->kind == M_MEM_WRITE) && v &&
	       !allowed(v, write) && forced(v, write);
}

/* One process reads or writes the memory of another, in one page. */
static bool do_remote(struct m_world *w, const struct m_op *op, struct m_want *want)
{
	bool write = op->kind == M_POKE || op->kind == M_MEM_WRITE ||
		     op->kind == M_VM_WRITEV;
	bool vm = op->kind == M_VM_READV || op->kind == M_VM_WRITEV;
	bool word = op->kind == M_PEEK || op->kind == M_POKE;
	struct m_proc *peer = &w->proc[op->peer];
	uint8_t *bytes;

	if (!peer->live || !op->len || op->off + op->len > M_PAGE ||
	    (word && (op->len != 8 || op->peer == op->proc)) ||
	    depends(peer, op, write))
		return false;
	bytes = look_at(w, peer, op->at, write, !vm);
	if (!bytes) {
		want->ret = vm ? -EFAULT : -EIO;
		return true;
	}
	want->ret = word ? 0 : op->len;
	if (write)
		m_fill(bytes + op->off, op->stamp, 0, op->len);
	else
		see(want, bytes + op->off, op->len);
	return true;
}

bool m_do_touch(struct m_world *w, const struct m_op *op, struct m_want *want)
{
	struct m_proc *p = &w->proc[op->proc];
	uint64_t end = op->at * M_PAGE + op->off + op->len;
	bool each = op->kind == M_LOOK || op->kind == M_MARK;

	if (end > w->config.arena * M_PAGE || op->at + op->n > w->config.arena ||
	    (op->n > M_IO && !each) || op->len > M_IO * M_PAGE)
		return false;
	switch (op->kind) {
	case M_LOOK:
	case M_MARK:
		if (op->off % 8 || op->off >= M_PAGE || !op->n || op->len)
			return false;
		touch(w, p, op, want);
		return true;
	case M_READ:
	case M_WRITE:
		if (op->off % 8 || op->len % 8 || op->flags)
			return false;
		touch(w, p, op, want);
		return true;
	case M_COPY_IN:
	case M_COPY_OUT:
		return do_copy(w, p, op, want);
	case M_DIRECT_READ:
	case M_DIRECT_WRITE:
		return do_direct(w, p, op, want);
	default:
		return do_remote(w, op, want);
	}
}
