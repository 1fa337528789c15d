# SPDX-License-Identifier: GPL-2.0-only
# differ.awk KNOWN.tap OTHER.tap: where tests that ran on both noted other outcomes, as
# PROGRAM TEST|NODE, NODE...|OPERATION|OUTCOME|KNOWN OUTCOME; in all, how many were compared.

function compare(cell, node, outcome,	key)
{
	if (!((cell, node) in known))
		return
	compared++
	if (known[cell, node] == outcome)
		return
	key = cell SUBSEP outcome SUBSEP known[cell, node]
	if (!(key in nodes))
		keys[++count] = key
	nodes[key] = nodes[key] (nodes[key] == "" ? "" : ", ") node
}

function settle(verdict,	i, part, cell)
{
	for (i = 1; i <= pending && verdict !~ /# SKIP/; i++) {
		split(notes[i], part, "|")
		sub(/ +$/, "", part[5])
		cell = program " " part[2] SUBSEP part[4]
		if (files == 1)
			known[cell, part[3]] = part[5]
		else
			compare(cell, part[3], part[5])
	}
	pending = 0
}

FNR == 1		{ files++ }
			{ sub(/\r$/, "") }
/^# selftests: /	{ program = $NF; pending = 0; next }
/^# # +RUN +/		{ pending = 0 }
/^# # saw\|/		{ notes[++pending] = $0; next }
/^# (not )?ok /		{ settle($0) }

END {
	for (i = 1; i <= count; i++) {
		split(keys[i], part, SUBSEP)
		print part[1] "|" nodes[keys[i]] "|" part[2] "|" part[3] "|" part[4]
	}
	print compared + 0
}
