# SPDX-License-Identifier: GPL-2.0-only
# A table of perf/measure's phases.csv: what perf stat and the clock counted of the same runs.

BEGIN	{ FS = "," }
NR == 1	{ next }
{ way = $1 " " $2 " %" }
$3 == "empty" { user = $5; kernel = $6; next }
!header++ {
	print "\nInstructions of each phase by perf stat -e instructions:u,instructions:k, less what it counts"
	print "of an empty one, beside the clock's of the same run:\n"
	printf "%-26s %-8s %12s %12s %12s %9s\n", "", "phase", "user", "kernel", "clock", "differ by"
}
{
	counted = $5 - user + $6 - kernel
	off = counted > $4 ? counted - $4 : $4 - counted
	if (off > most)
		most = off
	if ($4 >= 100000 && off / $4 > share)
		share = off / $4
	printf "%-26s %-8s %12d %12d %12d %9d\n", way == last ? "" : way, $3, $5 - user, $6 - kernel, $4, counted - $4
	last = way
}
END {
	if (header)
		printf "perf and the clock differ by at most %d instructions, and %.2f %% of any phase of 100,000 or more.\n", most, share * 100
}
