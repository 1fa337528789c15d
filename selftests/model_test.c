// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations by chance against the model, for each pair of memory and strategy, for
 * all of them together, for mappings in large pieces, and for a device's memory: see
 * model/. A failure is shrunk to a short script, and the seed that repeats it is
 * printed.
 */
#include <libgen.h>
#include <sys/wait.h>

#include "faultmap_test.h"

#define OPERATIONS	100000	/* in all; FAULTMAP_MODEL_OPS says how many else */
#define SECONDS		420	/* in all, however slow the kernel is */
#define PARTS		15

FIXTURE(model)
{
	char program[256];
};

FIXTURE_VARIANT(model)
{
	const char *pair;
};

FIXTURE_VARIANT_ADD(model, pages_eager)
{
	.pair = "pages-eager",
};

FIXTURE_VARIANT_ADD(model, pages_lazy)
{
	.pair = "pages-lazy",
};

FIXTURE_VARIANT_ADD(model, pages_eager_page)
{
	.pair = "pages-eager-page",
};

FIXTURE_VARIANT_ADD(model, pages_lazy_pfn)
{
	.pair = "pages-lazy-pfn",
};

FIXTURE_VARIANT_ADD(model, vmalloc_eager)
{
	.pair = "vmalloc-eager",
};

FIXTURE_VARIANT_ADD(model, vmalloc_lazy)
{
	.pair = "vmalloc-lazy",
};

FIXTURE_VARIANT_ADD(model, vmalloc_eager_page)
{
	.pair = "vmalloc-eager-page",
};

FIXTURE_VARIANT_ADD(model, vmalloc_lazy_pfn)
{
	.pair = "vmalloc-lazy-pfn",
};

FIXTURE_VARIANT_ADD(model, kmalloc_eager)
{
	.pair = "kmalloc-eager",
};

FIXTURE_VARIANT_ADD(model, kmalloc_lazy_pfn)
{
	.pair = "kmalloc-lazy-pfn",
};

FIXTURE_VARIANT_ADD(model, dma_eager)
{
	.pair = "dma-eager",
};

FIXTURE_VARIANT_ADD(model, dma_lazy_pfn)
{
	.pair = "dma-lazy-pfn",
};

FIXTURE_VARIANT_ADD(model, all)
{
	.pair = "all",
};

FIXTURE_VARIANT_ADD(model, large)
{
	.pair = "large",
};

FIXTURE_VARIANT_ADD(model, phys)
{
	.pair = "phys",
};

FIXTURE_SETUP(model)
{
	char self_path[200] = "";

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	ASSERT_LT(0, readlink("/proc/self/exe", self_path, sizeof(self_path) - 1));
	snprintf(self->program, sizeof(self->program), "%s/model_run",
		 dirname(self_path));
}

FIXTURE_TEARDOWN(model)
{
}

static const char *share(const char *variable, unsigned long all, char *text, size_t size)
{
	const char *given = getenv(variable);

	if (given)
		all = strtoul(given, NULL, 0);
	snprintf(text, size, "%lu", (all + PARTS - 1) / PARTS);
	return text;
}

TEST_F(model, operations)
{
	char ops[24], seconds[24];
	int status = -1;
	pid_t pid;

	share("FAULTMAP_MODEL_OPS", OPERATIONS, ops, sizeof(ops));
	share("FAULTMAP_MODEL_SECONDS", SECONDS, seconds, sizeof(seconds));
	fflush(stdout);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		execl(self->program, self->program, "--pair", variant->pair, "--ops", ops,
		      "--seconds", seconds, "--shrink", "25", NULL);
		_exit(127);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == 4 && !strcmp(variant->pair, "phys"))
		SKIP(return, "no device's memory, or not page by page");
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
