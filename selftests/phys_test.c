// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's memory: which ranges are taken, what happens when the device goes, and
 * whether it is really that memory. Uses the first PCI device of the driver, the one
 * that QEMU's -device ivshmem-plain makes.
 */
#include <linux/capability.h>
#include <sys/wait.h>

#include "bar.h"
#include "module_fixture.h"

#define FIND_BAR(bar) do { \
	if (!find_bar(bar)) \
		SKIP(return, "no device: give QEMU -device ivshmem-plain"); \
} while (0)

static int open_pci(const struct bar *bar, const char *strategy)
{
	char path[96];

	snprintf(path, sizeof(path), "/dev/faultmap/pci-%s-%s", bar->device,
		 strategy);
	return fm_errno(open(path, O_RDWR | O_CLOEXEC));
}

/* The first line of /proc/iomem that ends in @name. */
static bool find_resource(const char *name, unsigned long *start, unsigned long *end)
{
	FILE *file = fopen("/proc/iomem", "r");
	bool found = false;
	char line[128];

	while (!found && file && fgets(line, sizeof(line), file))
		found = strstr(line, name) &&
			sscanf(line, " %lx-%lx", start, end) == 2;
	if (file)
		fclose(file);
	return found;
}

static char *map_page(int fd, size_t page)
{
	return mmap(NULL, fm_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    page * fm_page_size());
}

TEST_F(module, device_goes_and_comes_back)
{
	static const char *const strategies[] = { "eager", "lazy-pfn" };
	struct faultmap_info info;
	char *maps[2], byte;
	struct bar bar;
	int fds[2], i;

	FIND_BAR(&bar);
	for (i = 0; i < 2; i++) {
		fds[i] = open_pci(&bar, strategies[i]);
		ASSERT_LE(0, fds[i]);
		maps[i] = map_page(fds[i], i);
		ASSERT_NE(MAP_FAILED, maps[i]);
		fm_stamp_page(maps[i], 70 + i);
		ASSERT_EQ(0, ioctl(fds[i], FAULTMAP_INFO, &info));
		EXPECT_EQ(bar.size, info.bytes);
		EXPECT_EQ(1, info.extents);
	}

	ASSERT_EQ(0, fm_put(PCI_DRIVER "/unbind", bar.device));
	EXPECT_EQ(-ENOENT, open_pci(&bar, "eager"));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(SIGBUS, fm_read_at(maps[i]));
		EXPECT_EQ(SIGBUS, fm_write_at(maps[i]));
		EXPECT_EQ(-1, pread(fds[i], &byte, 1, 0));
		EXPECT_EQ(ENODEV, errno);
		EXPECT_EQ(MAP_FAILED, map_page(fds[i], 0));
		EXPECT_EQ(ENODEV, errno);
		EXPECT_EQ(-1, ioctl(fds[i], FAULTMAP_REVOKE));
		EXPECT_EQ(ENODEV, errno);
		ASSERT_EQ(0, ioctl(fds[i], FAULTMAP_INFO, &info));
		EXPECT_EQ(0, info.bytes);
		EXPECT_EQ(0, info.extents);
		close(fds[i]);
	}
	EXPECT_EQ(-EWOULDBLOCK, unload());

	/* What was mapped stays dead, and what is opened anew is not. */
	ASSERT_EQ(0, fm_put(PCI_DRIVER "/bind", bar.device));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(SIGBUS, fm_read_at(maps[i]));
		munmap(maps[i], fm_page_size());
		fds[i] = open_pci(&bar, strategies[i]);
		ASSERT_LE(0, fds[i]);
		maps[i] = map_page(fds[i], !i);
		EXPECT_STAMPS(maps[i], 70 + !i, 1);
		munmap(maps[i], fm_page_size());
		close(fds[i]);
	}
}

/* What sysfs says of how often the device was enabled; -1 if nothing. */
static int enabled(const struct bar *bar)
{
	char path[96];
	FILE *file;
	int n = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", bar->device);
	file = fopen(path, "r");
	if (file && fscanf(file, "%d", &n) != 1)
		n = -1;
	if (file)
		fclose(file);
	return n;
}

/* How often the kernel has the device's memory mapped by ioremap(). */
static unsigned int remapped(const struct bar *bar)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	unsigned long start;
	unsigned int n = 0;
	char line[256], *phys;

	while (file && fgets(line, sizeof(line), file)) {
		phys = strstr(line, "phys=0x");
		n += phys && sscanf(phys, "phys=%lx", &start) == 1 && start == bar->start;
	}
	if (file)
		fclose(file);
	return n;
}

