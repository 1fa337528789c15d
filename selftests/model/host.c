// SPDX-License-Identifier: GPL-2.0-only
/* The driver's nodes and a disk, made ready for an episode and left as found. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fragment.h"
#include "../put.h"
#include "host.h"

#define MAX_DEVICE	(64UL << 20)	/* bytes */

static const char *const memories[M_MEMORIES] = { "pages", "vmalloc", "kmalloc", "dma" };
static const char *const strategies[M_STRATEGIES] = {
	"eager", "lazy", "eager-page", "lazy-pfn",
};

static uint64_t node_bytes[M_MEMORIES];
static char device[32];			/* what its nodes' names begin with */

void m_node_path(char *path, size_t size, uint32_t memory, uint32_t strategy)
{
	snprintf(path, size, "/dev/faultmap/%s-%s",
		 memory < M_MEMORIES ? memories[memory] : device, strategies[strategy]);
}

static int open_node(uint32_t memory, uint32_t strategy)
{
	char path[64];

	m_node_path(path, sizeof(path), memory, strategy);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int resize(int fd, uint64_t bytes)
{
	struct faultmap_resize arg = { .bytes = bytes };

	return ioctl(fd, FAULTMAP_RESIZE, &arg);
}

/* A node with a window of its own choice cannot be foretold. */
static int look_at_nodes(void)
{
	struct faultmap_info info = { 0 };
	int fd, ret = -1;
	uint32_t i;

	for (i = M_MEMORIES; i-- > 0; ) {
		fd = open_node(i, FAULTMAP_STRATEGY_LAZY_PFN);
		if (fd < 0)
			return -1;
		ret = ioctl(fd, FAULTMAP_INFO, &info);
		close(fd);
		if (ret || info.window != 1)
			return -1;
		node_bytes[i] = info.bytes;
	}
	return info.order;
}

/* The device that phys= names, or else the first one of PCI. */
static bool find_device(void)
{
	static const char *const patterns[] = {
		"/dev/faultmap/phys-eager", "/dev/faultmap/pci-*-eager",
	};
	glob_t found;
	size_t i;

	for (i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		if (glob(patterns[i], 0, NULL, &found))
			continue;
		snprintf(device, sizeof(device), "%s",
			 strrchr(found.gl_pathv[0], '/') + 1);
		globfree(&found);
		*strrchr(device, '-') = 0;
		return true;
	}
	return false;
}

static uint64_t parameter_bytes(void)
{
	FILE *file = fopen("/sys/module/faultmap/parameters/phys", "r");
	long long bytes = 0;
	char unit = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lli%c", &bytes, &unit) != 2)
		bytes = 0;
	fclose(file);
	switch (tolower(unit)) {
	case 'g':
		bytes <<= 10;
		__attribute__((fallthrough));
	case 'm':
		bytes <<= 10;
		__attribute__((fallthrough));
	case 'k':
		bytes <<= 10;
	}
	return bytes;
}

/* How much of it there is, as others than the driver say. */
static uint64_t device_bytes(void)
{
	struct stat stat_of;
	char path[96];

	if (!strcmp(device, "phys"))
		return parameter_bytes();
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2",
		 device + strlen("pci-"));
	return stat(path, &stat_of) ? 0 : stat_of.st_size;
}

/* Returns its pages, or 0 if it is none that can be foretold, or cleared each time. */
static uint64_t look_at_device(void)
{
	struct faultmap_info info = { 0 };
	uint64_t bytes;
	int fd, ret;

	if (!find_device())
		return 0;
	fd = open_node(FAULTMAP_MEMORY_PHYS, FAULTMAP_STRATEGY_LAZY_PFN);
	if (fd < 0)
		return 0;
	ret = ioctl(fd, FAULTMAP_INFO, &info);
	close(fd);
	bytes = device_bytes();
	return ret || info.window != 1 || bytes > MAX_DEVICE ? 0 : bytes / M_PAGE;
}

static int write_to_driver(const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/faultmap/%s", file);
	return fm_put(path, device + strlen("pci-"));
}

