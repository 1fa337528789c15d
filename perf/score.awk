# SPDX-License-Identifier: GPL-2.0-only
# awk -f score.awk cells.csv cells.csv: the cells, with what else there is to say of
# each: the cost of the best fixed window (the cheapest of eager mapping in batches and every fixed
# window), the cost over it, the cost of the kernel's own eager mapping (the
# cheapest of eager and eager-page), and the part that the cell has in the targets.

BEGIN { FS = OFS = "," }

function at(name) { return $column[name] }

function key(layout)
{
	return layout FS at("bytes") FS at("pattern") FS at("share") FS at("access") FS at("threads") FS at("by")
}

function least(cost, k, value)
{
	if (!(k in cost) || value < cost[k])
		cost[k] = value
}

# A hint of single pages is only right where nothing else is nearly as good.
function right(hint, k)
{
	if (hint == "sequential")
		return at("nature") == "along"
	return at("nature") == "apart" && single[k] < 1.05 * best[k] && table[k] > 1.5 * best[k]
}

function part(k,	hint)
{
	if (at("strategy") !~ /^lazy-pfn\/auto$/ || at("layout") != "scattered")
		return ""
	hint = at("hint")
	if (hint != "none")
		return right(hint, k) ? "right" : "wrong"
	return at("history") == "first" ? "cold" : "repeated"
}

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	if (NR == 1)
		print $0, "best", "ratio", "kernel_eager", "part"
	next
}

NR == FNR {
	k = key(at("layout"))
	total = at("total")
	strategy = at("strategy")
	if (strategy == "batched" || strategy ~ /^lazy-pfn\/[0-9]+$/)
		least(best, k, total)
	if (strategy == "eager" || strategy == "eager-page")
		least(eager, k, total)
	if (strategy == "lazy-pfn/1")
		single[k] = total
	if (strategy == "lazy-pfn/512")
		table[k] = total
	next
}

{
	k = key(at("layout") == "own" ? "scattered" : at("layout"))
	ratio = k in best ? sprintf("%.4f", at("total") / best[k]) : ""
	print $0, best[k], ratio, eager[k], part(k)
}
