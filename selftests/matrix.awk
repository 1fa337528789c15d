# SPDX-License-Identifier: GPL-2.0-only
# Makes notes/matrix.md of KTAP from the kselftest runner: a file for each of
# `kernels`, in that order. The lines "saw|TEST|NODE|ROW|OUTCOME" of a test belong
# to the verdict that follows them. A node is MEMORY-STRATEGY, and a variant of a
# fixture has its name, with "_" for "-"; a test without variants notes for many
# nodes. A test that does not apply notes "-". With `csv`, the outcomes go there, too, one
# a line.

BEGIN {
	kernel_count = split(kernels, kernel_names, " ")
	strategy_count = split("eager eager-page lazy-pfn lazy", strategies, " ")
	for (i = 1; i <= strategy_count; i++)
		known[strategies[i]] = 1
}

function complain(text)
{
	print "matrix: " text >"/dev/stderr"
	complaints++
}

function add_note(text, test, variant,	part, node, row, cell)
{
	split(text, part, "|")
	node = part[3]
	if (part[2] != test || (variant && node != variant))
		complain(kernel ": " program " " test " of " variant \
			": noted as " part[2] " of " node)
	see_node(node)
	if (part[4] == "-") {
		exempt[kernel, program, test, node] = 1
		return
	}
	row = program SUBSEP test SUBSEP part[4]
	cell = kernel SUBSEP row SUBSEP node
	sub(/ +$/, "", part[5])
	if (!(row in rows))
		row_names[++row_count] = row
	rows[row] = 1
	noting[program] = 1
	if (cell in outcomes && outcomes[cell] != part[5])
		complain(kernel ": " program " " test " of " node \
			": two outcomes: " part[4])
	outcomes[cell] = part[5]
}

# "ok 7 NAME", "not ok ...", "... # SKIP why", where 6.1 leaves out the name
function end_of_test(line,	verdict, name, parts, node, i)
{
	verdict = line ~ /# SKIP/ ? "not run" : line ~ /^not/ ? "FAILED" : "ran"
	parts = split(running, name, ".")
	node = parts == 3 && name[2] ~ /_/ ? name[2] : ""
	gsub(/_/, "-", node)
	if (node)
		see_node(node)
	verdicts[kernel, program, name[parts], node] = verdict
	for (i = 1; i <= pending; i++)
		if (verdict == "ran" || notes[i] ~ /\|-$/)
			add_note(notes[i], name[parts], node)
	pending = 0
}

# In which order they come is what the matrix keeps.
function see_node(node)
{
	if ((program, node) in seen)
		return
	seen[program, node] = 1
	seen_in[++seen_count] = program
	seen_nodes[seen_count] = node
}

FNR == 1		{ kernel = kernel_names[++files]; pending = 0 }
			{ sub(/\r$/, "") }
/^# selftests: /	{ program = $NF; pending = 0; next }
/^# # +RUN +/		{ running = $4; pending = 0 }
/^# # saw\|/		{ notes[++pending] = substr($0, 5); next }
/^# (not )?ok /		{ end_of_test(substr($0, 3)) }

function add_node(node,	kind, strategy)
{
	if (node in strategy_of)
		return
	kind = node
	sub(/-.*/, "", kind)
	strategy = substr(node, length(kind) + 2)
	node_names[++node_count] = node
	strategy_of[node] = strategy
	if (!(kind in kinds))
		kind_names[++kind_count] = kind
	kinds[kind] = 1
	if (!(strategy in known))
		strategies[++strategy_count] = strategy
	known[strategy] = 1
}

# What ran in the programs that note anything, whether it noted something or not.
function add_nodes(	i)
{
	for (i = 1; i <= seen_count; i++)
		if (seen_in[i] in noting)
			add_node(seen_nodes[i])
}

function check_cell(kernel, row, node,	part, verdict, missing)
{
	if ((kernel, row, node) in outcomes)
		return
	split(row, part, SUBSEP)
	if ((kernel, part[1], part[2], node) in exempt) {
		outcomes[kernel, row, node] = "-"
		return
	}
	verdict = "not run"
	if ((kernel, part[1], part[2], node) in verdicts)
		verdict = verdicts[kernel, part[1], part[2], node]
	else if ((kernel, part[1], part[2], "") in verdicts)
		verdict = verdicts[kernel, part[1], part[2], ""]
	if (verdict == "ran")
		verdict = "noted nothing of: " part[3]
	missing = kernel ": " part[1] " " part[2] ": " verdict
	if (!(missing in missed))
		misses[++miss_count] = missing
	if (!index(missed[missing] " ", " " node " "))
		missed[missing] = missed[missing] " " node
}

