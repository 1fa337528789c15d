// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping as the memory of a KVM guest. KVM takes what a page table shows, and
 * keeps it until it is told that it goes: pages always, frames of memory that the
 * kernel counts since 6.13, and before where each page has a count of its own.
 */
#include <linux/kvm.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "buffer_fixture.h"
#include "hold.h"

#define GUEST_CODE	0x0
#define GUEST_BUFFER	0x10000
#define READ_FROM	3	/* pages of the buffer that the guest uses */
#define WRITE_TO	5

/*
 * Real mode: reads the first byte of a page, writes what follows it in number behind
 * it and to the first byte of another page, and halts.
 */
static const unsigned char code[] = {
	0xb8, 0x00, 0x10,	/* mov $0x1000, %ax */
	0x8e, 0xd8,		/* mov %ax, %ds */
	0xa0, 0x00, 0x30,	/* mov 0x3000, %al */
	0xfe, 0xc0,		/* inc %al */
	0xa2, 0x01, 0x30,	/* mov %al, 0x3001 */
	0xa2, 0x00, 0x50,	/* mov %al, 0x5000 */
	0xf4,			/* hlt */
};

/* The kernel's module for this machine's CPU, if there is one to load. */
static const char *kvm_module(void)
{
	FILE *cpuinfo = fopen("/proc/cpuinfo", "r");
	const char *module = NULL;
	char line[4096];

	while (!module && cpuinfo && fgets(line, sizeof(line), cpuinfo)) {
		if (strncmp(line, "flags", 5))
			continue;
		if (strstr(line, " svm"))
			module = "kvm-amd";
		else if (strstr(line, " vmx"))
			module = "kvm-intel";
	}
	if (cpuinfo)
		fclose(cpuinfo);
	return module;
}

static const char *loaded;
static pid_t loader;

static int run_for(const char *program, const char *module)
{
	char command[64];

	snprintf(command, sizeof(command), "%s %s", program, module);
	return system(command);
}

/* Once for all tests, each of which is a process of its own. */
static __attribute__((constructor)) void load_kvm(void)
{
	const char *module = kvm_module();

	if (!access("/dev/kvm", F_OK) || !module)
		return;
	loader = getpid();
	if (!run_for("modprobe -q", module))
		loaded = module;
	else
		run_for("modprobe -q -r", "kvm");	/* what it needs stays */
}

static __attribute__((destructor)) void unload_kvm(void)
{
	if (loaded && loader == getpid())
		run_for("modprobe -q -r", loaded);
}

struct guest {
	int kvm, vm, cpu;
	struct kvm_run *run;
	size_t run_size;
	char *code;
};

static int add_memory(const struct guest *guest, unsigned int slot,
		      unsigned long at, void *memory, size_t bytes)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = bytes,
		.userspace_addr = (unsigned long)memory,
	};

	return fm_errno(ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region));
}

#ifdef __x86_64__
#define HAS_CODE	true

