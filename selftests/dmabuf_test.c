// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers as dma-bufs: mapped by their own descriptor, by devices that import them (vgem,
 * vivid by the allocators of videobuf2 for vmalloc() and for contiguous memory), and that
 * nothing that becomes of the buffer, or of the importer's device, is noticed there.
 */
#include <linux/dma-buf.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "faultmap_test.h"
#include "put.h"

#define PAGES		48	/* holds an image of 320 by 180 */
#define WIDTH		320
#define HEIGHT		180
#define ROUNDS		100

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

#define VIVID	"/sys/bus/platform/drivers/vivid/"

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
	EXPECT_EQ(PAGES * self->page, lseek(self->export, 0, SEEK_END));
	map = map_pages(self->export, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGES * self->page, 2 * PAGES * self->page,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(map, 0, 2 * PAGES * self->page, MREMAP_MAYMOVE));
	EXPECT_STAMPS(map, 0, PAGES);
	munmap(map, PAGES * self->page);
}

/* What is mapped anew by the file of the mapping is kept inside, too. */
TEST_F(dmabuf, remap_file_pages)
{
	char *map = map_pages(self->export, PAGES);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, resize(self->fd, 2 * PAGES));
	EXPECT_EQ(0, remap_file_pages(map, 4 * self->page, 0, PAGES - 4, 0));
	EXPECT_STAMPS(map, PAGES - 4, 4);
	EXPECT_STAMPS(map + 4 * self->page, 4, PAGES - 4);
	EXPECT_EQ(MAP_FAILED, mremap(map, 4 * self->page, 5 * self->page, MREMAP_MAYMOVE));
	EXPECT_EQ(-1, remap_file_pages(map, 4 * self->page, 0, PAGES - 3, 0));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, remap_file_pages(map + 8 * self->page, self->page, 0, PAGES, 0));
	EXPECT_EQ(ENXIO, errno);
	/* The end of the buffer is looked for at each touch. */
	EXPECT_EQ(0, remap_file_pages(map + 12 * self->page, self->page, 0, 20, 0));
	ASSERT_EQ(0, resize(self->fd, 16));
	EXPECT_SIGNALS(SIGBUS, map + 12 * self->page, 1);
	EXPECT_STAMPS(map + 13 * self->page, 13, 3);
	EXPECT_SIGNALS(SIGBUS, map + 16 * self->page, PAGES - 16);
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
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(-ENODEV, export(self->fd));
}

/* Whose pages have no count that a device could hold, or that has no pages. */
TEST(other_memory_is_not_exported)
{
	static const unsigned int kinds[] = {
		FAULTMAP_MEMORY_KMALLOC, FAULTMAP_MEMORY_DMA, FAULTMAP_MEMORY_COHERENT,
	};
	int fd;

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		fd = fm_create(kinds[i], FAULTMAP_STRATEGY_EAGER, 2);
		ASSERT_LE(0, fd);
		EXPECT_EQ(-EOPNOTSUPP, export(fd));
		close(fd);
	}
	fd = open("/dev/faultmap/phys-eager", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	EXPECT_EQ(-EOPNOTSUPP, export(fd));
	close(fd);
}

static size_t held(int fd)
{
	struct faultmap_info info = { 0 };

	return ioctl(fd, FAULTMAP_INFO, &info) ? 0 : info.held / fm_page_size();
}

/* What nobody has touched comes into being, all of it. */
TEST(memory_on_demand)
{
	struct faultmap_create create = {
		.bytes = PAGES * fm_page_size(), .strategy = FAULTMAP_STRATEGY_LAZY,
		.window = 1, .flags = FAULTMAP_CREATE_ON_DEMAND,
	};
	int fd, dmabuf;
	char *map;

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	fd = fm_create_as(create);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, held(fd));
	dmabuf = export(fd);
	ASSERT_LE(0, dmabuf);
	EXPECT_EQ(PAGES, held(fd));
	ASSERT_EQ(0, fm_stamp(fd, 0, PAGES));
	map = map_pages(dmabuf, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, PAGES);
	munmap(map, PAGES * fm_page_size());
	close(dmabuf);
	close(fd);
}

