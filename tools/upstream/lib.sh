# SPDX-License-Identifier: GPL-2.0-only
# What the scripts beside it share: a copy of the kernel tree, with the series, which is
# built there.  Sourced by bash.

here=$(realpath "$(dirname "$0")")
top=$(realpath "$here/../..")
. "$top/selftests/vm/lib.sh"
out=$top/out/upstream
tree=$out/tree
linux=$out/linux

# know_tree TREE
know_tree()
{
	[ -f "$1/scripts/checkpatch.pl" ] ||
		misused "KSRC=$1 is no kernel tree: unpack Debian's linux-source-7.3, or clone Linux"
	ksrc=$(realpath "$1")
	cd "$top"
}

# The kernel's files once, then what the series makes of them; what is the same keeps its
# time, and what was built of it.
fill_tree()
{
	if [ "$(cat "$out/linux-of" 2>/dev/null)" != "$ksrc" ]; then
		rm -rf "$linux" "$out/linux-of"
		say "copying $ksrc"
		cp -a "$ksrc" "$linux"
		echo "$ksrc" >"$out/linux-of"
	fi
	rsync -rc --exclude=.git "$tree/" "$linux/"
}

kbuild()
{
	make -s -C "$linux" "-j$(nproc)" LOCALVERSION=-upstream "$@"
}

# configure LINE...: as a guest needs it, and as the lines say
configure()
{
	kbuild tinyconfig
	(cd "$linux" && scripts/kconfig/merge_config.sh -m -Q .config \
		"$top/selftests/vm/guest.config" <(printf '%s\n' CONFIG_SAMPLES=y "$@") >/dev/null)
	kbuild olddefconfig
}
