# SPDX-License-Identifier: GPL-2.0-only
# awk -v unit=UNIT -f ways.awk ways.csv: what the cells of compare.plan cost.

BEGIN {
	FS = ","
	rows = split("contiguous eager;contiguous batched;contiguous eager-page;contiguous lazy;contiguous lazy-populate;contiguous lazy-pfn;own tmpfs-huge;" \
		     "scattered eager;scattered batched;scattered eager-page;scattered lazy/1;scattered lazy;scattered lazy after all;scattered lazy-populate;scattered lazy-pfn;scattered lazy-pfn after all;own memfd;own memfd-populate;own anon", row, ";")
	title["contiguous eager"] = "2 MiB blocks: remap_pfn_range"
	title["contiguous batched"] = "  batched (PMDs from 6.12)"
	title["contiguous eager-page"] = "  vm_insert_pages"
	title["contiguous lazy"] = "  lazy (folios from 6.12)"
	title["contiguous lazy-populate"] = "  lazy, populated by madvise"
	title["contiguous lazy-pfn"] = "  lazy-pfn (PMDs from 6.12)"
	title["own tmpfs-huge"] = "  tmpfs, huge=always"
	title["scattered eager"] = "single pages: remap_pfn_range"
	title["scattered batched"] = "  batched, by page tables"
	title["scattered eager-page"] = "  vm_insert_pages"
	title["scattered lazy/1"] = "  lazy, a page a fault"
	title["scattered lazy"] = "  lazy, learning its window"
	title["scattered lazy after all"] = "    after all were touched"
	title["scattered lazy-populate"] = "  lazy, populated by madvise"
	title["scattered lazy-pfn"] = "  lazy-pfn, learning it too"
	title["scattered lazy-pfn after all"] = "    after all were touched"
	title["own memfd"] = "  memfd"
	title["own memfd-populate"] = "  memfd, populated by madvise"
	title["own anon"] = "  anon"
}

function at(name) { return $column[name] }

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	next
}

{
	way = at("layout") " " at("strategy") (at("history") == "all" ? " after all" : "")
	use = at("by") == "fork" ? "fork" : at("touched") == 1 ? "once" : at("access")
	x = use == "once" ? at("bytes") / 1048576 : at("share")
	cost[way, use, x] = at("total")
	begin[way, use, x] = at("mmap")
	touch[way, use, x] = at("touch")
	end[way, use, x] = at("munmap")
	faults[way, use, x] = at("faults")
	seen[way, use] = 1
}

# Four digits, as far as they go.
function number(value)
{
	return value < 9.9995 ? sprintf("%.3f", value) : value < 99.995 ? sprintf("%.2f", value) : sprintf("%.1f", value)
}

function million(array, way, use, x)
{
	return (way, use, x) in array ? number(array[way, use, x] / 1e6) : "-"
}

# Whether there is anything to say of a way; then its title is printed.
function begin_row(way, use)
{
	if (!((way, use) in seen))
		return 0
	printf "%-30s", title[way]
	return 1
}

function print_accesses(	i, a, s, accesses, access, shares, share)
{
	accesses = split("write read read-write", access, " ")
	shares = split("0.2 5 100", share, " ")
	printf "\nWays to map, 64 MiB, pages touched at random, in %s:\n\n%-30s", unit, ""
	printf " %-20s %-20s %-20s\n%-30s", "written", "read", "read, then written", ""
	for (a = 1; a <= accesses; a++)
		for (s = 1; s <= shares; s++)
			printf " %6s", share[s] "%"
	print ""
	for (i = 1; i <= rows; i++) {
		if (!begin_row(row[i], "write"))
			continue
		for (a = 1; a <= accesses; a++)
			for (s = 1; s <= shares; s++)
				printf " %6s", million(cost, row[i], access[a], share[s])
		print ""
	}
}

function print_once(	i, s, sizes, size)
{
	sizes = split("2 64 512", size, " ")
	printf "\nA single touch of a mapping of so many MiB, and how much of that munmap takes:\n\n%-30s", ""
	for (s = 1; s <= sizes; s++)
		printf " %15s", size[s] " MiB"
	print ""
	for (i = 1; i <= rows; i++) {
		if (!begin_row(row[i], "once"))
			continue
		for (s = 1; s <= sizes; s++)
			printf " %7s %7s", million(cost, row[i], "once", size[s]), million(end, row[i], "once", size[s])
		print ""
	}
}

function print_fork(	i, s, shares, share)
{
	shares = split("5 100", share, " ")
	printf "\nA child inherits a mapping, touches the same pages as its parent did, and exits;\n"
	printf "fork and exit without what they cost without the mapping. Where frames are mapped\n"
	printf "by PMDs, the driver unmaps them at fork, and the parent has as many faults again:\n\n%-30s", ""
	for (s = 1; s <= shares; s++)
		printf " %30s", share[s] "% written"
	printf "\n%-30s", ""
	for (s = 1; s <= shares; s++)
		printf " %7s %7s %7s %6s", "fork", "touch", "exit", "faults"
	print ""
	for (i = 1; i <= rows; i++) {
		if (!begin_row(row[i], "fork"))
			continue
		for (s = 1; s <= shares; s++)
			printf " %7s %7s %7s %6s", million(begin, row[i], "fork", share[s]),
				million(touch, row[i], "fork", share[s]), million(end, row[i], "fork", share[s]),
				faults[row[i], "fork", share[s]]
		print ""
	}
}

END {
	print_accesses()
	print_once()
	print_fork()
}
