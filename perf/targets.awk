# SPDX-License-Identifier: GPL-2.0
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

at("bytes") != 67108864 || at("access") != "write" || at("threads") != 1 { next }

{
	cell = at("pattern") " " at("share") " %"
	strategy = at("strategy")
	total = at("total")
}

at("part") != "" && at("ratio") != "" {
	p = at("part")
	f = at("family")
	families[f] = 1
	logs[p, f] += log(at("ratio"))
	count[p, f]++
	worst(p, at("ratio"), cell)
}

at("part") == "cold" && at("share") == 0.2 {
	worst("sparse eager", over(total, at("kernel_eager")), cell)
	cold[cell] = total
}

at("part") == "cold" { cold[cell] = total }
at("hint") != "none" { next }
at("layout") == "scattered" && strategy == "batched" { batched[cell] = total }
at("layout") == "scattered" && strategy ~ /^lazy-pfn\/auto$/ { eager[cell] = at("kernel_eager") }
at("layout") == "scattered" && strategy == "lazy" { lazy[cell] = total }
strategy == "memfd" { memfd[cell] = total }
at("layout") == "contiguous" { apart[strategy, cell] = total; least[cell] = at("kernel_eager") }

END {
	full = "sequential 100 %"
	touch = "stride-512 0.2 %"
	auto = "lazy-pfn/auto"
	judge(1, "kernel eager / lazy-pfn, 2 MiB blocks, all touched", ">=", 15, over(least[full], apart[auto, full]), full)
	judge(1, "eager by PMDs / lazy-pfn, 2 MiB blocks, all touched", ">=", 1, over(apart["batched", full], apart[auto, full]), full)
	judge(1, "kernel eager / lazy-pfn, one touch per 2 MiB", ">=", 35, over(least[touch], apart[auto, touch]), touch)
	judge(1, "kernel eager / lazy, 2 MiB blocks, all touched", ">=", 8, over(least[full], apart["lazy", full]), full)
	judge(1, "kernel eager / lazy, one touch per 2 MiB", ">=", 10, over(least[touch], apart["lazy", touch]), touch)
	for (c in cold)
		if (c ~ / 0\.2 %$/)
			worst("sparse batched", over(cold[c], batched[c]), c)
	judge(2, "lazy-pfn / kernel eager, single pages, all touched", "<=", 0.30, over(cold[full], eager[full]), full)
	judge(2, "lazy-pfn / batched eager, single pages, all touched", "<=", 1.05, over(cold[full], batched[full]), full)
	judge(2, "lazy-pfn / kernel eager, 0.2 % touched, worst pattern", "<=", 0.10, most["sparse eager"], place["sparse eager"])
	judge(2, "lazy-pfn / batched eager, 0.2 % touched, worst pattern", "<=", 0.20, most["sparse batched"], place["sparse batched"])
	judge(3, "window auto / best fixed window, cold, mean", "<=", 1.15, mean("cold"), "")
	judge(3, "window auto / best fixed window, cold, worst", "<=", 1.58, most["cold"], place["cold"])
	judge(3, "window auto / best fixed window, right hint, mean", "<=", 1.05, mean("right"), "")
	judge(3, "window auto / best fixed window, right hint, worst", "<=", 1.10, most["right"], place["right"])
	judge(3, "window auto / best fixed window, repeated, mean", "<=", 1.05, mean("repeated"), "")
	judge(3, "window auto / best fixed window, repeated, worst", "<=", 1.10, most["repeated"], place["repeated"])
	judge(3, "window auto / best fixed window, wrong hint, worst", "<=", 2.00, most["wrong"], place["wrong"])
	for (c in lazy)
		worst("lazy", over(lazy[c], memfd[c]), c)
	judge(4, "lazy page by page / memfd, all touched", "<=", 0.85, over(lazy[full], memfd[full]), full)
	judge(4, "lazy page by page / memfd, worst of all cells", "<=", 0.85, most["lazy"], place["lazy"])
}
