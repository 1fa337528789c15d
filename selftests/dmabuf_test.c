// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers as dma-bufs: mapped by their own descriptor, by devices that import them (vgem,
 * vivid by the allocators of videobuf2 for vmalloc() and for contiguous memory), and what
 * REVOKE and RESIZE do to them meanwhile.
 */
#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <sys/wait.h>

#include "faultmap_test.h"

#define PAGES		48	/* holds an image of 320 by 180 */
#define WIDTH		320
#define HEIGHT		180
#define ROUNDS		300

/* As <drm/drm.h>, of a package that nothing else here needs. */
struct prime_handle {
	__u32 handle, flags;
	__s32 fd;
};

struct gem_close {
	__u32 handle, pad;
};

struct drm_version {
	int major, minor, patch;
	size_t name_len;
	char *name;
	size_t date_len;
	char *date;
	size_t desc_len;
	char *desc;
};

#define DRM_VERSION		_IOWR('d', 0x00, struct drm_version)
#define DRM_GEM_CLOSE		_IOW('d', 0x09, struct gem_close)
#define DRM_HANDLE_TO_FD	_IOWR('d', 0x2d, struct prime_handle)
#define DRM_FD_TO_HANDLE	_IOWR('d', 0x2e, struct prime_handle)

FIXTURE(dmabuf)
{
	size_t page;
	int fd, export;
};

FIXTURE_VARIANT(dmabuf)
{
	unsigned int memory, strategy, order;
};

FIXTURE_VARIANT_ADD(dmabuf, pages_lazy) {
	.strategy = FAULTMAP_STRATEGY_LAZY,
};

FIXTURE_VARIANT_ADD(dmabuf, blocks_lazy) {
	.strategy = FAULTMAP_STRATEGY_LAZY, .order = 6,
};

FIXTURE_VARIANT_ADD(dmabuf, blocks_lazy_pfn) {
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN, .order = 6,
};

FIXTURE_VARIANT_ADD(dmabuf, pages_eager) {
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(dmabuf, vmalloc_lazy) {
	.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_LAZY,
};

static int export(int fd)
{
	struct faultmap_export arg = { 0 };

	return fm_errno(ioctl(fd, FAULTMAP_EXPORT, &arg));
}

FIXTURE_SETUP(dmabuf)
{
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	self->page = fm_page_size();
	self->fd = fm_create_as((struct faultmap_create){
		.bytes = PAGES * self->page, .memory = variant->memory,
		.strategy = variant->strategy, .order = variant->order, .window = 1,
	});
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, PAGES));
	self->export = export(self->fd);
	ASSERT_LE(0, self->export);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->export);
	close(self->fd);
}

static char *map_pages(int fd, size_t pages)
{
	return mmap(NULL, pages * fm_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int resize(int fd, size_t pages)
{
	struct faultmap_resize arg = { .bytes = pages * fm_page_size() };

	return fm_errno(ioctl(fd, FAULTMAP_RESIZE, &arg));
}

/* Pages that are nobody's buffer any more, and still count for the limit. */
static bool is_free_again(size_t pages)
{
	int fd, i;

	for (i = 0; i < 50; i++) {
		fd = fm_create(FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, pages);
		if (fd >= 0)
			close(fd);
		if (fd >= 0)
			return true;
		usleep(100000);
	}
	return false;
}

/* It is mapped as the buffer is, at the same touches, and counted there. */
TEST_F(dmabuf, maps_as_the_buffer)
{
	bool lazy = fm_has_window(variant->strategy);
	char *map = map_pages(self->export, PAGES), *own;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(1, fm_stats(self->fd).mmaps);
	EXPECT_EQ(0, fm_faults(self->fd));
	EXPECT_STAMPS(map, 0, PAGES);
	EXPECT_EQ(lazy, fm_faults(self->fd) > 0);
	own = map_pages(self->fd, PAGES);
	ASSERT_NE(MAP_FAILED, own);
	map[5 * self->page + 7] = 'x';
	EXPECT_EQ('x', own[5 * self->page + 7]);
	munmap(own, PAGES * self->page);
	EXPECT_EQ(MAP_FAILED, map_pages(self->export, PAGES + 1));
	munmap(map, PAGES * self->page);
}

/* It has the size that the buffer had when it was made. */
TEST_F(dmabuf, does_not_grow)
{
	char *map;

	ASSERT_EQ(0, resize(self->fd, 2 * PAGES));
	map = map_pages(self->export, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGES * self->page, 2 * PAGES * self->page,
				     MREMAP_MAYMOVE));
	EXPECT_STAMPS(map, 0, PAGES);
	munmap(map, PAGES * self->page);
}

TEST_F(dmabuf, outlives_the_descriptor)
{
	char *map;

	close(self->fd);
	self->fd = -1;
	map = map_pages(self->export, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	close(self->export);
	self->export = -1;
	EXPECT_STAMPS(map, 0, PAGES);
	munmap(map, PAGES * self->page);
}

TEST_F(dmabuf, access_by_the_processor)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };

	EXPECT_EQ(0, ioctl(self->export, DMA_BUF_IOCTL_SYNC, &sync));
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	EXPECT_EQ(0, ioctl(self->export, DMA_BUF_IOCTL_SYNC, &sync));
}

