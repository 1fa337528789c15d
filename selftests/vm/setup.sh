# SPDX-License-Identifier: GPL-2.0-only
# The cache: roots, and builds in them.  Sourced by vm.

# Program, or file, and the package that has it.
NEEDED="
mmdebstrap mmdebstrap
rsync rsync
xz xz-utils
flock util-linux
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
"

install_needed()
{
	local what package missing=''

	while read -r what package; do
		[ -z "$what" ] || [ -e "$what" ] || command -v "$what" >/dev/null ||
			missing+=" $package"
	done <<<"$NEEDED"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null || [ -z "$missing" ] ||
		die "missing packages: run, as root, apt-get install --no-install-recommends$missing"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "a root and a build in it need root: run as root, or install sudo"
	[ -n "$missing" ] || return 0
	say "installing$missing"
	# shellcheck disable=SC2086
	{ as_root apt-get -qq update &&
	  as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq install --no-install-recommends $missing; } \
		>"$cache/install.log" 2>&1 </dev/null || {
		tail -n 20 "$cache/install.log" >&2
		die "apt-get install --no-install-recommends$missing failed: see above"
	}
}

# run_job COMMAND...: in a process group of its own, so that whatever ends vm, or
# COMMAND itself, ends the whole of it.
run_job()
{
	local status=0

	set -m
	"$@" &
	job=$!
	set +m
	wait "$job" || status=$?
	end_job
	return "$status"
}

end_job()
{
	[ -n "$job" ] || return 0
	as_root kill -TERM -- "-$job" 2>/dev/null || :
	wait "$job" 2>/dev/null || :
	job=''
}

# One process at a time changes what belongs to a series.
lock_series()
{
	exec {series_lock}>"$cache/lock-$KERNEL"
	flock -w 2 "$series_lock" && return
	say "waiting for another run to finish with the root or the build of $KERNEL"
	flock "$series_lock"
}

# For all who inherited the lock, too.
unlock_series()
{
	[ -n "$series_lock" ] || return 0
	flock -u "$series_lock"
	exec {series_lock}>&-
	series_lock=''
}

# root_key KERNEL
root_key()
{
	local row checks base arch flavour

	if row=$(machine_row "$1"); then
		read -r base arch flavour _ <<<"$row"
		{
			echo "$(root_key "$base") $arch $flavour"
			cat "$vmdir"/{machine,init}
		} | sha256sum | cut -c 1-12
		return
	fi
	checks=$(checks "$1")
	{
		series_row "$1"
		cat "$vmdir"/{root,ksrc,init}
		[ -z "$checks" ] || cat "$vmdir"/{kernel,guest.config,"$checks.config"}
	} | sha256sum | cut -c 1-12
}

# root_of KERNEL: where its root is, or will be
root_of()
{
	echo "$cache/root-$1-$(root_key "$1")"
}

# remove_root ROOT: unless a guest runs from it
remove_root()
{
	local lock

	exec {lock}<"$1"
	if flock -n "$lock"; then
		say "removing $1"
		as_root rm -rf --one-file-system "$1" "$cache"/build/*/"${1##*/}"
	else
		say "keeping $1: a guest is using it"
	fi
	exec {lock}<&-
}

find_mirrors()
{
	MIRROR=${FAULTMAP_MIRROR:-$(debian_uri Debian)}
	SECURITY_MIRROR=${FAULTMAP_SECURITY_MIRROR:-$(debian_uri Debian-Security)}
	[ -n "$MIRROR" ] ||
		die "apt has no index of a Debian archive: run apt-get update, or set FAULTMAP_MIRROR"
	[ -n "$SECURITY_MIRROR" ] || say "apt has no security archive: going without"
}