/* A child exports a new buffer, whose memory comes into being meanwhile. */
static pid_t export_elsewhere(int *fd)
{
	struct faultmap_create create = {
		.bytes = 64 << 20, .memory = FAULTMAP_MEMORY_VMALLOC,
		.strategy = FAULTMAP_STRATEGY_LAZY, .flags = FAULTMAP_CREATE_ON_DEMAND,
	};
	pid_t child;
	int ret;

	*fd = fm_create_as(create);
	if (*fd < 0)
		return -1;
	child = fork();
	if (!child) {
		ret = export(*fd);
		_exit(ret < 0 && ret != -ENODEV);
	}
	return child;
}

TEST(killed_on_demand)
{
	int fd, i, status;
	pid_t child;

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	for (i = 0; i < 5; i++) {
		child = export_elsewhere(&fd);
		ASSERT_LT(0, child);
		usleep(2000 << i);
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
		close(fd);
	}
}

/* REVOKE does not wait for it. */
TEST(revoked_on_demand)
{
	int fd, i, status;
	pid_t child;

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	for (i = 0; i < 5; i++) {
		child = export_elsewhere(&fd);
		ASSERT_LT(0, child);
		usleep(2000 << i);
		EXPECT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
		close(fd);
	}
}

/* Each of its own size, and each keeps what it was given. */
TEST_F(dmabuf, several_of_one_buffer)
{
	static const size_t sizes[] = { 1, 2 * PAGES + 1, 7, PAGES };
	int dmabuf[4];
	char *map;

	for (size_t i = 0; i < 4; i++) {
		ASSERT_EQ(0, resize(self->fd, sizes[i]));
		dmabuf[i] = export(self->fd);
		ASSERT_LE(0, dmabuf[i]);
		EXPECT_EQ(sizes[i] * self->page, lseek(dmabuf[i], 0, SEEK_END));
	}
	ASSERT_EQ(0, fm_stamp(self->fd, 0, PAGES));
	for (size_t i = 0; i < 4; i++) {
		size_t pages = sizes[i] < PAGES ? sizes[i] : PAGES;

		map = map_pages(dmabuf[i], pages);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_STAMPS(map, 0, pages);
		munmap(map, pages * self->page);
		if (sizes[i] > PAGES)
			EXPECT_EQ(MAP_FAILED, map_pages(dmabuf[i], sizes[i]));
		close(dmabuf[i]);
	}
}

