/* SPDX-License-Identifier: GPL-2.0-only */
/* What operations by chance are made of. */
#ifndef _MODEL_DRAW_H
#define _MODEL_DRAW_H

#include "random.h"
#include "world.h"

/* draw.c: processes, descriptors, sizes and ranges. */
bool m_once_in(struct m_random *random, uint32_t n);
uint32_t m_draw_proc(struct m_world *w, struct m_random *random);
uint32_t m_draw_length(const struct m_world *w, struct m_random *random);
const struct m_vma *m_draw_vma(struct m_world *w, struct m_random *random,
			       uint32_t proc);
void m_draw_range(struct m_world *w, struct m_random *random, uint32_t proc,
		  uint32_t *at, uint32_t *n);
uint32_t m_draw_fd(struct m_world *w, struct m_random *random, uint32_t proc);
uint32_t m_draw_free_fd(struct m_world *w, struct m_random *random, uint32_t proc);
uint64_t m_draw_size(struct m_world *w, struct m_random *random);

/* draw_mapping.c: operations on mappings. */
void m_draw_mmap(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_mremap(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_advice(struct m_world *w, struct m_random *random, struct m_op *op);

/* draw_file.c: operations on descriptors, and on the buffers behind them. */
void m_draw_create(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_open(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_pread(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_skim(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_resize(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_shake(struct m_world *w, struct m_random *random, struct m_op *op);
void m_draw_rush(struct m_world *w, struct m_random *random, struct m_op *op);

#endif /* _MODEL_DRAW_H */
