# SPDX-License-Identifier: GPL-2.0-only
# What vm, its helpers and its callers share.  Sourced by bash; to know the kernels, it
# needs vmdir.

# Who speaks: a caller sets its own name.
prog=vm

say()
{
	echo "$prog: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

# misused WORDS: an input is not understood; they name it, and what would be
misused()
{
	say "$*"
	exit 2
}

# check_number NAME VALUE
check_number()
{
	[[ $2 =~ ^[1-9][0-9]{0,8}$ ]] ||
		misused "$1=$2 is not a number: give a whole number above 0"
}

# check_parameters MODULE.KO PARAMETER...: the kernel ignores those that it does not
# know.  It takes dashes for underscores, and two that each module has.
check_parameters()
{
	local known parameter name

	[ $# -gt 1 ] || return 0
	known=$(LC_ALL=C grep -aoE 'parmtype=[A-Za-z0-9_]+' "$1")
	known=${known//parmtype=/} known=${known//$'\n'/ }
	shift
	for parameter; do
		name=${parameter%%=*}
		[[ " $known async_probe dyndbg " == *" ${name//-/_} "* ]] ||
			misused "MODPARAMS=$parameter: the module has no parameter ${name:-without a name}: choose among $known"
	done
}

# words_of NAME MARK: what the kernel's log has of a module behind the MARK
words_of()
{
	dmesg | awk -v name="] $1: " -v mark="$2" '
		index($0, mark) { n = 0; next }
		(at = index($0, name)) && !/taint/ { line[n++] = substr($0, at + 2) }
		END { for (i = 0; i < n; i++) print line[i] }'
}

# insert_module MODULE.KO PARAMETER...: insmod, which leaves the reason why a module does
# not load in the kernel's log: it is printed, in the module's own words.  Few processes
# are started, for they take their time in a guest on a busy machine.
insert_module()
{
	local name=${1##*/} mark

	name=${name%.ko} name=${name//-/_} mark="insmod $BASHPID: $name"
	echo "<6>$mark" >/dev/kmsg
	insmod "$@" || {
		words_of "$name" "$mark" >&2
		return 1
	}
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# need PACKAGE[=FILE]...: installs those whose program, of the same name, or FILE is missing
need()
{
	local word missing=() log

	for word; do
		[ -e "${word#*=}" ] || command -v "${word#*=}" >/dev/null || missing+=("${word%=*}")
	done
	[ "${#missing[@]}" != 0 ] || return 0
	say "installing ${missing[*]}"
	log=$({ as_root apt-get -qq update &&
		as_root env DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install --no-install-recommends "${missing[@]}"; } 2>&1 </dev/null) &&
		return
	echo "$log" | tail -n 20 >&2
	die "run, as root, apt-get install ${missing[*]}"
}

# series_row SERIES: "IMAGE SUITE POCKET..." from the tables
series_row()
{
	awk -v s="$1" '$1 == s { $1 = ""; print; found = 1 } END { exit !found }' \
		"$vmdir"/kernels{,.built}
}

# machine_row MACHINE: "BASE ARCH FLAVOUR FETCH DISK SECONDS TESTS" from its table
machine_row()
{
	awk -v m="$1" '$1 == m { $1 = ""; print; found = 1 } END { exit !found }' \
		"$vmdir/kernels.machines"
}

# series_of KERNEL: the series that a machine's kernel is of; itself, if it is no machine
series_of()
{
	local row base=$1

	while row=$(machine_row "$base"); do
		read -r base _ <<<"$row"
	done
	echo "$base"
}

# arch_of KERNEL
arch_of()
{
	local row arch=amd64

	! row=$(machine_row "$1") || read -r _ arch _ <<<"$row"
	echo "$arch"
}

# checks SERIES: what a kernel that is built here looks for; nothing for Debian's
checks()
{
	{ series_row "$1" || :; } | awk -F'[ :]+' '/:/ { print $2 }'
}

# names_in TABLE...
names_in()
{
	awk '!/^#/ && NF { printf "%s%s", sep, $1; sep = " " }' "$@"
}

series_names()
{
	names_in "$vmdir"/kernels{,.built,.machines}
}

# debian_uri LABEL: the URI that the host's own apt fetches that archive from
debian_uri()
{
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk -F'|' -v label="$1" '$1 == "Debian" && $2 == label { print $3; exit }'
}

# write_sources SUITE POCKET...: for apt, from the archives MIRROR and SECURITY_MIRROR
write_sources()
{
	local suite=$1 key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]' pocket
	shift

	echo "deb $key $MIRROR $suite main"
	for pocket; do
		if [ "$pocket" != security ]; then
			echo "deb $key $MIRROR $suite-$pocket main"
		elif [ -n "$SECURITY_MIRROR" ]; then
			echo "deb $key $SECURITY_MIRROR $suite-security main"
		fi
	done
}

# write_root_apt ROOT DIR: DIR/conf, for an apt of the host's that fetches what ROOT lacks
write_root_apt()
{
	mkdir -p "$2"/{lists/partial,cache/archives/partial}
	cat >"$2/conf" <<-EOF
	Dir::Etc::sourcelist "$1/etc/apt/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::preferencesparts "$1/etc/apt/preferences.d";
	Dir::State "$2";
	Dir::State::status "$1/var/lib/dpkg/status";
	Dir::Cache "$2/cache";
	APT::Architecture "amd64";
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Acquire::Retries "3";
	APT::Update::Error-Mode "any";
	EOF
}