int m_rebind_device(void)
{
	return write_to_driver("unbind") ?: write_to_driver("bind");
}

/* A loop device, whose O_DIRECT takes pages on all kernels, over a file in memory. */
static int open_disk(void)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control, number, fd = -1;
	char path[32];

	if (access("/dev/loop-control", F_OK) && system("modprobe -q loop"))
		return -1;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	config.fd = memfd_create("disk", MFD_CLOEXEC);
	if (control < 0 || ftruncate(config.fd, M_DISK * M_PAGE))
		return -1;
	do {
		close(fd);
		number = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(path, sizeof(path), "/dev/loop%d", number);
		fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	} while (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) && errno == EBUSY);
	close(control);
	close(config.fd);
	return fd;
}

bool m_open_host(struct m_host *host)
{
	host->control = open("/dev/faultmap/control", O_RDWR | O_CLOEXEC);
	if (host->control < 0)
		return false;
	host->node_order = look_at_nodes();
	host->device_pages = look_at_device();
	host->can_rebind = host->device_pages && !strncmp(device, "pci-", 4);
	host->disk = open_disk();
	return true;
}

/*
 * Has no free blocks of order @fragment or more, as long as episodes ask for it; 0:
 * whatever there is. False if it cannot be done here.
 */
bool m_fragment(uint32_t fragment)
{
	static struct fm_fragmented fragmented;
	static uint32_t is;
	static bool done = true;

	if (fragment == is)
		return done;
	fm_defragment(&fragmented);
	is = fragment;
	done = !fragment || !fm_fragment(&fragmented, fragment - 1);
	if (!done)
		printf("# memory cannot be fragmented here\n");
	return done;
}

static void reset_node(uint32_t memory)
{
	static const uint8_t zero[M_PAGE_MOST];
	uint32_t i;
	int fd;

	for (i = 0; i < M_STRATEGIES; i++) {
		fd = open_node(memory, i);
		if (fd < 0)
			continue;
		if (resize(fd, M_PAGE) || pwrite(fd, zero, M_PAGE, 0) != M_PAGE ||
		    ioctl(fd, FAULTMAP_STATS_RESET))
			abort();
		close(fd);
	}
}

/* All of it, for what a smaller size hides stays there. */
static void reset_device(uint64_t npages)
{
	int fd = open_node(FAULTMAP_MEMORY_PHYS, FAULTMAP_STRATEGY_EAGER);
	int other = open_node(FAULTMAP_MEMORY_PHYS, FAULTMAP_STRATEGY_LAZY_PFN);
	static const uint8_t zero[M_PAGE_MOST];
	uint64_t i;

	if (fd < 0 || other < 0 || resize(fd, npages * M_PAGE))
		abort();
	for (i = 0; i < npages; i++)
		if (pwrite(fd, zero, M_PAGE, i * M_PAGE) != M_PAGE)
			abort();
	if (ioctl(fd, FAULTMAP_STATS_RESET) || ioctl(other, FAULTMAP_STATS_RESET))
		abort();
	close(other);
	close(fd);
}

void m_reset_host(const struct m_host *host)
{
	static _Alignas(M_PAGE_MOST) const uint8_t zero[M_PAGE_MOST * M_DISK];
	ssize_t bytes = M_PAGE * M_DISK;
	uint32_t i;

	for (i = 0; host->node_order >= 0 && i < M_MEMORIES; i++)
		reset_node(i);
	if (host->device_pages)
		reset_device(host->device_pages);
	if (host->disk >= 0 && pwrite(host->disk, zero, bytes, 0) != bytes)
		abort();
}

void m_close_host(struct m_host *host)
{
	uint32_t i;
	int fd;

	m_fragment(0);
	for (i = 0; host->node_order >= 0 && i < M_MEMORIES; i++) {
		fd = open_node(i, FAULTMAP_STRATEGY_EAGER);
		if (fd < 0 || resize(fd, node_bytes[i]))
			perror("model: the size of a node");
		close(fd);
	}
	if (host->device_pages)
		reset_device(host->device_pages);
	close(host->disk);
	close(host->control);
}
