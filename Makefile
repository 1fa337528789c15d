# SPDX-License-Identifier: GPL-2.0
# faultmap: see README.md, or `make help`.

KDIR ?= /lib/modules/$(shell uname -r)/build

module:
	@test -d '$(KDIR)' || { echo "faultmap: no kernel headers at $(KDIR): install linux-headers-$$(uname -r) or give KDIR=" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR)/module modules

.PHONY: module