/* A child's, and a copy's, is the same; who closes it last, gives it back. */
TEST_F(dmabuf, inherited)
{
	int copy = dup(self->export), status;
	char *map = map_pages(copy, PAGES), *again;
	pid_t child;

	ASSERT_NE(MAP_FAILED, map);
	close(self->fd);
	close(self->export);
	self->fd = -1;
	self->export = -1;
	child = fork();
	if (!child) {
		again = map_pages(copy, PAGES);
		_exit(again == MAP_FAILED || fm_page_at(map + 3 * self->page) != 3 ||
		      fm_page_at(again + self->page) != 1);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_STAMPS(map, 0, PAGES);
	munmap(map, PAGES * self->page);
	close(copy);
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

#define MODULES	"/proc/modules"

/* A line for each that was there before the tests. */
static char modules[1 << 14] = "\n";

__attribute__((constructor)) static void note_modules(void)
{
	FILE *file = fopen(MODULES, "r");

	if (file && !fread(modules + 1, 1, sizeof(modules) - 2, file))
		perror(MODULES);
	if (file)
		fclose(file);
}

static bool was_loaded(const char *module)
{
	char line[80];

	snprintf(line, sizeof(line), "\n%s ", module);
	return strstr(modules, line);
}

/* One that came with the tests, and that nobody uses; false if there is none. */
static bool unload_importer(void)
{
	FILE *file = fopen(MODULES, "r");
	bool unloaded = false;
	char line[512], name[64];
	int users;

	while (file && !unloaded && fgets(line, sizeof(line), file))
		unloaded = sscanf(line, "%63s %*u %d", name, &users) == 2 && !users &&
			   !was_loaded(name) &&
			   !syscall(SYS_delete_module, name, O_NONBLOCK);
	if (file)
		fclose(file);
	return unloaded;
}

/* When all tests are done: what they have loaded would pass for left behind. */
__attribute__((destructor)) static void unload_importers(void)
{
	while (unload_importer())
		;
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

static bool is_one_block(int fd)
{
	struct faultmap_info info;

	return !ioctl(fd, FAULTMAP_INFO, &info) && info.extents == 1;
}

/* A device that takes one piece only. */
TEST_F(dmabuf, vivid_captures_into_a_block)
{
	int video = open_vivid(1);

	if (video < 0)
		SKIP(return, "no vivid with contiguous memory");
	if (!is_one_block(self->fd)) {
		close(video);
		SKIP(return, "the buffer is not contiguous");
	}
	capture_by(_metadata, self, video);
	close(video);
}

/* What becomes of the buffer. */
enum event {
	SHRINK, SHRINK_AND_GROW, REVOKE,
	NR_EVENTS
};

static int happen(FIXTURE_DATA(dmabuf) *self, enum event event)
{
	switch (event) {
	case SHRINK:
		return resize(self->fd, 1);
	case SHRINK_AND_GROW:
		return resize(self->fd, 1) ?: resize(self->fd, PAGES);
	default:
		return fm_errno(ioctl(self->fd, FAULTMAP_REVOKE));
	}
}

/* When it happens. */
enum moment {
	EXPORTED, QUEUED, STREAMING,
	NR_MOMENTS
};

/* Captures an image, and lets something happen to the buffer at some moment. */
static int capture_and(FIXTURE_DATA(dmabuf) *self, int video, enum event event,
		       enum moment moment)
{
	unsigned int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	struct v4l2_buffer buffer = { .type = type, .memory = V4L2_MEMORY_DMABUF };
	int ret = 0;

	if (moment == EXPORTED)
		ret = happen(self, event);
	ret = ret ?: queue(video, self->export);
	if (!ret && moment == QUEUED)
		ret = happen(self, event);
	ret = ret ?: fm_errno(ioctl(video, VIDIOC_STREAMON, &type));
	if (!ret && moment == STREAMING)
		ret = happen(self, event);
	ret = ret ?: fm_errno(ioctl(video, VIDIOC_DQBUF, &buffer));
	ioctl(video, VIDIOC_STREAMOFF, &type);
	ask_for_buffers(video, V4L2_MEMORY_DMABUF, 0);
	return ret;
}

/* A descriptor that is not cut off, since it is a new one. */
static int open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* How many of its pages the buffer has shown the dma-buf all the time. */
static size_t pages_kept(const FIXTURE_VARIANT(dmabuf) *variant, enum event event)
{
	if (event == SHRINK)
		return 1;
	if (event != SHRINK_AND_GROW)
		return PAGES;
	/* A block of which a part is left stays whole. */
	if (variant->memory == FAULTMAP_MEMORY_VMALLOC)
		return PAGES;
	return variant->order && fm_maps_by_pmd() ? 32 : 1;
}

static void expect_image(struct __test_metadata *_metadata, FIXTURE_DATA(dmabuf) *self,
			 const char *want, size_t size)
{
	int fd = open_again(self->fd);
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, memcmp(want, map, size));
	munmap(map, size);
	close(fd);
}

/* As it was in the beginning. */
static void begin_anew(struct __test_metadata *_metadata, FIXTURE_DATA(dmabuf) *self)
{
	int fd = open_again(self->fd);

	ASSERT_LE(0, fd);
	close(self->fd);
	self->fd = fd;
	ASSERT_EQ(0, resize(self->fd, PAGES));
	ASSERT_EQ(0, fm_stamp(self->fd, 0, PAGES));
	close(self->export);
	self->export = export(self->fd);
	ASSERT_LE(0, self->export);
}

/* The importer goes on with the pages that it was given, whatever becomes of the buffer. */
static void capture_anyway(struct __test_metadata *_metadata, FIXTURE_DATA(dmabuf) *self,
			   const FIXTURE_VARIANT(dmabuf) *variant, int video, bool in_one_block)
{
	static char want[WIDTH * HEIGHT * 2];
	size_t kept;

	ASSERT_TRUE(stand_still(video));
	ASSERT_EQ(sizeof(want), capture_by_itself(video, want, sizeof(want)));
	for (int event = 0; event < NR_EVENTS; event++) {
		for (int moment = 0; moment < NR_MOMENTS; moment++) {
			/* Growth may have brought others. */
			if (in_one_block && !is_one_block(self->fd))
				return;
			kept = pages_kept(variant, event) * self->page;
			/* Growth clears the rest of a block, after the image or before it. */
			if (event == SHRINK_AND_GROW && moment == STREAMING)
				kept = self->page;
			EXPECT_EQ(0, capture_and(self, video, event, moment)) {
				TH_LOG("event %d at moment %d", event, moment);
			}
			expect_image(_metadata, self, want,
				     kept < sizeof(want) ? kept : sizeof(want));
			begin_anew(_metadata, self);
		}
	}
}

static void capture_anyway_on(struct __test_metadata *_metadata, FIXTURE_DATA(dmabuf) *self,
			      const FIXTURE_VARIANT(dmabuf) *variant, int device)
{
	int video = open_vivid(device);

	if (video < 0)
		SKIP(return, device ? "no vivid with contiguous memory" : "no vivid");
	capture_anyway(_metadata, self, variant, video, device);
	close(video);
}

TEST_F(dmabuf, captured_whatever_becomes_of_it)
{
	capture_anyway_on(_metadata, self, variant, 0);
}

TEST_F(dmabuf, captured_in_a_block_whatever_becomes_of_it)
{
	capture_anyway_on(_metadata, self, variant, 1);
}

/* The buffer has other pages then, which nobody writes to. */
TEST_F(dmabuf, a_device_keeps_what_it_has)
{
	int video = open_vivid(0);
	char *map = map_pages(self->fd, PAGES);
	size_t i, kept = pages_kept(variant, SHRINK_AND_GROW);

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
	for (i = 1; i < PAGES; i++)
		EXPECT_EQ(0, map[i * self->page]);
	EXPECT_LT(0, capture(video, V4L2_MEMORY_DMABUF));
	EXPECT_EQ(-1, fm_page_at(map));
	for (i = kept; i < PAGES; i++)
		EXPECT_EQ(0, map[i * self->page]);
	ask_for_buffers(video, V4L2_MEMORY_DMABUF, 0);
	close(video);
	munmap(map, PAGES * self->page);
}

/* The device is what goes: with it goes what it has mapped, and nothing else. */
TEST(importer_is_unbound)
{
	int fd, dmabuf, video = open_vivid(0);
	char *map;

	if (access(FM_CONTROL, F_OK) || video < 0)
		SKIP(return, "faultmap is not loaded, or no vivid");
	fd = fm_create(FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, PAGES);
	ASSERT_EQ(0, fm_stamp(fd, 0, PAGES));
	dmabuf = export(fd);
	ASSERT_LE(0, dmabuf);
	ASSERT_TRUE(stand_still(video));
	ASSERT_EQ(0, queue(video, dmabuf));
	ASSERT_EQ(0, fm_put(VIVID "unbind", "vivid.0"));
	EXPECT_EQ(-ENODEV, capture(video, V4L2_MEMORY_DMABUF));
	close(video);
	EXPECT_EQ(0, fm_put(VIVID "bind", "vivid.0"));
	map = map_pages(dmabuf, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, PAGES);
	munmap(map, PAGES * fm_page_size());
	close(dmabuf);
	close(fd);
}

/* It is given to the processor and back while a device has it mapped. */
TEST_F(dmabuf, access_while_mapped)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };
	int drm = open_vgem(), handle;

	if (drm < 0)
		SKIP(return, "no vgem");
	handle = import(drm, self->export);
	ASSERT_LT(0, handle);
	EXPECT_EQ(0, ioctl(self->export, DMA_BUF_IOCTL_SYNC, &sync));
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	EXPECT_EQ(0, ioctl(self->export, DMA_BUF_IOCTL_SYNC, &sync));
	EXPECT_EQ(0, forget(drm, handle));
	close(drm);
}

