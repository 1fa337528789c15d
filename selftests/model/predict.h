/* SPDX-License-Identifier: GPL-2.0-only */
/* What must become of operations, and which to do next. */
#ifndef _MODEL_PREDICT_H
#define _MODEL_PREDICT_H

#include "random.h"
#include "world.h"

/* What must become of an operation. */
struct m_want {
	int64_t ret;
	int32_t sig;
	bool has_hash, has_info, forks, exits, races;
	uint64_t where, hash, first;
	uint64_t always, never;		/* which pages threads can touch */
	struct faultmap_info info;
};

/* *_ops.c: what operations do; false: not to be done. mremap_ops.c is mmap_ops.c's. */
bool m_do_mremap(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_mapping(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_touch(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_file(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_race(struct m_world *w, const struct m_op *op, struct m_want *want);

/* predict.c: each of them, if it may go on now. */
bool m_predict(struct m_world *w, const struct m_op *op, struct m_want *want);

/* generate.c: operations by chance. */
void m_draw_config(struct m_random *random, struct m_config *config);
void m_generate(struct m_world *w, struct m_random *random, struct m_op *op);

#endif /* _MODEL_PREDICT_H */