# Every operation was seen for each node on each kernel, or there is no matrix.
function check_cells(	k, r, n)
{
	for (k = 1; k <= kernel_count; k++)
		for (r = 1; r <= row_count; r++)
			for (n = 1; n <= node_count; n++)
				check_cell(kernel_names[k], row_names[r], node_names[n])
	for (k = 1; k <= miss_count; k++)
		complain(misses[k] ":" missed[misses[k]])
}

# The outcome of most kernels, of the newer ones at a tie; then those that differ.
function join_kernels(row, node,	k, text, count, names, list, lists, usual, joined)
{
	for (k = 1; k <= kernel_count; k++) {
		text = outcomes[kernel_names[k], row, node]
		if (!count[text]++)
			list[++lists] = text
		names[text] = names[text] (names[text] ? ", " : "") kernel_names[k]
		usual = text
	}
	for (k = 1; k <= lists; k++)
		if (count[list[k]] > count[usual])
			usual = list[k]
	joined = usual
	for (k = 1; k <= lists; k++)
		if (list[k] != usual)
			joined = joined "; " names[list[k]] ": " list[k]
	return joined
}

function join_cells(	r, n)
{
	for (r = 1; r <= row_count; r++)
		for (n = 1; n <= node_count; n++)
			cells[row_names[r], node_names[n]] = \
				join_kernels(row_names[r], node_names[n])
}

# Where both kinds have a strategy, their cells of this row are equal.
function same_row(row, kind, other,	s, one, two)
{
	for (s = 1; s <= strategy_count; s++) {
		one = kind "-" strategies[s]
		two = other "-" strategies[s]
		if (one in strategy_of && two in strategy_of &&
		    cells[row, one] != cells[row, two])
			return 0
	}
	return 1
}

function same_rows(kind, other,	r)
{
	for (r = 1; r <= row_count; r++)
		if (!same_row(row_names[r], kind, other))
			return 0
	return 1
}

# A kind shares the table of the first one that it does not differ from.
function group_kinds(	k, g)
{
	for (k = 1; k <= kind_count; k++) {
		for (g = 1; g <= group_count; g++)
			if (same_rows(kind_names[k], leaders[g]))
				break
		if (g > group_count)
			leaders[++group_count] = kind_names[k]
		group_of[kind_names[k]] = g
	}
}

# The strategies of a kind; for no kind, those of the group; for no group, all.
function strategies_of(group, kind,	s, k, found, list)
{
	for (s = 1; s <= strategy_count; s++) {
		found = 0
		for (k = 1; k <= kind_count; k++)
			if ((!group || group_of[kind_names[k]] == group) &&
			    (kind == "" || kind == kind_names[k]) &&
			    (kind_names[k] "-" strategies[s]) in strategy_of)
				found = 1
		if (found)
			list = list (list ? " " : "") strategies[s]
	}
	return list
}

function node_in(group, strategy,	k)
{
	for (k = 1; k <= kind_count; k++)
		if (group_of[kind_names[k]] == group &&
		    (kind_names[k] "-" strategy) in strategy_of)
			return kind_names[k] "-" strategy
}

function print_head()
{
	print "<!-- SPDX-" "License-Identifier: GPL-2.0-only -->"
	print "# What each operation does"
	print ""
	print "* **For** authors of drivers and programs who need to know one operation's outcome."
	print "* **Answers:** What does this system call or touch do to a mapping, for each strategy, kind of memory and kernel?"
	print ""
	print "`make matrix` writes this page from what the selftests noted when they ran, so do not edit it. Kernels:"
	print "Debian's " join_list(kernel_names, kernel_count) \
		". No table shows `coherent` memory, memory on demand or batched mappings."
	print ""
	print "Each row is an operation, each column a strategy: how and when the driver maps"
	print "([README](../README.md#nodes)). Buffers have 16 pages and are private ones, except a device's,"
	print "which is a node's. Mappings are shared and writable unless the row says otherwise. The last column"
	print "names the test that does the operation; [choosing.md](choosing.md) says what follows for a driver."
	print ""
	print "* `works`: it succeeded, and what was read is what should be there."
	print "* `ENOMEM`, `SIGBUS`, ...: the error of the call, or, where memory was touched, the signal."
	print "* `4 faults`: the driver's fault handler was called four times meanwhile; `refaults`: for pages that"
	print "  had been mapped before."
	print "* `works; 6.1: ENOMEM`: what follows a kernel's name is the outcome there; what stands first is the"
	print "  outcome on all others."
	print "* `-`: the operation has no meaning for this memory; the test says why."
	print ""
	print "The lazy strategies map one page for a fault here (`window=1`); with larger windows they fault less often."
	print ""
	print "Kinds of memory that do not differ share a table. Where a kind lacks a strategy, the driver"
	print "refuses the pair (`ioctl_test` unsupported_pairs)."
}