TEST_F(dmabuf, refuses_what_it_must)
{
	struct faultmap_export arg = { .flags = 1 };
	char path[64];
	int fd;

	EXPECT_EQ(-EINVAL, fm_errno(ioctl(self->fd, FAULTMAP_EXPORT, &arg)));
	arg = (struct faultmap_export){ .reserved = 1 };
	EXPECT_EQ(-EINVAL, fm_errno(ioctl(self->fd, FAULTMAP_EXPORT, &arg)));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, export(fd));
	close(fd);
	fd = fm_create(FAULTMAP_MEMORY_KMALLOC, FAULTMAP_STRATEGY_EAGER, 2);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, export(fd));
	close(fd);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(-ENODEV, export(self->fd));
}

/* All mappings there are, and no new ones. */
TEST_F(dmabuf, revoke_cuts_it_off)
{
	char *map = map_pages(self->export, PAGES);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, PAGES);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_SIGNALS(SIGBUS, map, PAGES);
	munmap(map, PAGES * self->page);
	EXPECT_EQ(MAP_FAILED, map_pages(self->export, PAGES));
	EXPECT_EQ(ENODEV, errno);
}

static const char *const importers[] = { "vivid", "vgem" };
static bool was_loaded[sizeof(importers) / sizeof(*importers)];

static bool is_loaded(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

__attribute__((constructor)) static void note_importers(void)
{
	for (size_t i = 0; i < sizeof(importers) / sizeof(*importers); i++)
		was_loaded[i] = is_loaded(importers[i]);
}

/* When all tests are done: what they have loaded would pass for left behind. */
__attribute__((destructor)) static void unload_importers(void)
{
	char command[64];

	for (size_t i = 0; i < sizeof(importers) / sizeof(*importers); i++) {
		snprintf(command, sizeof(command), "modprobe -q -r %s", importers[i]);
		if (!was_loaded[i] && is_loaded(importers[i]) && system(command))
			fprintf(stderr, "# %s failed\n", command);
	}
}

static int open_vgem(void)
{
	char path[32], name[8] = "";
	struct drm_version version;
	int fd, i;

	if (system("modprobe -q vgem"))
		return -1;
	for (i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = (struct drm_version){ .name_len = sizeof(name) - 1, .name = name };
		if (!ioctl(fd, DRM_VERSION, &version) && !strncmp(name, "vgem", 4))
			return fd;
		close(fd);
	}
	return -1;
}

/* The handle by which a DRM device has imported a dma-buf, or -errno. */
static int import(int drm, int dmabuf)
{
	struct prime_handle arg = { .fd = dmabuf };

	return ioctl(drm, DRM_FD_TO_HANDLE, &arg) ? -errno : (int)arg.handle;
}

static int forget(int drm, int handle)
{
	struct gem_close arg = { .handle = handle };

	return ioctl(drm, DRM_GEM_CLOSE, &arg);
}

/* A device that has imported it gives it on. */
TEST_F(dmabuf, vgem_imports)
{
	struct prime_handle arg = { .flags = O_RDWR | O_CLOEXEC };
	int drm = open_vgem(), handle;
	char *map;

	if (drm < 0)
		SKIP(return, "no vgem");
	handle = import(drm, self->export);
	ASSERT_LT(0, handle);
	arg.handle = handle;
	ASSERT_EQ(0, ioctl(drm, DRM_HANDLE_TO_FD, &arg));
	map = map_pages(arg.fd, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, PAGES);
	munmap(map, PAGES * self->page);
	close(arg.fd);
	EXPECT_EQ(0, forget(drm, handle));
	close(drm);
}

/* The @nth video device of vivid that captures; the first one uses vmalloc() memory. */
static int open_vivid(int nth)
{
	struct v4l2_capability cap;
	char path[32];
	int fd, i;

	if (system("modprobe -q vivid n_devs=2 allocators=0,1"))
		return -1;
	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/video%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!ioctl(fd, VIDIOC_QUERYCAP, &cap) &&
		    !strcmp((char *)cap.driver, "vivid") &&
		    cap.device_caps & V4L2_CAP_VIDEO_CAPTURE && !nth--)
			return fd;
		close(fd);
	}
	return -1;
}

