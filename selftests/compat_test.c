// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit process, compat32, uses a buffer as a 64-bit one does: its ioctls
 * come by another way, and so do its mmap(2) and its offsets.
 */
#include <libgen.h>
#include <sys/wait.h>

#include "buffer_fixture.h"
#include "compat.h"

#define NOT_RUN	77	/* exit status: this kernel runs no 32-bit programs */

static void exec_compat32(int in, int out)
{
	char path[4096], name[4096 + sizeof("/compat32")];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len < 0)
		_exit(1);
	path[len] = '\0';
	snprintf(name, sizeof(name), "%s/compat32", dirname(path));
	dup2(in, 0);
	dup2(out, 1);
	execl(name, "compat32", NULL);
	_exit(errno == ENOEXEC || errno == ENOENT ? NOT_RUN : 1);
}

/* Returns compat32's exit status, or -1. */
static int run_compat32(const struct fm_compat_request *request,
			struct fm_compat_reply *reply)
{
	int in[2], out[2], status;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid)
		exec_compat32(in[0], out[1]);
	close(out[1]);
	if (write(in[1], request, sizeof(*request)) != sizeof(*request))
		return -1;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	if (!WEXITSTATUS(status) &&
	    read(out[0], reply, sizeof(*reply)) != sizeof(*reply))
		return -1;
	close(in[0]);
	close(in[1]);
	close(out[0]);
	return WEXITSTATUS(status);
}

static int use(const FIXTURE_VARIANT(buffer) *variant,
	       struct fm_compat_reply *reply)
{
	struct fm_compat_request request = {
		.create = !fm_is_device(variant),
		.memory = variant->memory,
		.strategy = variant->strategy,
		.window = fm_window(variant->strategy),
	};

	memset(reply, 0, sizeof(*reply));
	snprintf(request.node, sizeof(request.node), "%s", fm_node(variant));
	return run_compat32(&request, reply);
}

TEST_F(buffer, layout)
{
	struct fm_compat_reply reply;
	int status = use(variant, &reply);

	if (status == NOT_RUN)
		SKIP(return, "this kernel runs no 32-bit programs");
	ASSERT_EQ(0, status);
	EXPECT_EQ(4, reply.pointer_size);
	for (size_t i = 0; i < FM_NR_LAYOUT; i++) {
		EXPECT_EQ(fm_layout[i], reply.layout[i])
			TH_LOG("item %zu", i);
	}
}

TEST_F(buffer, thirty_two_bits)
{
	bool grows = fm_is_by_page(variant);
	bool lazy = fm_is_lazy(variant);
	struct fm_compat_reply reply;
	int status = use(variant, &reply);
	const int *result = reply.result;

	if (status == NOT_RUN)
		SKIP(return, "this kernel runs no 32-bit programs");
	ASSERT_EQ(0, status);

	EXPECT_EQ(0, result[FM_OPEN]);
	EXPECT_EQ(0, result[FM_CREATE]);
	EXPECT_EQ(FM_PAGES * self->page, result[FM_WRITE]);
	EXPECT_EQ(0, result[FM_INFO]);
	EXPECT_EQ(FM_PAGES * self->page, reply.info.bytes);
	EXPECT_EQ(variant->memory, reply.info.memory);
	EXPECT_EQ(variant->strategy, reply.info.strategy);
	EXPECT_EQ(fm_info_memory(variant->memory) |
		  (fm_is_device(variant) ? 0 : FAULTMAP_INFO_PRIVATE),
		  reply.info.flags);

	EXPECT_EQ(0, result[FM_MMAP2]);
	EXPECT_EQ(4, result[FM_MMAP2_SEES]);
	EXPECT_EQ(0, result[FM_OLD_MMAP]);
	EXPECT_EQ(4, result[FM_OLD_MMAP_SEES]);
	EXPECT_EQ(-ENXIO, result[FM_MMAP2_FAR]);
	EXPECT_EQ(200, result[FM_STORE]);
	EXPECT_EQ(5, result[FM_STORE_READ]);
	EXPECT_EQ(grows ? 0 : -EFAULT, result[FM_MREMAP]);
	EXPECT_EQ(grows ? 8 : -1, result[FM_MREMAP_SEES]);

	/* Four pages of each mapping, and four more where the first has grown. */
	EXPECT_EQ(0, result[FM_STATS]);
	EXPECT_FAULTS((lazy ? 8 : 0) + (grows ? 4 : 0),
		      reply.stats.read_faults + reply.stats.write_faults);
	EXPECT_EQ(2, reply.stats.mmaps);

	EXPECT_EQ(FM_PAGES * self->page, result[FM_LLSEEK]);
	EXPECT_EQ(4 * self->page, result[FM_FROM_MAPPING]);
	EXPECT_EQ(4 * self->page, result[FM_TO_MAPPING]);
	EXPECT_EQ(0, result[FM_RESIZE]);
	EXPECT_EQ(-EFAULT, result[FM_PAST_THE_END]);
	EXPECT_EQ(0, result[FM_STATS_RESET]);
	EXPECT_EQ(-ENOTTY, result[FM_UNKNOWN]);
	EXPECT_EQ(0, result[FM_REVOKE]);
	EXPECT_EQ(-ENODEV, result[FM_REVOKED]);

	EXPECT_EQ(0, result[FM_OPEN_NODE]);
	EXPECT_EQ(0, result[FM_NODE_INFO]);
	EXPECT_EQ(variant->strategy, reply.node_info.strategy);
	EXPECT_EQ(0, reply.node_info.flags & FAULTMAP_INFO_PRIVATE);
	EXPECT_EQ(0, result[FM_NODE_MMAP]);

	errno = -result[FM_MMAP2];
	SAW("32-bit process: mmap2() from page 3 on", "%s", fm_outcome(!errno));
	errno = -result[FM_MREMAP];
	SAW("32-bit process: mremap() to grow", "%s", fm_outcome(!errno));
	errno = -(result[FM_INFO] ?: result[FM_STATS] ?: result[FM_CREATE]);
	SAW("32-bit process: CREATE, INFO, STATS", "%s", fm_outcome(!errno));
}

TEST_HARNESS_MAIN
