# SPDX-License-Identifier: GPL-2.0-only
# faultmap: see README.md, or `make help`.

KERNEL ?= 6.12
KDIR ?= /lib/modules/$(shell uname -r)/build
KSRC ?= $(CURDIR)/out/ksrc
NATIVE ?= 0

# What vm reads from its environment may be given as a variable of make.
export KERNEL TIMEOUT ICOUNT SMP MEM MODPARAMS CMDLINE BAR QEMUFLAGS V FAULTMAP_CACHE NATIVE TESTS SEED DEPTH MODULE

vm := selftests/vm/vm
kernels = $(shell awk '!/^\#/ && NF { print $$1 }' selftests/vm/kernels)

module: | $(KDIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR)/module modules

$(KDIR):
	@echo "faultmap: no kernel headers at $@: install linux-headers-$$(uname -r), or give KDIR=" >&2
	@exit 1

help:
	@echo 'The main job and the proof, in a guest that is set up by itself, once, in a minute or so'
	@echo '(all times are of two CPUs with nothing else to do):'
	@echo '  make compare            eager against lazy, measured on a stock kernel; two minutes'
	@echo '  make test               the selftests on the default kernel, $(KERNEL); seven to ten minutes'
	@echo '  make test-all           the selftests on every kernel, $(kernels), and of the runner; 25 minutes'
	@echo '  make test-machines      those that fit on other machines: arm64, pages of 16 KiB, real time; each gets'
	@echo '                          its root the first time: 0.2 to 0.9 GB, half a minute to three'
	@echo '  make bench              which way is cheapest for which pattern and share, on one page; six minutes'
	@echo '  make regress            a few cells against their recorded costs'
	@echo '  make profile            which functions of the kernel a mapping'"'"'s instructions go to, as flame'
	@echo '                          graphs; STRATEGY=eager,lazy: what differs'
	@echo '  make resize             what a change of a buffer'"'"'s size costs'
	@echo '  make matrix             the selftests on every kernel, and notes/matrix.md of what they saw'
	@echo '  make vm RUN='\''COMMAND'\''    one command in a guest with the module loaded; MODULE=DIR: yours, too'
	@echo '  make vm                 a shell there'
	@echo '  make test-windows       the selftests with other windows for lazy mappings, and on demand'
	@echo '  make test-poisoned      the selftests on memory that nobody but the driver clears'
	@echo '  make test-delays        races, REVOKE, RESIZE, unbinding and the model, while the driver is delayed in its'
	@echo '                          functions at random; SEED= repeats a run, SECONDS= for each case'
	@echo '  make strangers          third-party programs on the nodes: fio, stress-ng ...; ONLY=fio for one of them'
	@echo '  make sanitizer-kernel   build the kernel for KERNEL=sanitizer: KASAN, lockdep, kmemleak, ...'
	@echo '  make sanitizer-6.12-kernel   the same of Linux 6.12, for KERNEL=sanitizer-6.12'
	@echo '  make kcsan-kernel       the same for KERNEL=kcsan, which finds data races'
	@echo '  make mutants            the driver broken in one place after the other: do the tests notice?'
	@echo '                          ONLY= a mutant, a file or ci; DEPTH=quick: just the likely tests'
	@echo '  make soak               random operations against a model, SECONDS= or MINUTES= long'
	@echo '  make coverage           what of the driver the selftests run, line by line'
	@echo '  make test-runner        the tests of the guest runner itself'
	@echo '  make test-setup         those of its set-up interrupted, killed, out of disk: a fetch for each'
	@echo '  make winsim             what the adaptive fault window costs, simulated in user space'
	@echo '  make patch [KSRC=TREE]  a patch series for a kernel tree in out/patch, by default for Debian 7.x: does it'
	@echo '                          apply, and is checkpatch silent? one minute'
	@echo '  make patch-check KSRC=TREE   what else a kernel tree checks: sparse, W=1, kernel-doc, coccinelle, Sphinx'
	@echo '  make patch-test KSRC=TREE    kernels built of that tree, the driver a module and built in: do the'
	@echo '                          selftests pass in a guest of each? forty minutes'
	@echo '  make lint               checkpatch, sparse, W=1, shellcheck, kernel-doc, ...'
	@echo 'On this machine, where it takes modules:'
	@echo '  make [KDIR=HEADERS]     build the module for a kernel at hand'
	@echo '  make tools              build the command, tools/faultmap; man tools/faultmap.1'
	@echo '  make load, make unload  load it (MODPARAMS="size=1G order=0"), remove it'
	@echo '  make check              the selftests'
	@echo '  make compare NATIVE=1   the comparison, by wall clock and hardware counters'
	@echo '  make install, make modules_install, make uninstall   by DESTDIR=, prefix=/usr/local and INSTALL_MOD_PATH='
	@echo '  make deb                Debian packages, in out/deb: faultmap-dkms, faultmap-tools, faultmap-dev'
	@echo '  make test-install       them installed, used, upgraded and purged in a guest'
	@echo 'And:'
	@echo '  make clean              remove what was built in this folder'
	@echo '  make clean-cache        remove the guests; newer kernels are fetched next time'
	@echo 'Variables: KERNEL=$(shell echo $(kernels) | tr " " "|") TESTS="mmap_test ..." ICOUNT=1 MODPARAMS= MODULE= SMP= MEM= TIMEOUT= CMDLINE='
	@echo '  or KERNEL=$(shell awk '!/^\#/ && NF { print $$1 }' selftests/vm/kernels.machines | xargs | tr " " "|")'
	@echo '  FAULTMAP_CACHE= V=1; `selftests/vm/vm --help` explains them.'