/* The CPU is at the start of the code, in real mode. */
static int restart(const struct guest *guest)
{
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(guest->cpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = GUEST_CODE;
	sregs.cs.selector = GUEST_CODE >> 4;
	return fm_errno(ioctl(guest->cpu, KVM_SET_SREGS, &sregs)) ?:
	       fm_errno(ioctl(guest->cpu, KVM_SET_REGS, &regs));
}
#else
#define HAS_CODE	false

static int restart(const struct guest *guest)
{
	return -ENOEXEC;
}
#endif

static void guest_end(struct guest *guest)
{
	if (guest->run && guest->run != MAP_FAILED)
		munmap(guest->run, guest->run_size);
	close(guest->cpu);
	close(guest->vm);
	close(guest->kvm);
	munmap(guest->code, fm_page_size());
}

/* A guest with its code, and @bytes of @memory; 0 or -errno. */
static int guest_make(struct guest *guest, void *memory, size_t bytes)
{
	size_t page = fm_page_size();
	int ret;

	*guest = (struct guest){ .vm = -1, .cpu = -1 };
	guest->code = mmap(NULL, page, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memcpy(guest->code, code, sizeof(code));
	guest->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	guest->vm = ioctl(guest->kvm, KVM_CREATE_VM, 0);
	if (guest->vm < 0)
		return -errno;
	/* Intel's need a place for what real mode is made of. */
	ioctl(guest->vm, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	ret = add_memory(guest, 0, GUEST_CODE, guest->code, page) ?:
	      add_memory(guest, 1, GUEST_BUFFER, memory, bytes);
	if (ret)
		return ret;
	guest->cpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0);
	if (guest->cpu < 0)
		return -errno;
	guest->run_size = ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	guest->run = mmap(NULL, guest->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  guest->cpu, 0);
	return guest->run == MAP_FAILED ? -errno : restart(guest);
}

/* Runs until it halts; 0, -errno of the run, or what else ended it. */
static int guest_run(const struct guest *guest)
{
	int ret;

	do {
		ret = fm_errno(ioctl(guest->cpu, KVM_RUN, 0));
	} while (ret == -EINTR);
	if (ret)
		return ret;
	return guest->run->exit_reason == KVM_EXIT_HLT ? 0 :
	       guest->run->exit_reason;
}

static const char *outcome(int ret)
{
	return ret > 0 ? "another exit" : fm_result(ret, 0);
}

static unsigned char byte_at(const char *map, size_t offset)
{
	return *(volatile unsigned char *)(map + offset);
}

/* Whether the guest did what its code says. */
static bool guest_wrote(const char *map)
{
	size_t page = fm_page_size();
	unsigned char next = byte_at(map, READ_FROM * page) + 1;

	return byte_at(map, READ_FROM * page + 1) == next &&
	       byte_at(map, WRITE_TO * page) == next;
}

/* Pages always do; frames may only before 6.13, if they have counts of their own. */
static bool may_fail(const FIXTURE_VARIANT(buffer) *variant)
{
	return !fm_is_by_page(variant) && !fm_kernel_since(6, 13);
}

#define NEEDS_KVM() do { \
	if (!HAS_CODE) \
		SKIP(return, "the guest's code is for x86"); \
	if (access("/dev/kvm", R_OK | W_OK)) \
		SKIP(return, "no /dev/kvm: the CPU has no SVM or VMX, or it is off"); \
} while (0)

/* Without it, a guest in ordinary memory tells that it is not the driver's doing. */
TEST(in_ordinary_memory)
{
	size_t size = FM_PAGES * fm_page_size();
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct guest guest;

	NEEDS_KVM();
	map[READ_FROM * fm_page_size()] = 'k';
	ASSERT_EQ(0, guest_make(&guest, map, size));
	EXPECT_EQ(0, guest_run(&guest));
	EXPECT_TRUE(guest_wrote(map));
	guest_end(&guest);
}

TEST_F(buffer, guest_uses_it)
{
	size_t size = FM_PAGES * self->page;
	char *map = fm_map(self, 0, FM_PAGES);
	struct guest guest;
	int ret;

	NEEDS_KVM();
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, guest_make(&guest, map, size));
	ret = guest_run(&guest);
	SAW("a KVM guest reads and writes pages", "%s", outcome(ret));
	if (!ret && fm_is_lazy(variant))
		EXPECT_FAULTS(2, fm_faults(self->fd));
	guest_end(&guest);
	EXPECT_TRUE(!ret || (ret == -EFAULT && may_fail(variant))) TH_LOG("%d", ret);
	if (ret) {
		EXPECT_STAMPS(map, 0, FM_PAGES);
		return;
	}
	EXPECT_TRUE(guest_wrote(map));
	EXPECT_STAMPS(map, 0, READ_FROM);
	EXPECT_STAMPS(map + 6 * self->page, 6, FM_PAGES - 6);
}

/* The same where pages do not have counts of their own. */
TEST_F(buffer, guest_uses_a_block)
{
	struct faultmap_create create = {
		.bytes = 2 << 20,
		.memory = variant->memory,
		.strategy = variant->strategy,
		.order = variant->memory == FAULTMAP_MEMORY_PAGES ? 9 : 0,
		.window = fm_window(variant->strategy),
	};
	struct guest guest;
	int fd, ret;
	char *map;

	if (fm_is_device(variant))
		DOES_NOT_APPLY("a device's memory is not made of blocks");
	NEEDS_KVM();
	fd = fm_create_as(create);
	ASSERT_LE(0, fd);
	map = mmap(NULL, create.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, guest_make(&guest, map, create.bytes));
	ret = guest_run(&guest);
	SAW("a KVM guest reads and writes pages of a 2 MiB block", "%s", outcome(ret));
	guest_end(&guest);
	EXPECT_TRUE(!ret || (ret == -EFAULT && may_fail(variant))) TH_LOG("%d", ret);
	if (!ret)
		EXPECT_TRUE(guest_wrote(map));
	munmap(map, create.bytes);
	close(fd);
}