# check_space MB: besides the root itself, there are the packages while it is made.
check_space()
{
	local need=$1 free

	free=$(df --output=avail -BM "$cache" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$need" ] ||
		die "a root takes $need MB and $cache has $free: free some, or set FAULTMAP_CACHE to a directory elsewhere"
}

# make_once PLACE NAME WHAT COMMAND...: PLACE becomes what COMMAND, run as root with
# a directory as one more argument, makes NAME in it; its output is in log there,
# but for what it wants to be seen.
make_once()
{
	local place=$1 name=$2 what=$3 status=0

	shift 3
	stale=$(mktemp -d "$cache/tmp-$KERNEL.XXXXXX")
	chmod 755 "$stale"
	say "$what"
	run_job as_root env MIRROR="$MIRROR" SECURITY_MIRROR="$SECURITY_MIRROR" VM_PID=$$ \
		"$@" "$stale" </dev/null || status=$?
	if [ "$status" != 0 ]; then
		# Its last line may have no end, for want of space.
		tail -n 20 "$stale/log" | awk 1 >&2
		die "${what%%, once*} from $MIRROR failed: see above"
	fi
	as_root rm -rf --one-file-system "$place"
	as_root mv "$stale/$name" "$place"
	as_root rm -rf --one-file-system "$stale"
	stale=''
}

make_series_root()
{
	local time='about a minute'

	check_space 1500
	[ -z "$(checks "$KERNEL")" ] || time='about ten minutes, for its kernel is built'
	make_once "$root" root "making the root of $KERNEL, once, in $time" \
		"$vmdir/root" "$KERNEL"
}

# make_machine_root ROW: of a machine; that of its base comes first.
make_machine_root()
{
	local base arch flavour fetch disk seconds lock

	read -r base arch flavour fetch disk seconds _ <<<"$1"
	[ -d "$(root_of "$base")" ] || run_job env KERNEL="$base" "$vmdir/vm" setup
	exec {lock}<"$(root_of "$base")"
	flock -s "$lock"
	check_space $((${fetch%M} + ${disk%M}))
	make_once "$root" root "making the root of $KERNEL, once, in some $seconds s: ${fetch}B to fetch, ${disk}B of disk" \
		"$vmdir/machine" "$(root_of "$base")" "$(series_of "$KERNEL")" "$arch" "$flavour"
	exec {lock}<&-
}

make_root()
{
	local old row

	find_mirrors
	as_root rm -rf --one-file-system "$cache/tmp-$KERNEL".*
	if row=$(machine_row "$KERNEL"); then
		make_machine_root "$row"
	else
		make_series_root
	fi
	say "made $root in $SECONDS s"
	for old in "$cache/root-$KERNEL"-????????????; do
		[ "$old" = "$root" ] || remove_root "$old"
	done
}

# One for all kernels of an architecture.
make_qemu()
{
	local lock

	exec {lock}>"$cache/lock-qemu"
	flock "$lock"
	if [ ! -d "$qemu" ]; then
		find_mirrors
		as_root rm -rf --one-file-system "$cache/qemu-$emulator"-*
		make_once "$qemu" qemu "fetching QEMU for $arch, once, in half a minute" \
			"$vmdir/qemu" "$emulator"
	fi
	exec {lock}>&-
}

# add_apart NAME WHAT: what few runs need lies apart in the root, and is made when it is
# asked for.
add_apart()
{
	local dir=$root/opt/$1 key

	key=$(cat "$vmdir/$1" "$vmdir/lib.sh" | sha256sum)
	[ "$(cat "$dir/.key" 2>/dev/null)" != "$key" ] || return 0
	find_mirrors
	make_once "$dir" "$1" "fetching $2 for $KERNEL, once, in about a minute" \
		"$vmdir/$1" "$root"
	as_root tee "$dir/.key" <<<"$key" >/dev/null
}

add_what_is_asked()
{
	[ "$STRANGERS" = 0 ] || add_apart strangers "strangers' programs"
	[ "$PACKAGER" = 0 ] || add_apart packager "what builds packages"
}

setup()
{
	install_needed
	root=$(root_of "$KERNEL")
	lock_series
	[ -d "$root" ] || make_root
	qemu=$cache/qemu-$emulator-$(sha256sum <"$vmdir/qemu" | cut -c 1-12)
	[ -d "$qemu" ] || make_qemu
	exec {root_lock}<"$root"
	flock -s "$root_lock"
	guest=$root
	[ "$arch" = amd64 ] || guest=$root/guest
	if [ -n "$tree" ]; then
		release=$(cat "$tree/include/config/kernel.release") kdir=/mnt
	else
		release=$(cat "$root/etc/faultmap-release") kdir=/lib/modules/$release/build
		image=$guest/$(readlink "$guest/vmlinuz") initrd=$guest/initrd.img
	fi
	read -ra cross 2>/dev/null <"$root/etc/faultmap-make" || cross=()
}

# A copy, so that the objects of each kernel stay apart from the others' and
# out of the checkout.  They survive in it, being ignored by git.
sync_sources()
{
	sources=$cache/build/$(sha256sum <<<"$checkout$tree" | cut -c 1-12)/${root##*/}
	mkdir -p "$sources"
	rsync -a --delete --filter=':- .gitignore' --exclude=.git "$checkout/" "$sources/" ||
		die "copying the checkout to $sources failed: see above"
}

# in_root COMMAND...: in the root, its mounts seen by nobody else; with PACKAGER, in
# an overlay that begins as a copy of what lies apart, and is left in the run.  7.x needs /proc for its objtool.
in_root()
{
	local layer=''

	[ "$PACKAGER" = 0 ] || layer=$root/opt/packager
	# shellcheck disable=SC2016
	run_job as_root unshare --mount bash -euc '
		root=$1 sources=$2 stage=$3 layer=$4 tree=$5
		shift 5
		if [ -n "$layer" ]; then
			mount -t tmpfs tmpfs "$root/mnt"
			over=${stage:-$root/mnt}
			mkdir -p "$over/work" "$root/mnt/root"
			[ -d "$over/upper" ] || cp -a "$layer" "$over/upper"
			mount -t overlay -o "lowerdir=$root,upperdir=$over/upper,workdir=$over/work" \
				overlay "$root/mnt/root"
			root=$root/mnt/root
		fi
		mount --bind "$sources" "$root/build"
		[ -z "$stage" ] || mount --bind "$stage" "$root/stage"
		[ -z "$tree" ] || mount --bind "$tree" "$root/mnt"
		mount -t proc proc "$root/proc"
		mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
			chroot "$root" bash -c "cd /build && exec \"\$@\"" bash "$@"
	' bash "$root" "$sources" "${run:-}" "$layer" "$tree" "$@"
}

# The module that waits, for those who ask for it.
build_delays()
{
	[ "$DELAYS" = 1 ] || return 0
	in_root make -C "$kdir" M=/build/selftests/delays "${cross[@]}" modules
	cp "$sources/selftests/delays/faultmap_delays.ko" "$run"
}

# Somebody's own module, which may stand on the engine; its files go beside its source.
build_own()
{
	local own=$sources/out/own

	[ -n "$MODULE" ] || return 0
	mkdir -p "$own" "$run/own"
	rsync -a --delete --exclude='*.o' --exclude='*.ko' --exclude='.*.cmd' "$MODULE/" "$own/"
	in_root make -C "$kdir" M=/build/out/own \
		KBUILD_EXTRA_SYMBOLS=/build/module/Module.symvers \
		KCFLAGS=-I/build/module/engine "${cross[@]}" modules
	cp "$own"/*.ko "$run/own/"
	cp "$own"/*.ko "$MODULE/"
}

# The packages, of which the guest has an older version installed.
build_packages()
{
	[ "$PACKAGER" = 0 ] || in_root bash selftests/vm/packages
}

# build_all FLAG...: the flags are for the driver's make
build_all()
{
	local driver=("KDIR=$kdir" "$@")

	if has_driver; then
		driver=()
		take_driver || return
	fi
	in_root bash selftests/vm/build "${driver[@]}" "${cross[@]}" &&
		build_delays && build_own && build_packages
}

build()
{
	# The branches of its checks are not the module's.
	local flags=(${GCOV:+UBSAN_SANITIZE=n})

	start_run
	sync_sources
	if [ "$V" = 1 ]; then
		build_all "${flags[@]}" >&2 || exit 97
	elif ! build_all "${flags[@]}" >"$run/build.log" 2>&1; then
		tail -n 100 "$run/build.log" >&2
		keep_run
		say "the build for $release failed: see above"
		exit 97
	else
		grep -A 4 'warning:' "$run/build.log" >&2 || :
	fi
	if [ -n "$tree" ]; then
		make_initrd
		pass_parameters
	fi
	unlock_series
}

clean_cache()
{
	local dir

	for dir in "$cache"/root-*; do
		[ ! -d "$dir" ] || remove_root "$dir"
	done
	as_root rm -rf --one-file-system "$cache"/{tmp-*,qemu-*,build,runs,kvm-*,lock-*,install.log}
	rmdir "$cache" 2>/dev/null || :
}
