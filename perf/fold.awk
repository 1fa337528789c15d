# SPDX-License-Identifier: GPL-2.0-only
# Reads fmbench's CSV, and what profile_plugin.c wrote of the same runs, a warm-up and
# `runs` for each of `names`.  Of those of a name, takes the run with the fewest
# instructions, as fmbench does; writes its stacks to OUT/NAME.stacks, and prints how
# many there were, beside what the guest's clock counted.  Fails if runs are missing.

# The count behind a stack, of which no name is a number.
function split_line()
{
	number = $1
	count = $NF
	stack = $0
	sub(/^[0-9]+ /, "", stack)
	sub(/ [0-9]+$/, "", stack)
}

function percent(x, of)
{
	return of ? (x < of ? of - x : x - of) * 100 / of : 100
}

FNR == 1 {
	file++
}

file == 1 {
	n = split($0, field, ",")
	if (FNR > 1)
		clock[FNR - 1] = field[n]
	next
}

{
	split_line()
	if (!(number in total))
		order[++nr] = number
	total[number] += count
	lines[number] = lines[number] stack " " count "\n"
}

END {
	n = split(names, name, " ")
	if (nr != n * (runs + 1)) {
		printf "profile: %d runs of %d were counted\n", nr, n * (runs + 1) >"/dev/stderr"
		exit 1
	}
	for (i = 1; i <= n; i++) {
		least = next_least = ""
		for (j = 2; j <= runs + 1; j++) {
			number = order[(i - 1) * (runs + 1) + j]
			if (least == "" || total[number] < total[least]) {
				next_least = least
				least = number
			} else if (next_least == "" || total[number] < total[next_least]) {
				next_least = number
			}
		}
		printf "%s", lines[least] >(out "/" name[i] ".stacks")
		off = percent(total[least], clock[i])
		verdict = off > 1 ? ": THEY DISAGREE" : ""
		printf "%s: %d instructions by the plugin, %d by the clock, %.2f %% apart%s; the next of %d runs: %.3f %% more\n",
			name[i], total[least], clock[i], off, verdict, runs,
			percent(total[next_least], total[least])
	}
}