/* What the guest has is taken from it as from any process, and not written again. */
static void taken_from_guest(struct __test_metadata *_metadata,
			     const FIXTURE_DATA(buffer) *self,
			     const FIXTURE_VARIANT(buffer) *variant, bool revoke)
{
	char *map = fm_map(self, 0, FM_PAGES);
	struct guest guest;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, guest_make(&guest, map, FM_PAGES * self->page));
	ret = guest_run(&guest);
	EXPECT_TRUE(!ret || may_fail(variant));
	ASSERT_EQ(0, revoke ? ioctl(self->fd, FAULTMAP_REVOKE) :
			      fm_resize(self->fd, READ_FROM));
	ASSERT_EQ(0, restart(&guest));
	ret = guest_run(&guest);
	SAW(revoke ? "REVOKE, the KVM guest goes on" : "shrink, the KVM guest goes on",
	    "%s", outcome(ret));
	EXPECT_EQ(-EFAULT, ret);
	guest_end(&guest);
}

TEST_F(buffer, guest_loses_what_is_cut_off)
{
	NEEDS_KVM();
	taken_from_guest(_metadata, self, variant, false);
}

TEST_F(buffer, guest_loses_what_is_revoked)
{
	NEEDS_KVM();
	taken_from_guest(_metadata, self, variant, true);
}

/* And has what comes instead, where that can be touched. */
TEST_F(buffer, guest_gets_what_comes_back)
{
	char *map = fm_map(self, 0, FM_PAGES);
	struct guest guest;
	int ret;

	NEEDS_KVM();
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, guest_make(&guest, map, FM_PAGES * self->page));
	ret = guest_run(&guest);
	ASSERT_EQ(0, fm_resize(self->fd, 1));
	ASSERT_EQ(0, fm_resize(self->fd, FM_PAGES));
	ASSERT_EQ(0, fm_stamp(self->fd, 1, FM_PAGES - 1));
	if (!ret && fm_comes_back(variant)) {
		ASSERT_EQ(0, restart(&guest));
		EXPECT_EQ(0, guest_run(&guest));
		EXPECT_TRUE(guest_wrote(map));
	}
	guest_end(&guest);
}

/* Two processes: the kernel has a page of the one locked while the guest of the other asks. */
struct at_once {
	struct hold locked, asks;
	atomic_bool *ready;
	char *map;
	size_t size;
};

static int touch_and_be_held(struct at_once *it)
{
	hold_me(&it->locked);
	return fm_read_at(it->map + READ_FROM * fm_page_size());
}

static int run_when_locked(struct at_once *it)
{
	struct guest guest;
	int ret = guest_make(&guest, it->map, it->size);

	it->asks.state->pid = getpid();
	*it->ready = true;
	while (!hold_is_held(&it->locked))
		usleep(1000);
	return ret ?: guest_run(&guest);
}

static pid_t start(struct at_once *it, int (*act)(struct at_once *it))
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(!!act(it));
	}
	return pid;
}

static bool ends_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && !status;
}

/*
 * Of a page that somebody has locked, KVM asks first without waiting, lest its CPU does
 * nothing meanwhile, and is told to try again; that is no fault.
 */
TEST_F(buffer, guest_does_not_wait_for_a_locked_page)
{
	struct at_once it = { .size = FM_PAGES * self->page };
	pid_t guest, other;

	if (!fm_is_by_page(variant) || !fm_is_lazy(variant))
		SKIP(return, "no page is locked");
	NEEDS_KVM();
	if (!hold_possible())
		SKIP(return, "no two CPUs, or no kprobes by perf, or not root");
	it.map = fm_map(self, 0, FM_PAGES);
	ASSERT_NE(MAP_FAILED, it.map);
	it.ready = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, hold_open(&it.locked) ?: hold_open(&it.asks));
	ASSERT_EQ(0, hold_probe(&it.locked, "fm_lazy_fault", HOLD_RETURN, 0));
	ASSERT_EQ(0, hold_probe(&it.asks, "fm_lazy_fault", HOLD_ENTRY, 0));
	ASSERT_TRUE(fm_run_on(0, 0));
	guest = start(&it, run_when_locked);
	while (!*it.ready)
		usleep(1000);
	other = start(&it, touch_and_be_held);
	while (!hold_is_held(&it.locked))
		usleep(1000);
	while (hold_is_held(&it.locked) && it.asks.state->hits < 2)
		usleep(1000);
	EXPECT_LE(2, it.asks.state->hits);
	hold_go_on(&it.locked);
	EXPECT_TRUE(ends_well(other));
	EXPECT_TRUE(ends_well(guest));
	EXPECT_EQ(3, fm_faults(self->fd));
	hold_close(&it.locked);
	hold_close(&it.asks);
}

TEST_HARNESS_MAIN
