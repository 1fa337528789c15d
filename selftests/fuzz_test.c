// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every ioctl that one can think of, against a model that knows the answer.
 * FAULTMAP_SEED and FAULTMAP_OPS repeat a random run, or make it longer.
 */
#include <time.h>

#include "fuzz_model.h"

/* Calls it; true if it went as expected. */
static bool try(FIXTURE_DATA(fuzz) *self, enum kind kind, unsigned int cmd,
		uintptr_t at)
{
	int error = expected(self, kind, cmd, at);
	int ret = ioctl(self->fds[kind], cmd, at), got = ret < 0 ? -errno : 0;

	if (ret > 0)
		close(ret);
	if (!ret && kind == BUFFER && cmd << 16 == FAULTMAP_REVOKE << 16)
		self->revoked = true;
	if (got == error)
		return true;
	if (!error && (got == -ENOMEM || got == -ENOSPC) &&
	    may_lack_memory(self, cmd, at))
		return true;
	printf("# ioctl %#x (dir %u type %#x nr %u size %u) of file %d at %#lx: %d, not %d\n",
	       cmd, _IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), _IOC_SIZE(cmd),
	       kind, (unsigned long)at, got, error);
	return false;
}

static void renew(FIXTURE_DATA(fuzz) *self)
{
	close(self->fds[BUFFER]);
	self->fds[BUFFER] = new_buffer();
	self->revoked = false;
}

static const size_t sizes[] = {
	0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 39, 40, 41, 47, 48, 49, 79, 80,
	81, 255, 4095, 4096, 4097, 16383,
};

#define NR_SIZES	(sizeof(sizes) / sizeof(*sizes))

static void try_sizes(struct __test_metadata *_metadata, FIXTURE_DATA(fuzz) *self,
		      enum kind kind, unsigned int cmd)
{
	for (size_t i = 0; i < NR_SIZES; i++) {
		memset(self->memory, 0, LONGEST);
		EXPECT_TRUE(try(self, kind, cmd | sizes[i] << _IOC_SIZESHIFT,
				(uintptr_t)self->memory));
	}
}

/* Our numbers, and the neighbours' who have the same. */
TEST_F_TIMEOUT(fuzz, every_number, 300)
{
	unsigned int type, dir, nr, kind;

	for (kind = 0; kind < KINDS; kind++)
		for (type = FAULTMAP_IOC_MAGIC - 1; type <= FAULTMAP_IOC_MAGIC + 1;
		     type++)
			for (dir = 0; dir < 4; dir++)
				for (nr = 0; nr < 256; nr++)
					try_sizes(_metadata, self, kind,
						  _IOC(dir, type, nr, 0));
	EXPECT_TRUE(self->revoked);
}

static uint64_t good_bytes(const FIXTURE_DATA(fuzz) *self)
{
	return 4 * self->page;
}

/* At @at, the argument of a command that succeeds, as far as it fits. */
static void put_good(const FIXTURE_DATA(fuzz) *self, char *at, size_t size)
{
	uint64_t bytes = good_bytes(self);

	memset(at, 0, size);
	memcpy(at, &bytes, size < sizeof(bytes) ? size : sizeof(bytes));
}

/* Structures of every size, that end where memory does, or beyond it. */
TEST_F_TIMEOUT(fuzz, every_size_at_a_page_edge, 300)
{
	char *end = self->memory + LONGEST, *at;
	unsigned int i, cmd;
	size_t size;

	for (i = 0; i < NR_COMMANDS; i++) {
		for (size = 0; size <= 4200; size++) {
			enum kind kind = commands[i].control ? CONTROL : BUFFER;

			cmd = (commands[i].cmd & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) |
			      size << _IOC_SIZESHIFT;
			at = end - size;
			put_good(self, at, size);
			EXPECT_TRUE(try(self, kind, cmd, (uintptr_t)at));
			EXPECT_TRUE(try(self, kind, cmd, (uintptr_t)at + 1));
			EXPECT_TRUE(try(self, kind, cmd, (uintptr_t)end));
			if (!size)
				continue;
			put_good(self, at, size);
			end[-1] = 1;
			EXPECT_TRUE(try(self, kind, cmd, (uintptr_t)at));
		}
	}
}

/* Where nothing may be read or written, or only read. */
TEST_F(fuzz, bad_addresses)
{
	const uintptr_t addresses[] = {
		0, 1, 7, 8, 4095, 4096, 0x7fffffffe000, 0x7fffffffeff8,
		0x7ffffffff000, 0x7fffffffffff, 0x800000000000,
		0x8000000000000000, 0xffff800000000000, 0xffff888000001000,
		0xffffffff81000000, -4096UL, -48UL, -8UL, -1UL,
		(uintptr_t)self->memory + LONGEST,
		(uintptr_t)self->memory + LONGEST - 1,
		(uintptr_t)self->read_only,
		(uintptr_t)self->read_only + LONGEST - 1,
	};
	enum kind kind;
	size_t i, j;

	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < NR_COMMANDS; i++)
			for (j = 0; j < sizeof(addresses) / sizeof(*addresses); j++)
				EXPECT_TRUE(try(self, kind, commands[i].cmd,
						addresses[j]));
}

TEST_F(fuzz, misaligned)
{
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		enum kind kind = commands[i].control ? CONTROL : BUFFER;

		for (size_t by = 0; by < 16; by++) {
			put_good(self, self->memory + by, 256);
			EXPECT_TRUE(try(self, kind, commands[i].cmd,
					(uintptr_t)self->memory + by));
		}
	}
}