/* Up to 6.12, vgem maps what it imports. */
TEST_F(dmabuf, imported_when_it_is_gone)
{
	int drm = open_vgem(), handle;

	if (drm < 0)
		SKIP(return, "no vgem");
	ASSERT_EQ(0, resize(self->fd, 1));
	handle = import(drm, self->export);
	EXPECT_LT(0, handle);
	EXPECT_EQ(0, forget(drm, handle));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	handle = import(drm, self->export);
	EXPECT_LT(0, handle);
	close(self->fd);
	close(self->export);
	self->fd = -1;
	self->export = -1;
	EXPECT_EQ(0, forget(drm, handle));
	close(drm);
}

struct worker {
	pthread_t thread;
	int video, fd, dmabuf;
	bool *stop;
	size_t done, failed;
};

static void *map_again(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(w->stop, __ATOMIC_RELAXED)) {
		w->failed += !!queue(w->video, w->dmabuf);
		ask_for_buffers(w->video, V4L2_MEMORY_DMABUF, 0);
		__atomic_fetch_add(&w->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* All pages of one size or the other. */
static void *export_again(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(w->stop, __ATOMIC_RELAXED)) {
		int dmabuf = export(w->fd);
		off_t size = lseek(dmabuf, 0, SEEK_END);

		w->failed += dmabuf < 0 || !size || size % (off_t)fm_page_size();
		close(dmabuf);
		__atomic_fetch_add(&w->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static size_t done(struct worker *worker)
{
	return __atomic_load_n(&worker->done, __ATOMIC_RELAXED);
}

/* A device maps it, and it is exported again, while it shrinks, grows, and goes. */
TEST_F(dmabuf, used_while_it_changes)
{
	bool stop = false;
	struct worker importer = { .dmabuf = self->export, .stop = &stop };
	struct worker exporter = { .fd = self->fd, .stop = &stop };
	char *map = map_pages(self->export, PAGES);
	int i;

	importer.video = open_vivid(0);
	if (importer.video < 0)
		SKIP(return, "no vivid");
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_TRUE(stand_still(importer.video));
	ASSERT_EQ(0, pthread_create(&importer.thread, NULL, map_again, &importer));
	ASSERT_EQ(0, pthread_create(&exporter.thread, NULL, export_again, &exporter));
	for (i = 0; i < ROUNDS || done(&importer) < 10 || done(&exporter) < 10; i++) {
		EXPECT_EQ(0, resize(self->fd, 1 + i % 7));
		EXPECT_EQ(0, resize(self->fd, PAGES));
		fm_write_at(map + i % PAGES * self->page);
		usleep(i % 4 * 200);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(exporter.thread, NULL);
	EXPECT_EQ(0, exporter.failed);
	EXPECT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	pthread_join(importer.thread, NULL);
	EXPECT_EQ(0, importer.failed);
	EXPECT_SIGNALS(SIGBUS, map, PAGES);
	EXPECT_EQ(0, queue(importer.video, self->export));
	ask_for_buffers(importer.video, V4L2_MEMORY_DMABUF, 0);
	close(importer.video);
	munmap(map, PAGES * self->page);
}

TEST_HARNESS_MAIN
