# SPDX-License-Identifier: GPL-2.0-only
# A run: the guest, its files and the verdict.  Sourced by vm.

start_run()
{
	mkdir -p "$cache/runs"
	find "$cache/runs" -mindepth 1 -maxdepth 1 -mtime +0 -print0 |
		as_root xargs -0r rm -rf --one-file-system
	run=$(mktemp -d "$cache/runs/$KERNEL.XXXXXX")
	keep=0
}

keep_run()
{
	keep=1
}

end_run()
{
	if [ "$keep" = 1 ]; then
		rm -f "$run"/{out,err}
		say "what is left of the run is in $run"
	else
		as_root rm -rf --one-file-system "$run"
	fi
}

# qemu LIMIT ARGUMENT...: killed after LIMIT seconds, never if that is 0.  Takes
# the place of the subshell that it must be called in, so that timeout is a child
# of vm's, and QEMU of timeout's: each ends with its parent, whatever ends that.
qemu()
{
	local limit=$1 bound=(setpriv --pdeathsig KILL) usr=$qemu/usr

	shift
	exec "${bound[@]}" timeout --foreground -k 5 "$limit" \
		"${bound[@]}" "$usr/lib64/ld-linux-x86-64.so.2" \
		--library-path "$usr/lib/x86_64-linux-gnu" "$usr/bin/qemu-system-$processor" \
		-L "$usr/share/seabios" -L "$usr/share/qemu" -M "$board" -cpu max \
		-m "$MEM" -smp "$SMP" -nodefaults -display none -nic none -no-reboot \
		-kernel "$image" -initrd "$initrd" "$@"
}

# A /dev/kvm that opens need not boot a kernel: a short boot of this one on this
# host must have shown that it does.
kvm_works()
{
	local host verdict

	[ "$arch" = amd64 ] && [ -w /dev/kvm ] || return
	host=$(uname -rv; grep -m 1 'model name' /proc/cpuinfo || :)
	verdict=$cache/kvm-$(sha256sum <<<"$host $root $qemu $image" | cut -c 1-12)
	if [ ! -f "$verdict" ]; then
		say "trying KVM, 20 s at most"
		run_job qemu 20 -accel kvm -serial "file:$run/kvm.log" \
			-append "console=ttyS0 panic=-1 vm.probe" >/dev/null 2>&1 </dev/null || :
		if grep -q 'vm: probe ok' "$run/kvm.log" 2>/dev/null; then
			echo kvm >"$verdict"
		else
			echo tcg >"$verdict"
		fi
	fi
	[ "$(cat "$verdict")" = kvm ]
}

# The device whose memory the driver shows: its BAR is a file of the host.
bar_size=4M

# CPU mitigations stay as the kernel chooses them: they are part of what a fault
# costs its user.  An oops ends the guest; a warning reaches the console.
machine()
{
	machine=(
		-serial "file:$run/console.log"
		-append "console=$console loglevel=5 panic=-1 oops=panic log_buf_len=8M printk.devkmsg=on $CMDLINE"
		-fsdev "local,id=root,path=$guest,security_model=none,readonly=on,multidevs=remap"
		-device virtio-9p-pci,fsdev=root,mount_tag=root
		-fsdev "local,id=faultmap,path=$checkout,security_model=none,multidevs=remap"
		-device virtio-9p-pci,fsdev=faultmap,mount_tag=faultmap
		-fsdev "local,id=run,path=$run,security_model=none,multidevs=remap"
		-device virtio-9p-pci,fsdev=run,mount_tag=run
		-device virtio-serial-pci
		-object "memory-backend-file,id=bar,share=on,size=$bar_size,mem-path=${BAR:-$run/bar}"
		-device ivshmem-plain,memdev=bar
	)
	if [ "$ICOUNT" = 1 ]; then
		accel="tcg, instructions as clock"
		# Without erms, by which clearing a page would count an instruction a byte; and
		# 6.1 does not boot if there is fsrm without it.
		machine+=(-accel tcg,thread=single -icount "shift=0,sleep=off" -rtc clock=vm)
		[ "$arch" != amd64 ] || machine+=(-cpu max,-erms,-fsrm)
	elif kvm_works; then
		accel=kvm
		machine+=(-accel kvm)
	else
		accel=tcg
		machine+=(-accel tcg,thread=multi)
		[ "$arch" != amd64 ] || machine+=(-plugin "$run/stale_int3.so")
	fi
	[ -z "$PLUGIN" ] || machine+=(-plugin "$run/$PLUGIN")
	# shellcheck disable=SC2206
	machine+=($QEMUFLAGS)
}

# watch_progress READER...: as long as they live, $run/progress tells, in seconds of
# vm's, when the guest has last come further: when it loaded the module, or wrote
# something that they read.
watch_progress()
{
	local reader seen='' now io

	while :; do
		now=
		[ ! -e "$run/error" ] || now=loaded
		for reader; do
			read -r io 2>/dev/null <"/proc/$reader/io" || return 0
			now+=" $io"
		done
		[ "$now" = "$seen" ] || echo "$SECONDS" >"$run/progress"
		seen=$now
		sleep 2
	done
}

