/* SPDX-License-Identifier: GPL-2.0-only */
/* What an episode finds: the driver's nodes, a device and a disk. */
#ifndef _MODEL_HOST_H
#define _MODEL_HOST_H

#include "op.h"

struct m_host {
	int control, disk;
	int node_order;			/* -1: the nodes cannot be used */
	uint64_t device_pages;		/* 0: no device's memory can be used */
	bool can_rebind;		/* the driver to that device */
};

void m_node_path(char *path, size_t size, uint32_t memory, uint32_t strategy);
bool m_open_host(struct m_host *host);
void m_reset_host(const struct m_host *host);
bool m_fragment(uint32_t fragment);
int m_rebind_device(void);
void m_close_host(struct m_host *host);

#endif /* _MODEL_HOST_H */
