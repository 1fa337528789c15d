# SPDX-License-Identifier: GPL-2.0-only
# A kernel that somebody has built, in place of Debian's: KERNEL=TREE.  The root, its
# compiler and its programs are those of Debian's kernel of the same architecture.
# Sourced by vm.

# What the guest must have before it has a root to load modules from.
BUILT_IN="VIRTIO_PCI VIRTIO_CONSOLE NET_9P_VIRTIO 9P_FS DEVTMPFS TMPFS BLK_DEV_INITRD"

# has OPTION: built in
has()
{
	grep -qx "CONFIG_$1=y" "$tree/.config"
}

# use_tree PATH: sets tree and the file of its image, and KERNEL to whose root it gets
use_tree()
{
	local option missing=''

	tree=$(realpath -- "$1")
	[ -f "$tree/.config" ] ||
		misused "KERNEL=$1 has no .config: give the tree of a kernel that was built in it"
	if has X86_64; then
		KERNEL=6.12 image=$tree/arch/x86/boot/bzImage
	elif has ARM64; then
		KERNEL=arm64-6.12 image=$tree/arch/arm64/boot/Image
	else
		misused "KERNEL=$1 is for another architecture: give a tree for x86-64 or arm64"
	fi
	for option in MODULES $BUILT_IN; do
		has "$option" || missing+=" $option"
	done
	[ -z "$missing" ] ||
		misused "KERNEL=$1 has not built in$missing: set them to y in its .config, and build it again"
	for option in "$image" "$tree"/{Module.symvers,include/config/kernel.release}; do
		[ -f "$option" ] ||
			misused "KERNEL=$1 has no ${option#"$tree/"}: build it there, by make and make modules"
	done
}

# has_driver: in the tree itself, which then is the one that runs
has_driver()
{
	[ -n "$tree" ] && grep -q '^CONFIG_FAULTMAP=[my]$' "$tree/.config"
}

# module_of OPTION PATTERN DIR: what the tree has built as modules goes to DIR
module_of()
{
	! grep -qx "CONFIG_$1=m" "$tree/.config" || cp "$tree"/$2 "$3"
}

take_driver()
{
	mkdir -p "$run/examples"
	module_of FAULTMAP_ENGINE lib/faultmap/faultmap_engine.ko "$run" &&
		module_of FAULTMAP drivers/misc/faultmap/faultmap.ko "$run" &&
		module_of SAMPLE_FAULTMAP 'samples/faultmap/*.ko' "$run/examples"
}

# What is built in takes its parameters from the kernel's command line.
pass_parameters()
{
	local parameter

	[ ! -f "$run/faultmap.ko" ] || return 0
	for parameter in $MODPARAMS; do
		CMDLINE+=" faultmap.$parameter"
	done
	MODPARAMS=
}

# The root's would load modules of the root's kernel.
make_initrd()
{
	initrd=$run/initrd.img
	# shellcheck disable=SC2016
	in_root bash -euc '
		mkdir -p /tmp/initrd/{bin,lib,proc,dev,mnt}
		cd /tmp/initrd
		cp "$1/bin/busybox" bin/
		cp /build/selftests/vm/init .
		: >modules
		find . | cpio -o -H newc --quiet >/stage/initrd.img
	' bash "${guest#"$root"}"
}
