// SPDX-License-Identifier: GPL-2.0-only
/*
 * A worker of vhost touches memory that its owner has mapped: a kernel thread that has
 * borrowed an mm.
 */
#include <linux/vhost.h>
#include <linux/virtio_ring.h>
#include <linux/vm_sockets.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "faultmap_test.h"
#include "memcg.h"

#ifndef VHOST_SET_FORK_FROM_OWNER
#define VHOST_SET_FORK_FROM_OWNER _IOW(VHOST_VIRTIO, 0x84, __u8)
#endif

#define BLOCKS		64	/* each is touched once */
#define QUEUE		128
#define QUEUES		2	/* what the host sends, and what it is sent */
#define PART		(16 << 10)
#define CID		77
#define RINGS_AT	0x100000
#define BUFFER_AT	0x10000000ULL
#define VERSION_1	(1ULL << 32)
#define PATIENCE	10000	/* milliseconds */

/* A queue is a table of descriptors, what is offered, and what was used. */
static char *ring_part(char *rings, int queue, int part)
{
	return rings + (queue * 4 + part) * PART;
}

static bool set_queue(int vhost, char *rings, int i)
{
	struct vhost_vring_state size = { i, QUEUE }, base = { i, 0 };
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = (uintptr_t)ring_part(rings, i, 0),
		.avail_user_addr = (uintptr_t)ring_part(rings, i, 1),
		.used_user_addr = (uintptr_t)ring_part(rings, i, 2),
	};
	struct vhost_vring_file kick = { i, eventfd(0, 0) }, call = { i, eventfd(0, 0) };

	return !ioctl(vhost, VHOST_SET_VRING_NUM, &size) &&
	       !ioctl(vhost, VHOST_SET_VRING_BASE, &base) &&
	       !ioctl(vhost, VHOST_SET_VRING_ADDR, &addr) &&
	       !ioctl(vhost, VHOST_SET_VRING_KICK, &kick) &&
	       !ioctl(vhost, VHOST_SET_VRING_CALL, &call);
}

static void offer(char *rings, size_t block)
{
	struct vring_desc *desc = (void *)ring_part(rings, 0, 0);
	struct vring_avail *avail = (void *)ring_part(rings, 0, 1);

	for (int i = 0; i < BLOCKS; i++) {
		desc[i] = (struct vring_desc){
			.addr = BUFFER_AT + i * block, .len = 4096, .flags = VRING_DESC_F_WRITE,
		};
		avail->ring[i] = i;
	}
	avail->idx = BLOCKS;
}

/* A machine whose memory for packets is @buffer; the worker is a kernel thread. */
static bool start_vhost(int vhost, char *rings, char *buffer, size_t block)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} memory = {
		.head.nregions = 2,
		.region = {
			{ RINGS_AT, 8 * PART, (uintptr_t)rings, 0 },
			{ BUFFER_AT, BLOCKS * block, (uintptr_t)buffer, 0 },
		},
	};
	__u64 features = VERSION_1, cid = CID;
	int run = 1;
	__u8 no = 0;

	/* Kernels before know nothing else. */
	ioctl(vhost, VHOST_SET_FORK_FROM_OWNER, &no);
	if (ioctl(vhost, VHOST_SET_OWNER, NULL) ||
	    ioctl(vhost, VHOST_SET_FEATURES, &features) ||
	    ioctl(vhost, VHOST_SET_MEM_TABLE, &memory))
		return false;
	for (int i = 0; i < QUEUES; i++)
		if (!set_queue(vhost, rings, i))
			return false;
	offer(rings, block);
	return !ioctl(vhost, VHOST_VSOCK_SET_GUEST_CID, &cid) &&
	       !ioctl(vhost, VHOST_VSOCK_SET_RUNNING, &run);
}

/* Each brings the machine a packet, in the next block. */
static void connect_all(char *rings, int *fds)
{
	volatile struct vring_used *used = (void *)ring_part(rings, 0, 2);

	for (int i = 0; i < BLOCKS; i++) {
		struct sockaddr_vm to = {
			.svm_family = AF_VSOCK, .svm_cid = CID, .svm_port = 1000 + i,
		};
		int ms = 0;

		fds[i] = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (void *)&to, sizeof(to));
		while (used->idx <= i && ms++ < PATIENCE)
			usleep(1000);
	}
}

TEST(kernel_thread_is_charged_to_its_mm)
{
	size_t block = fm_pmd_size(), held;
	struct faultmap_info info = { 0 };
	long long before, charged;
	char *buffer, *rings;
	int fd, vhost, fds[BLOCKS];

	if (!fm_has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	if (system("modprobe -q vhost_vsock"))
		SKIP(return, "no vhost_vsock");
	vhost = open("/dev/vhost-vsock", O_RDWR);
	if (vhost < 0)
		SKIP(return, "no /dev/vhost-vsock");
	fd = fm_create_as((struct faultmap_create){
		.bytes = BLOCKS * block, .strategy = FAULTMAP_STRATEGY_LAZY,
		.order = fm_pmd_order(), .flags = FAULTMAP_CREATE_ON_DEMAND,
	});
	ASSERT_LE(0, fd);
	ASSERT_TRUE(fm_enter_group());
	buffer = mmap(NULL, BLOCKS * block, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	rings = mmap(NULL, 8 * PART, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, buffer);
	ASSERT_NE(MAP_FAILED, rings);
	EXPECT_TRUE(start_vhost(vhost, rings, buffer, block));
	before = fm_charged();
	connect_all(rings, fds);
	charged = fm_charged() - before;
	EXPECT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	held = info.held;
	close(vhost);
	for (int i = 0; i < BLOCKS; i++)
		close(fds[i]);
	/* Unless somebody else uses it. */
	if (system("modprobe -qr vhost_vsock"))
		printf("# vhost_vsock stays\n");
	fm_leave_group();
	EXPECT_EQ(BLOCKS * block, held);
	EXPECT_LE((long long)(held / 8 * 7), charged);
}

TEST_HARNESS_MAIN
