# SPDX-License-Identifier: GPL-2.0-only
# awk -f targets.awk scores.csv: what the bench must reach, and whether it does.
# Prints TARGET;WHAT;WANTED;FIGURE;VERDICT, and where the worst cell is.

BEGIN { FS = "," }

function at(name) { return $column[name] }

function judge(number, what, sign, wanted, figure, where)
{
	if (figure == "")
		verdict = "not measured"
	else if (sign == ">=" ? figure >= wanted : figure <= wanted)
		verdict = "met"
	else
		verdict = "missed"
	printf "%s;%s;%s %.2f;%s;%s;%s\n", number, what, sign, wanted,
		figure == "" ? "-" : sprintf("%.3f", figure), verdict, where
}

function over(a, b) { return a > 0 && b > 0 ? a / b : "" }

function worst(kind, value, where)
{
	if (value == "" || (kind in most) && most[kind] >= value)
		return
	most[kind] = value
	place[kind] = where
}

# Mean of each family's mean: nine strides are one pattern with a parameter.
function mean(part,	f, sum, n)
{
	for (f in families) {
		if (!((part, f) in logs))
			continue
		sum += logs[part, f] / count[part, f]
		n++
	}
	return n ? exp(sum / n) : ""
}

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	next
}

at("bytes") != 67108864 || at("threads") != 1 || at("by") != "mmap" { next }

{
	cell = at("pattern") " " at("share") " %"
	strategy = at("strategy")
	access = at("access")
	total = at("total")
}

access == "write" && at("part") != "" && at("ratio") != "" {
	p = at("part")
	f = at("family")
	families[f] = 1
	logs[p, f] += log(at("ratio"))
	count[p, f]++
	worst(p, at("ratio"), cell)
}

at("part") == "cold" { cold[access, cell] = total }
at("hint") != "none" { next }
at("layout") == "scattered" && strategy == "batched" { batched[access, cell] = total }
at("layout") == "scattered" && strategy == "lazy-pfn/auto" { eager[access, cell] = at("kernel_eager") }
at("layout") == "scattered" && strategy == "eager-page" { inserted[access, cell] = total }
at("layout") == "scattered" && strategy == "lazy/1" { lone[access, cell] = total }
strategy == "lazy/auto" && at("history") == "first" { lazy[access, cell] = total }
strategy == "memfd" { memfd[access, cell] = total }
at("layout") == "contiguous" {
	apart[access, strategy, cell] = total
	least[access, cell] = at("kernel_eager")
}
strategy == "tmpfs-huge" { apart[access, strategy, cell] = total }

# Whatever is done with a page, the same is asked.
function judge_access(a, title,	c, full, touch, rare, auto, key)
{
	full = "sequential 100 %"
	touch = "stride-512 0.2 %"
	rare = "random 0.2 %"
	auto = "lazy-pfn/auto"
	judge(1, "kernel eager / lazy-pfn, 2 MiB blocks, all " title, ">=", 15, over(least[a, full], apart[a, auto, full]), full)
	judge(1, "batched / lazy-pfn, 2 MiB blocks, all " title, ">=", 1, over(apart[a, "batched", full], apart[a, auto, full]), full)
	judge(1, "kernel eager / lazy-pfn, one page per 2 MiB " title, ">=", 35, over(least[a, touch], apart[a, auto, touch]), touch)
	judge(1, "kernel eager / lazy, 2 MiB blocks, all " title, ">=", 8, over(least[a, full], apart[a, "lazy", full]), full)
	judge(1, "kernel eager / lazy, one page per 2 MiB " title, ">=", 10, over(least[a, touch], apart[a, "lazy", touch]), touch)
	judge(1, "tmpfs-huge / lazy, 2 MiB blocks, all " title, ">=", 1, over(apart[a, "tmpfs-huge", full], apart[a, "lazy", full]), full)
	for (key in cold) {
		split(key, c, SUBSEP)
		if (c[1] != a || c[2] !~ / 0\.2 %$/)
			continue
		worst("sparse eager " a, over(cold[key], eager[key]), c[2])
		worst("sparse batched " a, over(cold[key], batched[key]), c[2])
	}
	judge(2, "lazy-pfn / kernel eager, single pages, all " title, "<=", 0.30, over(cold[a, full], eager[a, full]), full)
	judge(2, "lazy-pfn / batched, single pages, all " title, "<=", 1.05, over(cold[a, full], batched[a, full]), full)
	judge(2, "lazy-pfn / kernel eager, worst 0.2 % " title, "<=", 0.10, most["sparse eager " a], place["sparse eager " a])
	judge(2, "lazy-pfn / batched, worst 0.2 % " title, "<=", 0.20, most["sparse batched " a], place["sparse batched " a])
	for (key in lazy) {
		split(key, c, SUBSEP)
		if (c[1] == a)
			worst("lazy " a, over(lazy[key], memfd[key]), c[2])
	}
	judge(4, "lazy / memfd, single pages, all " title, "<=", a == "write" ? 0.30 : 0.85, over(lazy[a, full], memfd[a, full]), full)
	judge(4, "lazy / memfd, single pages, worst cell " title, "<=", 1, most["lazy " a], place["lazy " a])
	judge(4, "lazy / vm_insert_pages, all " title, "<=", 1.05, over(lazy[a, full], inserted[a, full]), full)
	judge(4, "lazy / page by page, 0.2 % at random " title, "<=", 1.10, over(lazy[a, rare], lone[a, rare]), rare)
}

END {
	judge_access("write", "written")
	judge_access("read", "read")
	judge_access("read-write", "read and written")
	judge(3, "window auto / best fixed window, cold, mean", "<=", 1.15, mean("cold"), "")
	judge(3, "window auto / best fixed window, cold, worst", "<=", 1.58, most["cold"], place["cold"])
	judge(3, "window auto / best fixed window, right hint, mean", "<=", 1.05, mean("right"), "")
	judge(3, "window auto / best fixed window, right hint, worst", "<=", 1.10, most["right"], place["right"])
	judge(3, "window auto / best fixed window, repeated, mean", "<=", 1.05, mean("repeated"), "")
	judge(3, "window auto / best fixed window, repeated, worst", "<=", 1.10, most["repeated"], place["repeated"])
	judge(3, "window auto / best fixed window, wrong hint, worst", "<=", 2.00, most["wrong"], place["wrong"])
}
