/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM faultmap

#if !defined(_FAULTMAP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _FAULTMAP_TRACE_H

#include <linux/tracepoint.h>

#include "internal.h"

/*
 * perf and others know an address by its name, and write it as one: so it is @addr. A
 * name is as long as a view's, with the zeroes behind it.
 */

/* A successful or refused mmap(2): @ret is 0 or a negative errno. */
TRACE_EVENT(faultmap_mmap,
	    TP_PROTO(const struct fm_view *view,
		     struct vm_area_struct *vma, int ret),
	TP_ARGS(view, vma, ret),
	TP_STRUCT__entry(
		__array(char, name, FM_NAME_SIZE)
		__field(unsigned long, addr)
		__field(unsigned long, pgoff)
		__field(unsigned long, pages)
		__field(int, ret)
	),
	TP_fast_assign(
		memcpy(__entry->name, view->name, FM_NAME_SIZE);
		__entry->addr = vma->vm_start;
		__entry->pgoff = vma->vm_pgoff;
		__entry->pages = vma_pages(vma);
		__entry->ret = ret;
	),
	TP_printk("name=%s addr=0x%lx pgoff=%lu pages=%lu ret=%d",
		  __entry->name, __entry->addr, __entry->pgoff,
		  __entry->pages, __entry->ret)
);

/* A VMA that came, went or moved; not at the first mmap(2). */
DECLARE_EVENT_CLASS(faultmap_vma,
		    TP_PROTO(const struct fm_view *view,
			     struct vm_area_struct *vma),
	TP_ARGS(view, vma),
	TP_STRUCT__entry(
		__array(char, name, FM_NAME_SIZE)
		__field(unsigned long, addr)
		__field(unsigned long, pgoff)
		__field(unsigned long, pages)
	),
	TP_fast_assign(
		memcpy(__entry->name, view->name, FM_NAME_SIZE);
		__entry->addr = vma->vm_start;
		__entry->pgoff = vma->vm_pgoff;
		__entry->pages = vma_pages(vma);
	),
	TP_printk("name=%s addr=0x%lx pgoff=%lu pages=%lu", __entry->name,
		  __entry->addr, __entry->pgoff, __entry->pages)
);

DEFINE_EVENT(faultmap_vma, faultmap_open,
	     TP_PROTO(const struct fm_view *view,
		      struct vm_area_struct *vma),
	TP_ARGS(view, vma)
);

DEFINE_EVENT(faultmap_vma, faultmap_close,
	     TP_PROTO(const struct fm_view *view,
		      struct vm_area_struct *vma),
	TP_ARGS(view, vma)
);

DEFINE_EVENT(faultmap_vma, faultmap_move,
	     TP_PROTO(const struct fm_view *view,
		      struct vm_area_struct *vma),
	TP_ARGS(view, vma)
);

/* A touch that was answered, by so many pages: 512 and more by one entry. */
TRACE_EVENT(faultmap_fault,
	    TP_PROTO(const struct fm_view *view, const struct vm_fault *vmf,
		     unsigned long pages),
	TP_ARGS(view, vmf, pages),
	TP_STRUCT__entry(
		__array(char, name, FM_NAME_SIZE)
		__field(unsigned long, addr)
		__field(unsigned long, pgoff)
		__field(unsigned long, pages)
		__field(bool, write)
	),
	TP_fast_assign(
		memcpy(__entry->name, view->name, FM_NAME_SIZE);
		__entry->addr = vmf->address;
		__entry->pgoff = vmf->pgoff;
		__entry->pages = pages;
		__entry->write = vmf->flags & FAULT_FLAG_WRITE;
	),
	TP_printk("name=%s addr=0x%lx pgoff=%lu %s pages=%lu", __entry->name,
		  __entry->addr, __entry->pgoff,
		  __entry->write ? "write" : "read", __entry->pages)
);

/* A touch that was refused. */
TRACE_EVENT(faultmap_sigbus,
	    TP_PROTO(const struct fm_view *view, const struct vm_fault *vmf),
	TP_ARGS(view, vmf),
	TP_STRUCT__entry(
		__array(char, name, FM_NAME_SIZE)
		__field(unsigned long, addr)
		__field(unsigned long, pgoff)
		__field(bool, write)
	),
	TP_fast_assign(
		memcpy(__entry->name, view->name, FM_NAME_SIZE);
		__entry->addr = vmf->address;
		__entry->pgoff = vmf->pgoff;
		__entry->write = vmf->flags & FAULT_FLAG_WRITE;
	),
	TP_printk("name=%s addr=0x%lx pgoff=%lu %s", __entry->name,
		  __entry->addr, __entry->pgoff,
		  __entry->write ? "write" : "read")
);

/* Every translation from page @from on was removed from every process. */
TRACE_EVENT(faultmap_zap,
	    TP_PROTO(const struct fm_view *view, unsigned long from),
	TP_ARGS(view, from),
	TP_STRUCT__entry(
		__array(char, name, FM_NAME_SIZE)
		__field(unsigned long, from)
	),
	TP_fast_assign(
		memcpy(__entry->name, view->name, FM_NAME_SIZE);
		__entry->from = from;
	),
	TP_printk("name=%s from=%lu", __entry->name, __entry->from)
);

#endif /* _FAULTMAP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
