# SPDX-License-Identifier: GPL-2.0
# What vm and its helpers share.  Sourced by bash.

say()
{
	echo "vm: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# series_row SERIES: "IMAGE SUITE POCKET..." from the tables
series_row()
{
	awk -v s="$1" '$1 == s { $1 = ""; print; found = 1 } END { exit !found }' \
		"$vmdir"/kernels{,.built}
}

# checks SERIES: what a kernel that is built here looks for; nothing for Debian's
checks()
{
	series_row "$1" | awk -F'[ :]+' '/:/ { print $2 }'
}

series_names()
{
	awk '!/^#/ && NF { printf "%s%s", sep, $1; sep = " " }' "$vmdir"/kernels{,.built}
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
