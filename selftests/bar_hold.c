// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a device's memory mapped by each strategy, at addresses that the host
 * knows, for vm/bar_test to look at from there. Its argument is a page's stamp.
 */
#include <poll.h>

#include "buffer_fixture.h"

static const struct {
	const char *strategy;
	void *addr;
} views[] = {
	{ "eager", (void *)0x10000000 },
	{ "lazy-pfn", (void *)0x20000000 },
};

static bool hold(size_t i, size_t stamp)
{
	static const FIXTURE_VARIANT(buffer) device = {
		.node = "/dev/faultmap/phys-eager",
		.memory = FAULTMAP_MEMORY_PHYS,
	};
	size_t size = 2 * fm_page_size();
	int fd = open(fm_node_by(&device, views[i].strategy), O_RDWR);
	char *map = mmap(views[i].addr, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, i * size);

	if (map != views[i].addr) {
		perror(views[i].strategy);
		return false;
	}
	fm_stamp_page(map, stamp + 2 * i);
	fm_stamp_page(map + fm_page_size(), stamp + 2 * i + 1);
	return true;
}

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	size_t stamp = argc == 2 ? strtoul(argv[1], NULL, 0) : 0;
	char byte;

	if (!hold(0, stamp) || !hold(1, stamp))
		return 1;
	printf("held\n");
	fflush(stdout);
	/* Busy, so that the CPU is in this address space when it is looked at. */
	while (!poll(&in, 1, 0))
		;
	return read(STDIN_FILENO, &byte, 1) != 1;
}
