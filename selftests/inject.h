/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's fault injection: the n-th thing that can fail in a task does, as far
 * as the module is on the stack: slab objects, pages (page tables, too) and copies
 * from and to user space.
 */
#ifndef _FAULTMAP_INJECT_H
#define _FAULTMAP_INJECT_H

#include <limits.h>

#include "faultmap_test.h"

#define DEBUGFS		"/sys/kernel/debug/"

static const char *const injectors[] = {
	"failslab", "fail_page_alloc", "fail_usercopy",
};

static int fail_nth = -1;

static inline int put_attribute(const char *injector, const char *attribute,
				const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", injector, attribute);
	return fm_put(path, value);
}

static inline bool put_everywhere(const char *attribute, const char *value)
{
	size_t i;

	for (i = 0; i < sizeof(injectors) / sizeof(*injectors); i++)
		if (put_attribute(injectors[i], attribute, value))
			return false;
	return true;
}

/* Only where an address from @start to @end is on the stack. */
static inline bool inject_within(unsigned long start, unsigned long end)
{
	char text[2][24];

	snprintf(text[0], sizeof(text[0]), "0x%lx", start);
	snprintf(text[1], sizeof(text[1]), "0x%lx", end);
	return put_everywhere("require-start", text[0]) &&
	       put_everywhere("require-end", text[1]);
}

/* How many of the latest frames of the stack are looked at for it; 32 at most. */
static inline bool look_back(unsigned int frames)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", frames);
	return put_everywhere("stacktrace-depth", text);
}

/* Where the code of our modules is, with what lies between; false if one is not loaded. */
static inline bool find_modules(unsigned long *start, unsigned long *end)
{
	FILE *modules = fopen("/proc/modules", "r");
	unsigned long size, at;
	unsigned int found = 0;
	char line[256], name[64];

	*start = ULONG_MAX;
	*end = 0;
	while (modules && fgets(line, sizeof(line), modules)) {
		if (sscanf(line, "%63s %lu %*s %*s %*s 0x%lx", name, &size, &at) != 3 ||
		    (strcmp(name, "faultmap") && strcmp(name, "faultmap_engine")))
			continue;
		*start = at < *start ? at : *start;
		*end = at + size > *end ? at + size : *end;
		found++;
	}
	if (modules)
		fclose(modules);
	return found == 2;
}

/* What sleeps may fail, too, and in silence. */
static inline bool set_up_injectors(void)
{
	return put_everywhere("probability", "0") &&
	       put_everywhere("verbose", getenv("FAULTMAP_INJECT_VERBOSE") ?: "0") &&
	       !put_attribute("failslab", "ignore-gfp-wait", "N") &&
	       !put_attribute("fail_page_alloc", "ignore-gfp-wait", "N") &&
	       !put_attribute("fail_page_alloc", "ignore-gfp-highmem", "N") &&
	       !put_attribute("fail_page_alloc", "min-order", "0");
}

static inline int write_nth(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fail_nth, text, len, 0) == len ? 0 : -errno;
}

/* How many more have to come until one fails; 0 if it has, -1 if that is not known. */
static inline int read_nth(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		return -1;
	write_nth(0);
	return atoi(text);
}

/* Whether one has failed since write_nth(). */
static inline bool was_injected(void)
{
	return !read_nth();
}

/* The kernel's own complaints of what it is made to fail are none: see vm/klog. */
static inline void tell_log(const char *what)
{
	char line[64];

	snprintf(line, sizeof(line), "<6>vm: %s", what);
	fm_put("/dev/kmsg", line);
}

/* False if the kernel has none. */
static inline bool start_injecting(unsigned long start, unsigned long end)
{
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0 || !set_up_injectors() || !look_back(32) ||
	    !inject_within(start, end))
		return false;
	tell_log("faults are injected");
	return true;
}

static inline void stop_injecting(void)
{
	tell_log("no more faults");
	close(fail_nth);
}

#endif /* _FAULTMAP_INJECT_H */
