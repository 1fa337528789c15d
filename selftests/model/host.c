// SPDX-License-Identifier: GPL-2.0
/* The driver's nodes and a disk, made ready for an episode and left as found. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model.h"

static const char *const memories[M_MEMORIES] = { "pages", "vmalloc", "kmalloc", "dma" };
static const char *const strategies[M_STRATEGIES] = {
	"eager", "lazy", "eager-page", "lazy-pfn",
};

static uint64_t node_bytes[M_MEMORIES];

static int open_node(uint32_t memory, uint32_t strategy)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/faultmap/%s-%s", memories[memory],
		 strategies[strategy]);
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
	host->disk = open_disk();
	return true;
}

static void reset_node(uint32_t memory)
{
	static const uint8_t zero[M_PAGE];
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

void m_reset_host(const struct m_host *host)
{
	static _Alignas(4096) const uint8_t zero[M_PAGE * M_DISK];
	uint32_t i;

	for (i = 0; host->node_order >= 0 && i < M_MEMORIES; i++)
		reset_node(i);
	if (host->disk >= 0 && pwrite(host->disk, zero, sizeof(zero), 0) != sizeof(zero))
		abort();
}

void m_close_host(struct m_host *host)
{
	uint32_t i;
	int fd;

	for (i = 0; host->node_order >= 0 && i < M_MEMORIES; i++) {
		fd = open_node(i, FAULTMAP_STRATEGY_EAGER);
		if (fd < 0 || resize(fd, node_bytes[i]))
			perror("model: the size of a node");
		close(fd);
	}
	close(host->disk);
	close(host->control);
}