/* An image that does not change: no text, and nothing moves. */
static bool stand_still(int video)
{
	struct v4l2_queryctrl query = { .id = V4L2_CTRL_FLAG_NEXT_CTRL };
	struct v4l2_control control;
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.fmt.pix = {
			.width = WIDTH, .height = HEIGHT, .pixelformat = V4L2_PIX_FMT_YUYV,
		},
	};

	if (ioctl(video, VIDIOC_S_FMT, &format) ||
	    format.fmt.pix.sizeimage > PAGES * fm_page_size())
		return false;
	for (; !ioctl(video, VIDIOC_QUERYCTRL, &query); query.id |= V4L2_CTRL_FLAG_NEXT_CTRL) {
		if (strcmp((char *)query.name, "OSD Text Mode"))
			continue;
		control = (struct v4l2_control){ .id = query.id, .value = query.maximum };
		return !ioctl(video, VIDIOC_S_CTRL, &control);
	}
	return false;
}

static int ask_for_buffers(int video, unsigned int memory, unsigned int count)
{
	struct v4l2_requestbuffers request = {
		.count = count, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = memory,
	};

	return fm_errno(ioctl(video, VIDIOC_REQBUFS, &request));
}

/* Gives the device a dma-buf, which it maps; ask_for_buffers() of none takes it back. */
static int queue(int video, int dmabuf)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_DMABUF, .m.fd = dmabuf,
	};

	return ask_for_buffers(video, V4L2_MEMORY_DMABUF, 2) ?:
		fm_errno(ioctl(video, VIDIOC_QBUF, &buffer));
}

/* Into what was queued, @memory of it; bytes, or -errno. */
static long capture(int video, unsigned int memory)
{
	unsigned int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	struct v4l2_buffer buffer = { .type = type, .memory = memory };
	int ret;

	ret = fm_errno(ioctl(video, VIDIOC_STREAMON, &type)) ?:
		fm_errno(ioctl(video, VIDIOC_DQBUF, &buffer));
	ioctl(video, VIDIOC_STREAMOFF, &type);
	return ret ? ret : (long)buffer.bytesused;
}

/* The same into memory of the device, from where it is copied. */
static long capture_by_itself(int video, char *copy, size_t size)
{
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP,
	};
	char *map;
	long ret;

	if (ask_for_buffers(video, V4L2_MEMORY_MMAP, 2) ||
	    ioctl(video, VIDIOC_QUERYBUF, &buffer))
		return -errno;
	map = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, video, buffer.m.offset);
	if (map == MAP_FAILED || ioctl(video, VIDIOC_QBUF, &buffer))
		return -errno;
	ret = capture(video, V4L2_MEMORY_MMAP);
	memcpy(copy, map, size);
	munmap(map, buffer.length);
	ask_for_buffers(video, V4L2_MEMORY_MMAP, 0);
	return ret;
}

static void capture_by(struct __test_metadata *_metadata,
		       FIXTURE_DATA(dmabuf) *self, int video)
{
	static char want[WIDTH * HEIGHT * 2];
	char *map = map_pages(self->fd, PAGES);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_TRUE(stand_still(video));
	ASSERT_EQ(sizeof(want), capture_by_itself(video, want, sizeof(want)));
	ASSERT_EQ(0, queue(video, self->export));
	EXPECT_EQ(sizeof(want), capture(video, V4L2_MEMORY_DMABUF));
	ask_for_buffers(video, V4L2_MEMORY_DMABUF, 0);
	EXPECT_EQ(0, memcmp(want, map, sizeof(want)));
	/* Nothing behind the image. */
	EXPECT_STAMPS(map + (PAGES - 1) * self->page, PAGES - 1, 1);
	munmap(map, PAGES * self->page);
}

TEST_F(dmabuf, vivid_captures_by_address)
{
	int video = open_vivid(0);

	if (video < 0)
		SKIP(return, "no vivid");
	capture_by(_metadata, self, video);
	close(video);
}

/* A device that takes one piece only. */
TEST_F(dmabuf, vivid_captures_into_a_block)
{
	struct faultmap_info info;
	int video = open_vivid(1);

	if (video < 0)
		SKIP(return, "no vivid with contiguous memory");
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	if (info.extents != 1) {
		close(video);
		SKIP(return, "the buffer is not contiguous");
	}
	capture_by(_metadata, self, video);
	close(video);
}

