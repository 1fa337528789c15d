/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver: its nodes, and where they come from. */
#ifndef _FAULTMAP_DRIVER_H
#define _FAULTMAP_DRIVER_H

#include "../files/files.h"

/* main.c */
extern unsigned int faultmap_window;

/* node.c */
int faultmap_nodes_init(void);
void faultmap_nodes_exit(void);
int faultmap_nodes_add(struct list_head *nodes, struct faultmap_buffer *buf,
		       const char *prefix);
void faultmap_nodes_remove(struct list_head *nodes);

/* phys.c */
bool faultmap_phys_has(phys_addr_t start, phys_addr_t end);
int faultmap_phys_init(void);
void faultmap_phys_exit(void);

/* pci.c */
int faultmap_pci_init(void);
void faultmap_pci_exit(void);

/* control.c */
int faultmap_control_init(void);
void faultmap_control_exit(void);

#endif /* _FAULTMAP_DRIVER_H */
