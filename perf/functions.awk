# SPDX-License-Identifier: GPL-2.0-only
# Reads folded stacks, "PHASE;CALLER;FUNCTION COUNT", or with two counts, of `a` and `b`.
# Prints the functions with the most instructions, or with the largest differences, as
# many as `most` says: their own, and those of what they call along with them.

function add_own(f, x, y)
{
	if (!(f in own_x))
		functions[++nr] = f
	own_x[f] += x
	own_y[f] += y
	in_phase[frame[1], f] += x
}

# Once for each function, even if it called itself.
function add_along(n, x, y,    i, seen)
{
	for (i = 2; i <= n; i++) {
		if (!(frame[i] in seen)) {
			all_x[frame[i]] += x
			all_y[frame[i]] += y
		}
		seen[frame[i]]
	}
}

function add_caller(f, caller, x)
{
	called[f, caller] += x
	if (!(f in caller_of) || called[f, caller] > called[f, caller_of[f]])
		caller_of[f] = caller
}

function size(f)
{
	if (a == "")
		return own_x[f]
	return own_x[f] < own_y[f] ? own_y[f] - own_x[f] : own_x[f] - own_y[f]
}

function largest(    i, best)
{
	for (i = 1; i <= nr; i++)
		if (!(functions[i] in done) && (best == "" || size(functions[i]) > size(best)))
			best = functions[i]
	done[best]
	return best
}

{
	read_stack()
	add_own(frame[n], x, y)
	add_along(n, x, y)
	add_caller(frame[n], n > 2 ? frame[n - 1] : "-", x)
	sum_x += x
	sum_y += y
}

END {
	if (a == "")
		printf "%11s %6s  %11s %11s %11s  %11s  %s\n", "own", "share", "mmap", "touch",
			"munmap", "and callees", "function, most called by"
	else
		printf "%11s %11s %11s  %11s %11s  %s\n", a, b, "difference", a, b,
			"function (own; and callees)"
	for (i = 1; i <= most && i <= nr; i++) {
		f = largest()
		if (a == "")
			printf "%11d %4.1f %%  %11d %11d %11d  %11d  %s, %s\n", own_x[f],
				own_x[f] * 100 / sum_x, in_phase["mmap", f], in_phase["touch", f],
				in_phase["munmap", f], all_x[f], f, caller_of[f]
		else
			printf "%11d %11d %+11d  %11d %11d  %s\n", own_x[f], own_y[f],
				own_y[f] - own_x[f], all_x[f], all_y[f], f
	}
	if (a != "")
		printf "%11d %11d %+11d  %11s %11s  %s\n", sum_x, sum_y, sum_y - sum_x, "", "", "all"
}