/* All pages but the first. */
static void expect_zeroes(struct __test_metadata *_metadata, FIXTURE_DATA(dmabuf) *self,
			  const char *map)
{
	for (size_t i = 1; i < PAGES; i++)
		EXPECT_EQ(0, map[i * self->page]);
}

/* What a device has mapped is pinned: it goes when the device lets go of it. */
TEST_F(dmabuf, a_device_keeps_what_it_has)
{
	int video = open_vivid(0);
	char *map = map_pages(self->fd, PAGES);

	if (video < 0)
		SKIP(return, "no vivid");
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_TRUE(stand_still(video));
	ASSERT_EQ(0, queue(video, self->export));
	ASSERT_EQ(0, resize(self->fd, 1));
	EXPECT_SIGNALS(SIGBUS, map + self->page, PAGES - 1);
	ASSERT_EQ(0, resize(self->fd, PAGES));
	munmap(map, PAGES * self->page);
	map = map_pages(self->fd, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	expect_zeroes(_metadata, self, map);
	/* The device writes to what it has: of the buffer, that is the first page. */
	EXPECT_LT(0, capture(video, V4L2_MEMORY_DMABUF));
	EXPECT_EQ(-1, fm_page_at(map));
	/* Of a larger block, which stays whole, it is more. */
	if (!variant->order && variant->memory == FAULTMAP_MEMORY_PAGES)
		expect_zeroes(_metadata, self, map);
	ask_for_buffers(video, V4L2_MEMORY_DMABUF, 0);
	close(video);
	EXPECT_TRUE(is_free_again(PAGES));
	munmap(map, PAGES * self->page);
}

TEST_F(dmabuf, not_mapped_when_it_is_gone)
{
	int video = open_vivid(0);

	if (video < 0)
		SKIP(return, "no vivid");
	ASSERT_TRUE(stand_still(video));
	ASSERT_EQ(0, resize(self->fd, 1));
	EXPECT_GT(0, queue(video, self->export));
	ASSERT_EQ(0, resize(self->fd, PAGES));
	EXPECT_EQ(0, queue(video, self->export));
	ask_for_buffers(video, V4L2_MEMORY_DMABUF, 0);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_GT(0, queue(video, self->export));
	ask_for_buffers(video, V4L2_MEMORY_DMABUF, 0);
	close(video);
}

/* Up to 6.12, vgem maps what it imports, and says why it cannot. */
TEST_F(dmabuf, no_import_of_what_is_gone)
{
	int drm = open_vgem();

	if (drm < 0)
		SKIP(return, "no vgem");
	if (fm_kernel_since(6, 13))
		SKIP(return, "this kernel's vgem maps nothing");
	ASSERT_EQ(0, resize(self->fd, 1));
	EXPECT_EQ(-ENXIO, import(drm, self->export));
	ASSERT_EQ(0, resize(self->fd, PAGES));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(-ENODEV, import(drm, self->export));
	close(drm);
}

struct importer {
	pthread_t thread;
	int video, dmabuf;
	bool *stop;
	size_t done, mapped;
};

static void *map_again(void *arg)
{
	struct importer *i = arg;

	while (!__atomic_load_n(i->stop, __ATOMIC_RELAXED)) {
		i->mapped += !queue(i->video, i->dmabuf);
		ask_for_buffers(i->video, V4L2_MEMORY_DMABUF, 0);
		__atomic_fetch_add(&i->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A device maps it while it shrinks, grows, and goes. */
TEST_F(dmabuf, mapped_while_it_changes)
{
	bool stop = false;
	struct importer importer = { .dmabuf = self->export, .stop = &stop };
	char *map = map_pages(self->export, PAGES);
	int i;

	importer.video = open_vivid(0);
	if (importer.video < 0)
		SKIP(return, "no vivid");
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_TRUE(stand_still(importer.video));
	ASSERT_EQ(0, pthread_create(&importer.thread, NULL, map_again, &importer));
	for (i = 0; i < ROUNDS || __atomic_load_n(&importer.done, __ATOMIC_RELAXED) < 10; i++) {
		EXPECT_EQ(0, resize(self->fd, 1 + i % 7));
		EXPECT_EQ(0, resize(self->fd, PAGES));
		fm_write_at(map + i % PAGES * self->page);
		usleep(i % 4 * 200);
	}
	EXPECT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(importer.thread, NULL);
	EXPECT_LT(0, importer.mapped);
	close(importer.video);
	munmap(map, PAGES * self->page);
}

TEST_HARNESS_MAIN