/* More than any member of few values has. */
#define SMALL_VALUES	(FAULTMAP_WINDOW_MAX + 64)

/* One member at a time, with each bit, and with what lies near each limit. */
static void try_member(struct __test_metadata *_metadata, FIXTURE_DATA(fuzz) *self,
		       const struct command *command, void *arg, void *member,
		       size_t width)
{
	enum kind kind = command->control ? CONTROL : BUFFER;
	char saved[8];

	memcpy(saved, member, width);
	for (uint64_t i = 0; i < SMALL_VALUES + 8 * width; i++) {
		uint64_t value = i < SMALL_VALUES ? i : 1ULL << (i - SMALL_VALUES);

		memcpy(member, &value, width);
		memcpy(self->memory, arg, _IOC_SIZE(command->cmd));
		EXPECT_TRUE(try(self, kind, command->cmd, (uintptr_t)self->memory));
	}
	memcpy(member, saved, width);
}

TEST_F_TIMEOUT(fuzz, every_bit_of_every_member, 1800)
{
	struct faultmap_create create = { .bytes = good_bytes(self) };
	struct faultmap_resize resize = { .bytes = good_bytes(self) };
	struct faultmap_export export = { 0 };
	uint32_t *members[] = {
		&create.memory, &create.strategy, &create.order, &create.window,
		&create.flags, &create.reserved,
	};

	for (unsigned int pair = 0; pair < 5 * 4; pair++) {
		create.memory = pair / 4;
		create.strategy = pair % 4;
		for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
			try_member(_metadata, self, &commands[0], &create,
				   members[i], sizeof(*members[i]));
	}
	create.memory = 0;
	create.strategy = 0;
	for (unsigned int both = 0; both < 2; both++) {
		try_member(_metadata, self, &commands[0], &create, &create.bytes, 8);
		try_member(_metadata, self, &commands[4], &resize, &resize.bytes, 8);
		try_member(_metadata, self, &commands[4], &resize, &resize.flags, 8);
		try_member(_metadata, self, &commands[6], &export, &export.flags, 4);
		try_member(_metadata, self, &commands[6], &export, &export.reserved, 4);
		EXPECT_TRUE(try(self, BUFFER, FAULTMAP_REVOKE, 0));
	}
}

static uint64_t state;

/* Marsaglia's xorshift64*. */
static uint64_t any(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(uint64_t n)
{
	return any() % n;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static unsigned int any_command(void)
{
	unsigned int cmd = commands[below(NR_COMMANDS)].cmd;

	switch (below(8)) {
	case 0:
		return any();
	case 1:
		return cmd ^ 1U << below(32);
	case 2:
	case 3:
		return (cmd & 0xc000ffff) | sizes[below(NR_SIZES)] << _IOC_SIZESHIFT;
	case 4:
		return (cmd & 0xc000ffff) | below(100) << _IOC_SIZESHIFT;
	}
	return cmd;
}

/* Small ones, which cost little; seldom those that a machine may just have, or not. */
static uint64_t any_bytes(const FIXTURE_DATA(fuzz) *self)
{
	uint64_t bytes = any() >> below(64) & (below(2) ? ~0UL : -self->page);

	if (below(4) || (bytes > PLENTY && bytes <= self->most && below(512)))
		return below(64) * self->page;
	return bytes;
}

/* Plausible more often than not. */
static void put_any(const FIXTURE_DATA(fuzz) *self, char *at, size_t room)
{
	struct faultmap_create arg = {
		.bytes = any_bytes(self),
		.memory = below(7),
		.strategy = below(5),
		.order = below(3) ? 0 : below(13),
		.window = below(2) ? below(2) : below(600),
		.flags = below(4) ? 0 : below(4),
		.reserved = below(8) ? 0 : any(),
	};

	/* For RESIZE, these are the flags. */
	if (below(2)) {
		arg.memory = 0;
		arg.strategy = 0;
	}
	memset(self->memory, 0, LONGEST);
	memcpy(at, &arg, sizeof(arg) < room ? sizeof(arg) : room);
	if (!below(4))
		self->memory[below(LONGEST)] = any();
}

/* An ioctl on a terminal, a socket or a file is not for us to predict. */
static bool is_ours(unsigned int cmd)
{
	return _IOC_TYPE(cmd) >= 0xf0;
}

static bool random_call(FIXTURE_DATA(fuzz) *self)
{
	enum kind kind = below(KINDS);
	unsigned int cmd = any_command();
	char *at = self->memory + (below(2) ? below(LONGEST) : LONGEST - below(128));

	put_any(self, at, self->memory + LONGEST - at);
	if (!below(16))
		at = self->read_only + below(LONGEST);
	if (!below(64))
		at = (char *)any();
	if (self->revoked && !below(8))
		renew(self);
	return !is_ours(cmd) || try(self, kind, cmd, (uintptr_t)at);
}

TEST_F_TIMEOUT(fuzz, random, 3600)
{
	uint64_t seed = setting("FAULTMAP_SEED", time(NULL) ^ (uint64_t)getpid() << 32);
	uint64_t ops = setting("FAULTMAP_OPS", 100000), i;

	printf("# FAULTMAP_SEED=%#" PRIx64 " FAULTMAP_OPS=%" PRIu64 "\n", seed, ops);
	state = seed ?: 1;
	for (i = 0; i < ops; i++) {
		ASSERT_TRUE(random_call(self))
			TH_LOG("FAULTMAP_SEED=%#" PRIx64 " FAULTMAP_OPS=%" PRIu64,
			       seed, i + 1);
	}
}

TEST_HARNESS_MAIN
