// SPDX-License-Identifier: GPL-2.0-only
/* The whole of what is modelled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "../machine.h"
#include "world.h"

static void add_nodes(struct m_world *w, uint32_t memory, uint64_t npages, uint32_t order)
{
	struct m_buffer *buffer;
	uint32_t i;

	buffer = m_buffer_create(w, memory, npages, order);
	buffer->is_node = true;
	buffer->on_demand = getenv("FAULTMAP_ON_DEMAND") &&
			    memory <= FAULTMAP_MEMORY_VMALLOC;
	for (i = 0; i < M_STRATEGIES; i++)
		if (m_supported(memory, i)) {
			w->node[memory][i] = m_view_create(w, buffer, i, 1);
			w->node[memory][i]->refs = 1;
		}
}

struct m_world *m_world_create(const struct m_config *config, const struct m_host *host)
{
	struct m_world *w = calloc(1, sizeof(*w));
	struct utsname uts;
	uint32_t i;

	w->config = *config;
	w->has_disk = host->disk >= 0;
	w->can_rebind = host->can_rebind;
	w->has_thp = fm_has_thp();
	w->disk = calloc(M_DISK, M_PAGE);
	if (uname(&uts) || sscanf(uts.release, "%d.%d", &w->major, &w->minor) != 2)
		abort();
	for (i = 0; i < M_PROCS; i++)
		w->proc[i].page = calloc(2 * config->arena + 8, sizeof(struct m_page));
	for (i = 0; host->node_order >= 0 && i < M_MEMORIES; i++)
		add_nodes(w, i, 1, i ? 0 : host->node_order);
	if (host->device_pages)
		add_nodes(w, FAULTMAP_MEMORY_PHYS, host->device_pages, 0);
	w->proc[0].live = true;
	return w;
}

void m_world_free(struct m_world *w)
{
	struct m_buffer *buffer;
	uint32_t i;

	for (i = 0; i < M_PROCS; i++) {
		if (w->proc[i].live)
			m_exit(w, &w->proc[i]);
		free(w->proc[i].page);
	}
	for (i = 0; i < M_NODES * M_STRATEGIES; i++)
		free(w->node[i / M_STRATEGIES][i % M_STRATEGIES]);
	while ((buffer = w->buffers)) {
		w->buffers = buffer->next;
		free(buffer->bytes);
		free(buffer);
	}
	free(w->disk);
	free(w);
}

/* The device goes, for all who had it, and comes back with what was in it. */
void m_rebind(struct m_world *w)
{
	struct m_view **nodes = w->node[FAULTMAP_MEMORY_PHYS];
	struct m_buffer *old = nodes[FAULTMAP_STRATEGY_EAGER]->buffer, *new;
	struct m_view *gone[M_STRATEGIES];
	uint32_t i;

	m_zap(w, old, 0);
	old->generation++;
	old->gone = true;
	memcpy(gone, nodes, sizeof(gone));
	add_nodes(w, FAULTMAP_MEMORY_PHYS, old->max, 0);
	new = nodes[FAULTMAP_STRATEGY_EAGER]->buffer;
	memcpy(new->bytes, old->bytes, old->max * M_PAGE);
	for (i = 0; i < M_STRATEGIES; i++)
		if (gone[i])
			m_view_put(w, gone[i]);
}
