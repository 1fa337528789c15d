# SPDX-License-Identifier: GPL-2.0-only
# Installs below DESTDIR and prefix, and the modules below INSTALL_MOD_PATH; uninstall,
# with the same variables, removes it.

prefix ?= /usr/local
bindir = $(DESTDIR)$(prefix)/bin
includedir = $(DESTDIR)$(prefix)/include
mandir = $(DESTDIR)$(prefix)/share/man
udevdir = $(DESTDIR)$(prefix)/lib/udev/rules.d
sysusersdir = $(DESTDIR)$(prefix)/lib/sysusers.d
dkmsdir = $(DESTDIR)/usr/src/faultmap-$(version)

version = $(shell sed -n 's/^.define FAULTMAP_VERSION[[:space:]]*"\(.*\)"/\1/p' module/faultmap_uapi.h)

kernelrelease = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
moduledir = $(INSTALL_MOD_PATH)/lib/modules/$(kernelrelease)/updates

# What the machine's owner signs modules with: DKMS makes such a key.
MOK_KEY ?= $(wildcard /var/lib/dkms/mok.key)
MOK_CERT ?= $(MOK_KEY:.key=.pub)

# The kernel's own does without where the headers have no System.map.
depmod = $(if $(INSTALL_MOD_PATH),,depmod $(kernelrelease))

version:
	@echo $(version)

programs:
	$(MAKE) -C tools faultmap
	$(MAKE) -C perf fmbench

# install_page FILE SECTION
install_page = sed 's/^\.Os$$/& faultmap $(version)/' $(1) | \
	install -m 644 -D /dev/stdin '$(mandir)/man$(2)/$(notdir $(1))'

install: programs
	install -m 755 -D -t '$(bindir)' tools/faultmap perf/fmbench
	$(call install_page,tools/faultmap.1,1)
	$(call install_page,perf/fmbench.1,1)
	$(call install_page,install/faultmap.4,4)
	install -m 644 -D -t '$(includedir)' module/faultmap_uapi.h
	install -m 644 -D -t '$(includedir)/faultmap' module/engine/fm_engine.h
	install -m 644 -D -t '$(udevdir)' install/60-faultmap.rules
	install -m 644 -D install/sysusers.conf '$(sysusersdir)/faultmap.conf'

# The source, for `dkms install faultmap/VERSION`.
dkms_install:
	for file in Kbuild $$(cd module && ls *.h base/*.[ch] engine/*.[ch] memory/*.[ch] files/*.[ch] driver/*.[ch]); do \
		install -m 644 -D module/$$file '$(dkmsdir)'/$$file || exit; \
	done
	sed 's/#MODULE_VERSION#/$(version)/' module/dkms.conf | \
		install -m 644 -D /dev/stdin '$(dkmsdir)/dkms.conf'

# Compressed they could not be signed, and the kernel's own key is not there.
modules_install: | $(KDIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR)/module FM_EXAMPLES=n modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/module FM_EXAMPLES=n INSTALL_MOD_PATH='$(INSTALL_MOD_PATH)' \
		INSTALL_MOD_DIR=updates CONFIG_MODULE_COMPRESS_ALL= CONFIG_MODULE_SIG_ALL= modules_install
	$(if $(MOK_KEY),for module in faultmap_engine faultmap; do \
		$(KDIR)/scripts/sign-file sha256 '$(MOK_KEY)' '$(MOK_CERT)' '$(moduledir)'/$$module.ko || exit; \
	done)
	$(depmod)

uninstall:
	rm -f '$(bindir)'/faultmap '$(bindir)'/fmbench '$(mandir)'/man1/faultmap.1 \
		'$(mandir)'/man1/fmbench.1 '$(mandir)'/man4/faultmap.4 \
		'$(includedir)'/faultmap_uapi.h '$(includedir)'/faultmap/fm_engine.h \
		'$(udevdir)'/60-faultmap.rules '$(sysusersdir)'/faultmap.conf \
		'$(moduledir)'/faultmap.ko '$(moduledir)'/faultmap_engine.ko
	rmdir '$(includedir)/faultmap' 2>/dev/null || :
	rm -rf '$(dkmsdir)'
	$(depmod)

deb:
	@install/deb

test-install:
	@selftests/install

.PHONY: version programs install dkms_install modules_install uninstall deb test-install