/* The type that x86 has noted for the BAR; false if it does not say. */
static bool find_type(const struct bar *bar, char *type, size_t size)
{
	FILE *file = fopen("/sys/kernel/debug/x86/pat_memtype_list", "r");
	unsigned long start;
	bool found = false;
	char line[128];

	while (file && !found && fgets(line, sizeof(line), file))
		if (sscanf(line, "PAT: [mem %lx-", &start) == 1 && start == bar->start) {
			snprintf(type, size, "%s", strchr(line, ']') ?: "");
			found = true;
		}
	if (file)
		fclose(file);
	return found;
}

TEST_F(module, memory_type_as_asked)
{
	static const struct {
		const char *params, *type;
	} ways[] = {
		{ "", "uncached-minus" }, { "cache=uc", "uncached-minus" },
		/* Of "wb" the MTRRs decide. */
		{ "cache=wc", "write-combining" },
	};
	char type[64];
	struct bar bar;
	size_t i;

	FIND_BAR(&bar);
	if (!find_type(&bar, type, sizeof(type)))
		SKIP(return, "no /sys/kernel/debug/x86/pat_memtype_list");
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		ASSERT_EQ(0, unload());
		ASSERT_EQ(0, load(ways[i].params));
		ASSERT_TRUE(find_type(&bar, type, sizeof(type)));
		EXPECT_NE(NULL, strstr(type, ways[i].type)) {
			TH_LOG("%s: %s", ways[i].params, type);
		}
	}
}

/* How many inodes there are of what has no file system of its own. */
static long inodes(void)
{
	FILE *file = fopen("/proc/slabinfo", "r");
	char line[256];
	long n = -1;

	while (n < 0 && file && fgets(line, sizeof(line), file))
		if (sscanf(line, "inode_cache %ld", &n) != 1)
			n = -1;
	if (file)
		fclose(file);
	return n;
}

#define ROUNDS	200

/* What was claimed, enabled, mapped and made for it goes with it, each time. */
TEST_F(module, leaves_the_device_as_it_was)
{
	unsigned long start, end;
	struct bar bar;
	long before;
	int i;

	FIND_BAR(&bar);
	EXPECT_TRUE(find_resource("faultmap", &start, &end) && start == bar.start);
	EXPECT_EQ(1, enabled(&bar));
	EXPECT_EQ(1, remapped(&bar));
	ASSERT_EQ(0, fm_put(PCI_DRIVER "/unbind", bar.device));
	EXPECT_FALSE(find_resource("faultmap", &start, &end));
	EXPECT_EQ(0, enabled(&bar));
	EXPECT_EQ(0, remapped(&bar));
	before = inodes();
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, fm_put(PCI_DRIVER "/bind", bar.device));
		ASSERT_EQ(0, fm_put(PCI_DRIVER "/unbind", bar.device));
	}
	/* By RCU, after a while. */
	for (i = 0; i < 50 && inodes() - before > ROUNDS / 2; i++)
		usleep(100000);
	EXPECT_GE(ROUNDS / 2, inodes() - before);
	ASSERT_EQ(0, fm_put(PCI_DRIVER "/bind", bar.device));
}

/* In a guest of ours, the host's file can be looked at from inside. */
TEST_F(module, host_sees_what_is_written)
{
	const char *stage = getenv("FAULTMAP_STAGE");
	char path[128], page[fm_page_size()], *map;
	struct bar bar;
	int fd, file;

	FIND_BAR(&bar);
	snprintf(path, sizeof(path), "%s/bar", stage ?: "");
	file = open(path, O_RDONLY);
	if (file < 0)
		SKIP(return, "the host's file is not to be seen");
	fd = open_pci(&bar, "lazy-pfn");
	map = map_page(fd, 9);
	ASSERT_NE(MAP_FAILED, map);
	fm_stamp_page(map, 1234);
	ASSERT_EQ(sizeof(page), pread(file, page, sizeof(page), 9 * sizeof(page)));
	EXPECT_EQ(1234, fm_page_at(page));
	munmap(map, fm_page_size());
	close(fd);
	close(file);
}

/* Pages by which a mapping is out of step with the frames: where it is not, PMDs fit. */
static const size_t steps[] = { 0, 1, 5, 256, 511 };

