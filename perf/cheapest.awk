# SPDX-License-Identifier: GPL-2.0-only
# awk -f cheapest.awk scores.csv: as CSV, for each memory, access, pattern and share the
# cheapest way to map, and the next: of all ways, and of those whose pages may be
# referenced. Windows are page by page or learned: which fixed one is best, only who
# knows all touches can tell.

BEGIN {
	FS = OFS = ","
	list("frames", "eager batched lazy-pfn/1 lazy-pfn/auto")
	list("pages", "eager-page lazy/1 lazy/auto lazy")
	print "memory", "ways", "access", "pattern", "share_percent", "way", "instructions", "next_way", "next_instructions"
}

function list(kind, names,	i, n, name)
{
	n = split(names, name, " ")
	for (i = 1; i <= n; i++)
		kind_of[name[i]] = kind
}

function at(name) { return $column[name] }

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	next
}

at("bytes") != 67108864 || at("threads") != 1 || at("by") != "mmap" || at("hint") != "none" { next }
!(at("strategy") in kind_of) { next }
at("strategy") ~ /auto$/ && at("history") == "repeated" { next }

{
	memory = at("layout") == "contiguous" ? "2 MiB blocks" : "single pages"
	consider("all")
	if (kind_of[at("strategy")] == "pages")
		consider("by page")
}

function consider(ways,	k, total)
{
	k = memory OFS ways OFS at("access") OFS at("pattern") OFS at("share")
	total = at("total")
	if (!(k in least))
		key[++n] = k
	if (!(k in least) || total < least[k]) {
		next_way[k] = way[k]
		second[k] = least[k]
		way[k] = at("strategy")
		least[k] = total
	} else if (second[k] == "" || total < second[k]) {
		next_way[k] = at("strategy")
		second[k] = total
	}
}

END {
	for (i = 1; i <= n; i++)
		print key[i], way[key[i]], least[key[i]], next_way[key[i]], second[key[i]]
}
