// SPDX-License-Identifier: GPL-2.0-only
/* What /proc and mincore(2) say of a mapping. */
#include "buffer_fixture.h"

/* A line of the smaps entry that holds @addr, after "NAME:". */
static bool read_field(const void *addr, const char *name, char *value, size_t size)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end, at = (unsigned long)addr;
	bool inside = false, found = false;
	char line[512];

	while (!found && file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			inside = at >= start && at < end;
		} else if (inside && !strncmp(line, name, strlen(name)) &&
			 line[strlen(name)] == ':') {
			snprintf(value, size, "%s", line + strlen(name) + 1);
			found = true;
		}
	}
	if (file)
		fclose(file);
	return found;
}

static long smaps_kib(const void *addr, const char *name)
{
	char value[64];

	return read_field(addr, name, value, sizeof(value)) ? atol(value) : -1;
}

static bool has_flag(const void *addr, const char *flag)
{
	char value[256], *word;

	if (!read_field(addr, "VmFlags", value, sizeof(value)))
		return false;
	for (word = strtok(value, "\n "); word; word = strtok(NULL, "\n "))
		if (!strcmp(word, flag))
			return true;
	return false;
}

/* How many pages pagemap calls present. */
static unsigned int present(char *map, size_t pages)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < pages; i++)
		n += !!(fm_pagemap(map + i * fm_page_size()) & FM_PM_PRESENT);
	return n;
}

TEST_F(buffer, rss)
{
	char *map = fm_map(self, 0, FM_PAGES);
	bool by_page = fm_is_by_page(variant);
	long full = FM_PAGES * self->page / 1024, before;

	ASSERT_NE(MAP_FAILED, map);
	before = smaps_kib(map, "Rss");
	SAW("Rss of 16 pages before the first touch", "%ld KiB", before);
	EXPECT_EQ(full, smaps_kib(map, "Size"));
	EXPECT_EQ(by_page && !fm_is_lazy(variant) ? full : 0, before);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	SAW("Rss of 16 touched pages", "%ld KiB", smaps_kib(map, "Rss"));
	SAW("Pss of 16 touched pages", "%ld KiB", smaps_kib(map, "Pss"));
	EXPECT_EQ(by_page ? full : 0, smaps_kib(map, "Rss"));
	EXPECT_EQ(by_page ? full : 0, smaps_kib(map, "Pss"));
	EXPECT_EQ(0, smaps_kib(map, "Swap"));
}

TEST_F(buffer, flags)
{
	char *map = fm_map(self, 0, 1), flags[256];
	bool frames = !fm_is_by_page(variant);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_TRUE(read_field(map, "VmFlags", flags, sizeof(flags)));
	flags[strcspn(flags, "\n")] = '\0';
	SAW("VmFlags of a mapping of one page", "%s", flags + strspn(flags, " "));
	EXPECT_TRUE(has_flag(map, "rd"));
	EXPECT_TRUE(has_flag(map, "wr"));
	EXPECT_TRUE(has_flag(map, "sh"));
	EXPECT_EQ(frames, has_flag(map, "pf"));
	EXPECT_EQ(frames, has_flag(map, "io"));
	EXPECT_EQ(frames, has_flag(map, "de"));
	EXPECT_EQ(frames, has_flag(map, "dd"));
	EXPECT_EQ(!frames && !fm_is_ordinary(variant), has_flag(map, "mm"));
}

/* The walk through the page tables leaves mappings of frames out. */
TEST_F(buffer, pagemap)
{
	char *map = fm_map(self, 0, FM_PAGES);
	unsigned int mapped = fm_is_lazy(variant) ? 10 : FM_PAGES, n;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, 10);
	n = present(map, FM_PAGES);
	SAW("touch 10 of 16 pages: /proc/PID/pagemap", "%u present", n);
	/* A window may map others along. */
	EXPECT_TRUE(n == (fm_is_by_page(variant) ? mapped : 0) ||
		    (n > mapped && self->window != 1));
}

/*
 * On x86 before 6.16, "ar" is VM_PAT: what is unmapped with it while it is zapped makes
 * the kernel warn.
 */
TEST_F(buffer, no_pat_reservation)
{
	char *map = fm_map(self, 0, FM_PAGES), *page = fm_map(self, 2, 1);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, page);
	if (!fm_is_device(variant)) {
		EXPECT_FALSE(has_flag(map, "ar"));
		EXPECT_FALSE(has_flag(page, "ar"));
	}
}

/* The kernel knows where the pages of a file are that are not mapped. */
static bool is_known(const FIXTURE_VARIANT(buffer) *variant)
{
	return !fm_on_demand(variant->memory) &&
	       (variant->memory == FAULTMAP_MEMORY_PAGES ||
		variant->memory == FAULTMAP_MEMORY_VMALLOC);
}

TEST_F(buffer, mincore)
{
	char *map = fm_map(self, 0, FM_PAGES);
	unsigned char core[FM_PAGES];
	unsigned int mapped = fm_is_lazy(variant) && !is_known(variant) ? 10 : FM_PAGES, i, n = 0;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, 10);
	ASSERT_EQ(0, mincore(map, FM_PAGES * self->page, core));
	for (i = 0; i < FM_PAGES; i++)
		n += core[i] & 1;
	SAW("touch 10 of 16 pages: mincore()", "%u resident", n);
	/* From 7.3 on, frames count too; a window may map others along. */
	EXPECT_TRUE(n == mapped || (n == 0 && !fm_is_by_page(variant) && !is_known(variant)) ||
		    (n > mapped && self->window != 1));
}

TEST_HARNESS_MAIN