function join_list(list, count,	i, text)
{
	for (i = 1; i <= count; i++)
		text = text (i == 1 ? "" : i == count ? " and " : ", ") list[i]
	return text
}

function print_group_head(group,	k, title, all, own)
{
	all = strategies_of(0, "")
	for (k = 1; k <= kind_count; k++)
		if (group_of[kind_names[k]] == group)
			title = title (title ? ", " : "") kind_names[k]
	print "\n## Memory: " title
	for (k = 1; k <= kind_count; k++) {
		if (group_of[kind_names[k]] != group)
			continue
		own = strategies_of(group, kind_names[k])
		if (own != all) {
			gsub(/ /, "`, `", own)
			print "\nOf `" kind_names[k] "` memory there are only `" own "`."
		}
	}
	if (group > 1)
		print_differences(group)
}

function print_differences(group,	r, part)
{
	print "\nNot as `" leaders[1] "` memory:\n"
	for (r = 1; r <= row_count; r++) {
		if (same_row(row_names[r], leaders[group], leaders[1]))
			continue
		split(row_names[r], part, SUBSEP)
		print "* " part[3] " (`" part[1] "` " part[2] ")"
	}
}

function print_section_head(group, program,	title, count, list, s, line)
{
	title = program
	sub(/_test$/, "", title)
	count = split(strategies_of(group, ""), list, " ")
	line = "| operation |"
	for (s = 1; s <= count; s++)
		line = line " " list[s] " |"
	print "\n### " title "\n"
	print line " [" program "](../selftests/" program ".c) |"
	gsub(/[^|]+/, "---", line)
	print line "---|"
}

function print_row(group, row,	part, count, list, s, node, line, anchor)
{
	split(row, part, SUBSEP)
	count = split(strategies_of(group, ""), list, " ")
	line = "| " part[3] " |"
	for (s = 1; s <= count; s++) {
		node = node_in(group, list[s])
		line = line " " cells[row, node] " |"
	}
	anchor = leaders[group] "." part[1] "." part[2]
	if (!(anchor in anchors))
		part[2] = "<a id=\"" anchor "\"></a>" part[2]
	anchors[anchor] = 1
	print line " " part[2] " |"
}

function applies(group, row,	s)
{
	for (s = 1; s <= strategy_count; s++)
		if (node_in(group, strategies[s]) &&
		    cells[row, node_in(group, strategies[s])] != "-")
			return 1
	return 0
}

function print_group(group,	r, part, last)
{
	print_group_head(group)
	for (r = 1; r <= row_count; r++) {
		if (!applies(group, row_names[r]))
			continue
		split(row_names[r], part, SUBSEP)
		if (part[1] != last)
			print_section_head(group, part[1])
		last = part[1]
		print_row(group, row_names[r])
	}
}

function quoted(text)
{
	gsub(/"/, "\"\"", text)
	return "\"" text "\""
}

function write_csv(	k, r, n, part)
{
	print "kernel,memory,strategy,program,test,operation,outcome" >csv
	for (r = 1; r <= row_count; r++) {
		split(row_names[r], part, SUBSEP)
		for (n = 1; n <= node_count; n++)
			for (k = 1; k <= kernel_count; k++)
				printf "%s,%s,%s,%s,%s,%s,%s\n", kernel_names[k],
					substr(node_names[n], 1, index(node_names[n], "-") - 1),
					strategy_of[node_names[n]], part[1], part[2], quoted(part[3]),
					quoted(outcomes[kernel_names[k], row_names[r], node_names[n]]) >csv
	}
}

END {
	add_nodes()
	check_cells()
	if (!row_count)
		complain("no test noted anything")
	if (complaints)
		exit 1
	join_cells()
	group_kinds()
	print_head()
	for (g = 1; g <= group_count; g++)
		print_group(g)
	if (csv != "")
		write_csv()
}
