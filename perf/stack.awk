# SPDX-License-Identifier: GPL-2.0-only
# For other programs, with -f: a line of folded stacks, "PHASE;CALLER;FUNCTION COUNT", or
# with two counts if `b` names the second.

# Leaves the stack in $0, its `n` frames in `frame`, and the counts in `x` and `y`.
function read_stack()
{
	y = 0
	x = take_count()
	if (b != "") {
		y = x
		x = take_count()
	}
	n = split($0, frame, ";")
}

function take_count(	count)
{
	count = $NF
	sub(/ [0-9]+$/, "")
	return count
}