# QEMU blocks, or fails, until somebody reads its pipes, and the readers wait
# for QEMU: opening a pipe both ways lets go of a reader whose QEMU never came.
# Nor may a reader go that nobody listens to any more: tee has another output then.
run_guest()
{
	local readers=()

	if [ -t 0 ] || [ ! -e /dev/fd/0 ]; then
		exec </dev/null
	fi
	mkfifo "$run/out" "$run/err"
	tee -p /dev/null <"$run/out" {root_lock}<&- &
	readers+=($!)
	tee -p /dev/null <"$run/err" >&2 {root_lock}<&- &
	readers+=($!)
	watch_progress "${readers[@]}" >/dev/null 2>&1 </dev/null {root_lock}<&- &
	run_job qemu "$TIMEOUT" "${machine[@]}" \
		-chardev stdio,id=in,signal=off -device virtserialport,chardev=in,name=vm.in \
		-chardev "file,id=out,path=$run/out" -device virtserialport,chardev=out,name=vm.out \
		-chardev "file,id=err,path=$run/err" -device virtserialport,chardev=err,name=vm.err \
		>/dev/null 2>"$run/qemu.log" || qemu_status=$?
	: 3<>"$run/out" 4<>"$run/err"
	wait "${readers[@]}" || :
}

# The terminal is in raw mode while QEMU has it.
run_terminal()
{
	local saved

	saved=$(stty -g)
	stty size | { read -r rows columns; echo "rows $rows cols $columns"; } >"$run/stty"
	(qemu 0 "${machine[@]}" -chardev stdio,id=tty,signal=off \
		-device virtconsole,chardev=tty 2>"$run/qemu.log") || qemu_status=$?
	stty "$saved"
}

complaints()
{
	"$vmdir/klog" "$@" >&2
}

# Whether the guest came to its end, and all that it wrote to the host.
ended()
{
	[ -s "$run/taint" ] && [ -s "$run/dmesg" ] && [ -s "$run/end" ] &&
		{ [ -s "$run/status" ] || [ -s "$run/error" ]; } &&
		[ "$(cksum <"$run/dmesg")" = "$(cat "$run/end")" ]
}

# A guest that has written something lately is slow; one that has not, for as long as
# any test may take or a third of its time, hangs.
explain_timeout()
{
	local silent=$((qemu_ended - $(cat "$run/progress" 2>/dev/null || echo "$qemu_ended")))
	local limit=$((TIMEOUT / 3 < 600 ? TIMEOUT / 3 : 600))

	if [ ! -f "$run/error" ]; then
		say "the guest had not come to loading the module after $TIMEOUT s, and was killed: TIMEOUT= for more, or see $run/console.log"
	elif [ "$silent" -lt "$limit" ]; then
		say "the guest took longer than $TIMEOUT s, and was killed: TIMEOUT= for more"
	else
		say "the guest was hung, silent for $silent s, and killed after $TIMEOUT s: see TIMEOUT"
	fi
}

# Why there is no end: sets status.
explain_death()
{
	status=98
	[ ! -f "$run/console.log" ] || complaints "$run/console.log" || :
	if [ -f "$run/end" ]; then
		say "the guest could not write all its results: is the disk of $run full?"
	elif [ $((qemu_ended - qemu_began)) -ge "$TIMEOUT" ] && [[ $qemu_status =~ ^(124|137)$ ]]; then
		explain_timeout
		status=124
	elif [ "$qemu_status" -gt 128 ]; then
		say "QEMU was killed by signal $((qemu_status - 128)): if by nobody, is the host out of memory? see MEM"
	else
		head -n 5 "$run/qemu.log" >&2
		say "the guest died: see above, and the end of $run/console.log"
	fi
}

keep_counters()
{
	if [ -n "$GCOV" ] && [ -d "$run/gcov" ]; then
		mkdir -p "$GCOV"
		as_root mv "$run/gcov" "$GCOV/${run##*/}"
	fi
}

# Last, for it has the remedy.
explain_error()
{
	[ -s "$run/error" ] || return 0
	cat "$run/error" >&2
	if [ -s "$run/status" ]; then
		say "the module could not be unloaded: see above"
	else
		say "the module could not be loaded: see above"
	fi
}

# The verdict: see usage.
judge()
{
	local status=97

	if ended; then
		keep_counters
		[ ! -s "$run/status" ] || status=$(cat "$run/status")
		[ ! -s "$run/error" ] || status=97
		if ! complaints "$run/dmesg" "$(cat "$run/taint")"; then
			say "the kernel complained: see above"
			[ "$status" != 0 ] || status=99
		fi
		if [ -s "$run/leaked" ]; then
			head -n 100 "$run/leaked" >&2
			say "the module left something behind: see above"
			[ "$status" != 0 ] || status=99
		fi
		explain_error
	else
		explain_death
	fi
	[ "$status" = 0 ] || keep_run
	exit "$status"
}

# Before anything of ours has run, on a busy host: QEMU trips over an assertion of its own
# (iotlb_to_section()), or Linux 6.1 waits for a timer that comes too late.
died_by_chance()
{
	[ ! -e "$run/error" ] && { [ "$qemu_status" = $((128 + 6)) ] ||
		grep -qs 'IO-APIC + timer doesn.t work' "$run/console.log"; }
}

# boot run COMMAND, or boot shell
boot()
{
	local machine accel cpus=CPU qemu_status=0 qemu_began qemu_ended

	cp "$vmdir"/{guest,leaks,lib.sh} "$run"
	printf '%s' "${2:-}" >"$run/command"
	echo "$MODPARAMS" >"$run/modparams"
	echo "${TERM:-dumb}" >"$run/term"
	echo "$1 icount=$ICOUNT" >"$run/mode"
	machine
	[ "$SMP" = 1 ] || cpus=CPUs
	say "Linux $release (${tree:-Debian $(cat "$root/etc/faultmap-version")}), $accel, $SMP $cpus"
	qemu_began=$SECONDS
	if [ "$1" = shell ]; then
		run_terminal
	else
		run_guest
		if died_by_chance; then
			say "the guest died while it booted, as happens on a busy host; once more"
			rm -f "$run/out" "$run/err"
			qemu_status=0
			run_guest
		fi
	fi
	qemu_ended=$SECONDS
	judge
}
