// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of loading the module fails, one after the other: it is not
 * loaded then, or does without, leaves nothing behind, and can be loaded. Of those
 * that are not the driver's own, but deep in what it calls, all with
 * FAULTMAP_INJECT_ALL, which takes half an hour; else those at the beginning, or,
 * with a device's range, at the end, and fewer and fewer of the others.
 * FAULTMAP_KO names the module's file.
 */
#include <sys/stat.h>

#include "bar.h"
#include "inject.h"
#include "module_fixture.h"

#define LOAD_ANEW	16	/* tries between loads that nothing disturbs */

static size_t image_size;

/* From memory: reading the file would be made to fail, too. */
static void *read_image(void)
{
	int fd = open(driver_file(), O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *image;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	image_size = st.st_size;
	image = malloc(image_size);
	if (image && read(fd, image, image_size) != (ssize_t)image_size)
		image = NULL;
	close(fd);
	return image;
}

static int load_image(void *image, const char *params)
{
	return fm_errno(syscall(SYS_init_module, image, image_size, params));
}

struct tally {
	unsigned int tries;
	unsigned int failed;	/* loads */
	unsigned int invalid;	/* of them, by EINVAL */
};

/*
 * The driver core says EINVAL if there is no memory for a platform device's name, or
 * for the folder where a module has links to its drivers: a few allocations each.
 */
#define MAX_INVALID	16

/* A range that cannot be claimed for want of memory looks like one that is taken. */
static bool is_expected(int ret, const char *params)
{
	return ret == -ENOMEM || ret == -EINVAL ||
	       (ret == -EBUSY && strstr(params, "phys="));
}

/* Makes the @nth allocation fail. */
static void fail_one(struct __test_metadata *_metadata, void *image,
		     const char *params, unsigned int nth, struct tally *tally)
{
	bool injected;
	int ret;

	EXPECT_EQ(0, write_nth(nth));
	ret = load_image(image, params);
	injected = was_injected();
	tally->tries++;
	tally->failed += ret < 0;
	tally->invalid += ret == -EINVAL;
	if (!ret) {
		EXPECT_EQ(0, unload());
	} else {
		EXPECT_TRUE(is_expected(ret, params)) {
			TH_LOG("the load, %u: %d", nth, ret);
		}
		EXPECT_TRUE(injected);
	}
	EXPECT_FALSE(exists(FM_CONTROL));
	EXPECT_FALSE(exists("/dev/faultmap/pages-lazy"));
	EXPECT_FALSE(exists("/dev/faultmap/phys-eager"));
	EXPECT_FALSE(exists("/sys/bus/pci/drivers/faultmap"));
}

#define MANY	1000000

static unsigned int count_places(struct __test_metadata *_metadata, void *image,
				 const char *params)
{
	int left;

	EXPECT_EQ(0, write_nth(MANY));
	EXPECT_EQ(0, load_image(image, params));
	left = read_nth();
	EXPECT_EQ(0, unload());
	return left > 0 ? MANY - left : 0;
}

/* All of them, or fewer and fewer. */
static void fail_places(struct __test_metadata *_metadata, void *image,
			const char *params, bool from_end, bool all)
{
	struct tally tally = { };
	unsigned int places, i;

	places = count_places(_metadata, image, params);
	EXPECT_LT(0, places);
	for (i = 1; i <= places; i += all ? 1 : 1 + i / 16) {
		fail_one(_metadata, image, params, from_end ? places + 1 - i : i,
			 &tally);
		if (tally.tries % LOAD_ANEW == 0) {
			EXPECT_EQ(0, load_image(image, params));
			EXPECT_EQ(0, unload());
		}
	}
	EXPECT_LT(0, tally.failed);
	EXPECT_GE(MAX_INVALID, tally.invalid);
	printf("# inject: load %s: %u faults of %u, %u failures, %u of EINVAL\n",
	       params, tally.tries, places, tally.failed, tally.invalid);
}

#define OWN_FRAMES	8	/* from the driver's call to where it fails */
#define ALL_FRAMES	32

static void fail_each(struct __test_metadata *_metadata, const char *params,
		      bool from_end)
{
	void *image = read_image();

	ASSERT_NE(NULL, image);
	if (!start_injecting(MODULES_START, MODULES_END))
		SKIP(return, "no fault injection: use KERNEL=sanitizer");
	ASSERT_EQ(0, unload());
	EXPECT_TRUE(look_back(OWN_FRAMES));
	fail_places(_metadata, image, params, from_end, true);
	EXPECT_TRUE(look_back(ALL_FRAMES));
	fail_places(_metadata, image, params, from_end,
		    getenv("FAULTMAP_INJECT_ALL"));
	stop_injecting();
	EXPECT_EQ(0, load(""));
	free(image);
}

TEST_F_TIMEOUT(module, load_without_memory, 3000)
{
	fail_each(_metadata, "size=64K", false);
}

TEST_F_TIMEOUT(module, load_range_without_memory, 3000)
{
	char params[64];
	struct bar bar;

	if (!find_bar(&bar))
		SKIP(return, "no device: give QEMU -device ivshmem-plain");
	snprintf(params, sizeof(params), "size=64K phys=64K@0x%lx", bar.start);
	fail_each(_metadata, params, true);
}

TEST_HARNESS_MAIN