# By the environment, for the command may have quotes, dollars and lines.
vm: export FAULTMAP_RUN = $(value RUN)
vm:
ifeq ($(origin RUN),undefined)
	@$(vm) shell
else
	@$(vm) run "$$FAULTMAP_RUN"
endif

test:
	@selftests/test $(KERNEL)

test-all:
	@selftests/test runner $(kernels)

test-machines:
	@selftests/test machines

test-windows:
	@selftests/test $(foreach w,0 2 16 512 demand,$(kernels:%=%:$(w)))

soak:
	@selftests/soak $(if $(SECONDS),'SECONDS=$(SECONDS)') $(if $(MINUTES),'MINUTES=$(MINUTES)')

matrix:
	@selftests/test $(kernels)
	@selftests/matrix

# What is freed is poisoned, and nobody but the driver clears what it allocates.
test-poisoned: export CMDLINE := page_poison=1 init_on_alloc=0 init_on_free=0 slub_debug=P $(CMDLINE)
test-poisoned:
	@selftests/test $(KERNEL)

# What depends on an order, with waits where the driver is called and calls.
test-delays: export DELAYS := 1
test-delays: export SECONDS_EACH := $(SECONDS)
test-delays: export TESTS := $(or $(TESTS),race_order_test race_grow_test race_test race_map_test race_use_test \
	revoke_test resize_test phys_test race_module_test model_test)
test-delays:
	@selftests/test $(KERNEL)

test-runner:
	@selftests/test runner

test-setup:
	@selftests/test setup

strangers:
	@selftests/strangers $(ONLY)

coverage:
	@selftests/coverage

sanitizer-kernel sanitizer-6.12-kernel kcsan-kernel: %-kernel:
	@KERNEL=$* $(vm) setup

mutants:
	@selftests/mutants/run $(ONLY)

compare:
	@perf/compare

winsim:
	@$(MAKE) -s -C perf winsim
	@perf/winsim

bench:
	@perf/bench

regress:
	@perf/regress

profile: export STRATEGY := $(STRATEGY)
profile:
	@perf/profile

resize:
	@perf/resize

patch:
	@tools/upstream/series $(if $(filter file,$(origin KSRC)),,$(KSRC))

patch-test: patch
	@tools/upstream/kselftest $(KSRC)

patch-check: patch
	@tools/upstream/check $(KSRC)

lint:
	@selftests/lint

tools:
	$(MAKE) -C tools

load: module
	@selftests/vm/load module/faultmap_engine.ko
	@selftests/vm/load module/faultmap.ko $(MODPARAMS) || { rmmod faultmap_engine; exit 1; }

unload:
	rmmod faultmap faultmap_engine

check: module $(KSRC)/.version
	@test -e /dev/faultmap/control || { echo "faultmap: not loaded: run make load first" >&2; exit 1; }
	$(MAKE) -C selftests install KSRC=$(KSRC) INSTALL_PATH=$(CURDIR)/out/selftests
	@FAULTMAP_KO=$(CURDIR)/module/faultmap.ko FAULTMAP_EXAMPLES=$(CURDIR)/module/examples selftests/test --native out/selftests $(KSRC)

include install/install.mk

$(KSRC)/.version:
	selftests/vm/ksrc $(KSRC)

clean:
	git clean -fdXq

clean-cache:
	@$(vm) clean

.PHONY: module help vm test test-all test-machines test-windows test-delays matrix test-runner test-setup compare bench regress profile resize winsim lint patch patch-check patch-test tools load unload check clean clean-cache test-poisoned strangers sanitizer-kernel sanitizer-6.12-kernel kcsan-kernel soak coverage mutants