/* By how many faults of 2 MiB it was mapped; -1 if it shows something else. */
static long map_out_of_step(const struct bar *bar, size_t step)
{
	size_t page = fm_page_size(), pages = bar->size / page, i;
	size_t more = 2 * fm_table_pages();
	char *room = fm_reserve(pages + more), *map;
	int fd = open_pci(bar, "lazy-pfn");
	long faults = -fm_stats(fd).huge_faults, wrong = 0;

	map = room + fm_pmd_size() - (unsigned long)room % fm_pmd_size() + step * page;
	if (mmap(map, bar->size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != map)
		return -1;
	for (i = 0; i < pages; i += 32)
		wrong += fm_page_at(map + i * page) != (long)i;
	faults += fm_stats(fd).huge_faults;
	munmap(room, (pages + more) * page);
	close(fd);
	return wrong ? -1 : faults;
}

/* It is mapped by PMDs where these fit, and right everywhere. */
TEST_F(module, mapped_in_step_and_out_of_step)
{
	struct bar bar;
	long faults;
	int fd;

	FIND_BAR(&bar);
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("window=512"));
	fd = open_pci(&bar, "lazy-pfn");
	for (size_t i = 0; i < bar.size / fm_page_size(); i += 32)
		ASSERT_EQ(0, fm_stamp(fd, i, 1));
	close(fd);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		faults = map_out_of_step(&bar, steps[i]);
		EXPECT_EQ(!steps[i] && fm_maps_by_pmd() && bar.size >= fm_pmd_size(),
			  faults > 0);
		EXPECT_LE(0, faults);
	}
}

/* Who is first has it: the range that phys= names, then the PCI device. */
TEST_F(module, range_by_parameter)
{
	char params[64], *map;
	struct faultmap_info info;
	struct bar bar;
	int fd;

	FIND_BAR(&bar);
	fd = open_pci(&bar, "lazy-pfn");
	map = map_page(fd, 3);
	ASSERT_NE(MAP_FAILED, map);
	fm_stamp_page(map, 33);
	munmap(map, fm_page_size());
	close(fd);

	ASSERT_EQ(0, unload());
	snprintf(params, sizeof(params), "phys=64K@0x%lx", bar.start);
	ASSERT_EQ(0, load(params));
	EXPECT_EQ(-ENOENT, open_pci(&bar, "eager"));
	EXPECT_EQ(-ENODEV, fm_put(PCI_DRIVER "/bind", bar.device));
	EXPECT_FALSE(exists("/dev/faultmap/phys-lazy"));
	EXPECT_FALSE(exists("/dev/faultmap/phys-eager-page"));
	fd = open("/dev/faultmap/phys-eager", O_RDWR);
	ASSERT_LE(0, fd);
	map = map_page(fd, 3);
	EXPECT_STAMPS(map, 33, 1);
	munmap(map, fm_page_size());
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(64 << 10, info.bytes);
	EXPECT_EQ(FAULTMAP_MEMORY_PHYS, info.memory);
	close(fd);

	/* Given back, it can be claimed again. */
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load(""));
	fd = open_pci(&bar, "eager");
	EXPECT_LE(0, fd);
	close(fd);
}

static int load_range(unsigned long size, unsigned long start)
{
	char params[64];

	snprintf(params, sizeof(params), "phys=%lu@0x%lx", size, start);
	return load(params);
}

TEST_F(module, refuses_ranges)
{
	static const char *const bad[] = {
		"phys=64K", "phys=64K@", "phys=@0xfe000000", "phys=x@0xfe000000",
		"phys=64K@0xfe000000x", "phys=64K@-1", "cache=", "cache=ucx",
	};
	unsigned long start, end, page = fm_page_size();
	size_t i;

	ASSERT_EQ(0, unload());
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EINVAL, load(bad[i])) TH_LOG("%s", bad[i]);

	/* Parts of pages, what wraps around, and what no CPU can address. */
	EXPECT_EQ(-EINVAL, load_range(page / 2, 0xfe000000));
	EXPECT_EQ(-EINVAL, load_range(page, 0xfe000000 + 1));
	EXPECT_EQ(-EINVAL, load_range(2 * page, ~0ULL - page + 1));
	EXPECT_EQ(-EINVAL, load_range(page, 1ULL << 62));

	/* All of a piece of RAM, and a range with only its last page in it. */
	ASSERT_TRUE(find_resource(": System RAM", &start, &end));
	start = (start + page - 1) & -page;
	EXPECT_EQ(-EINVAL, load_range(page, start));
	ASSERT_TRUE(find_resource(": Kernel code", &start, &end));
	EXPECT_EQ(-EINVAL, load_range(page, start & -page));

	/* What another driver has, on a PC and elsewhere. */
	ASSERT_TRUE(find_resource(": IOAPIC 0", &start, &end) ||
		    find_resource(": PCI ECAM", &start, &end));
	EXPECT_EQ(-EBUSY, load_range(page, start));
	EXPECT_FALSE(exists(FM_CONTROL));
}

static int drop_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	return syscall(SYS_capset, &header, data);
}

/* Who may load modules need not be one who may touch devices. */
TEST_F(module, range_needs_cap_sys_rawio)
{
	struct bar bar;
	int status;
	pid_t pid;

	FIND_BAR(&bar);
	ASSERT_EQ(0, unload());
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (drop_capability(CAP_SYS_RAWIO))
			_exit(1);
		if (load_range(fm_page_size(), bar.start) != -EPERM)
			_exit(2);
		_exit(load("") != 0 || unload() != 0 ? 3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
