# SPDX-License-Identifier: GPL-2.0-only
# Makes a table of what `gcov -bc` wrote.  The first file has the reasons why lines
# are never run, by file, function and source:
#
#	buffer.c faultmap_grow: return -EINTR;
#		why

function percent(n, of)
{
	return of ? 100 * n / of : 100
}

function trim(s)
{
	gsub(/^[ \t]+|[ \t]+$/, "", s)
	return s
}

FNR == 1 { file++ }

file == 1 {
	if (/^[^# \t]/) {
		reason = $0
		reasons[reason] = ""
	} else if (/^[ \t]+[^ \t]/ && reason != "") {
		reasons[reason] = reasons[reason] " " trim($0)
	}
	next
}

FNR == 1 {
	name = FILENAME
	sub(/.*\//, "", name)
	sub(/\.gcov$/, "", name)
	names[++n] = name
	unit = ""
}

/^function / { unit = $2; next }
/^branch / {
	branches[name]++
	if ($0 ~ /taken [1-9]/)
		taken[name]++
	next
}
/^(call|unconditional) / { next }

{
	count = trim(substr($0, 1, index($0, ":") - 1))
	if (count !~ /^([0-9]+\*?|#####)$/)
		next
	lines[name]++
	source = $0
	sub(/^[^:]*:[^:]*:/, "", source)
	key = name " " unit ": " trim(source)
	known[key] = 1
	if (count != "#####")
		run[name]++
	else
		never[++unrun] = key
}

END {
	printf "%-18s %6s %6s  %8s %6s\n", "", "lines", "run", "branches", "taken"
	for (i = 1; i <= n; i++) {
		f = names[i]
		printf "%-18s %6d %5.1f%%  %8d %5.1f%%\n", f, lines[f],
			percent(run[f], lines[f]), branches[f], percent(taken[f], branches[f])
		all_lines += lines[f]
		all_run += run[f]
		all_branches += branches[f]
		all_taken += taken[f]
	}
	printf "%-18s %6d %5.1f%%  %8d %5.1f%%\n", "all", all_lines,
		percent(all_run, all_lines), all_branches, percent(all_taken, all_branches)

	if (unrun)
		print "\nNever run:"
	for (i = 1; i <= unrun; i++) {
		print never[i]
		if (!(never[i] in reasons) || reasons[never[i]] == "") {
			print "\tno reason is given in selftests/coverage.never"
			failed = 1
		} else {
			print "\t" trim(reasons[never[i]])
		}
	}
	# Which allocation fails is not the same each time: a reason may go unused.
	for (reason in reasons)
		if (!(reason in known)) {
			print "coverage: there is no such line: take it out of selftests/coverage.never:\n" reason
			failed = 1
		}
	if (!n || !all_lines) {
		print "coverage: nothing was counted"
		exit 1
	}
	if (percent(all_run, all_lines) < lines_aim) {
		print "coverage: less than " lines_aim " % of the lines were run"
		failed = 1
	}
	if (percent(all_taken, all_branches) < branches_aim) {
		print "coverage: less than " branches_aim " % of the branches were taken"
		failed = 1
	}
	exit failed
}
