# SPDX-License-Identifier: GPL-2.0-only
# awk -v what=lost|full|axes -f html.awk scores.csv: tables of the report; full also as
# CSV, to the file `csv`.

BEGIN {
	FS = ","
	list = "batched eager eager-page lazy-pfn/1 lazy-pfn/16 lazy-pfn/512 lazy-pfn/auto lazy/1 lazy/auto memfd"
	columns = split(list, wanted, " ")
}

function at(name) { return $column[name] }

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	next
}

{ base = at("bytes") == 67108864 && at("access") == "write" && at("threads") == 1 && at("by") == "mmap" && at("layout") != "contiguous" }

what == "lost" && at("part") == "cold" {
	cells++
	lost_eager[cells] = at("total") > at("kernel_eager")
	if (at("ratio") > 1) {
		n++
		ratio[n] = at("ratio")
		row[n] = sprintf("<tr><td>%s</td><td>%s %%</td><td>%.3f</td><td>%.3f</td><td>%.2f</td><td>%.2f</td></tr>",
			at("pattern"), at("share"), at("total") / 1e6, at("best") / 1e6, at("ratio"),
			at("kernel_eager") ? at("total") / at("kernel_eager") : 0)
	}
}

# Pages beside the kernel's own pages, and beside the other ways to map struct pages.
what == "lost" && at("bytes") == 67108864 && at("hint") == "none" && at("by") == "mmap" {
	k = at("pattern") FS at("share") FS at("access")
	if (at("strategy") == "memfd")
		memfd[k] = at("total")
	else if (at("strategy") == "lazy/auto" && at("history") == "first")
		paged[k] = at("total")
	else if (at("strategy") == "eager-page" && at("layout") == "scattered")
		inserted[k] = at("total")
	else if (at("strategy") == "lazy/1" && at("layout") == "scattered")
		lone[k] = at("total")
}

what == "full" && base && at("hint") == "none" {
	if (at("strategy") ~ /auto$/ && at("history") != "first")
		next
	k = at("pattern") FS at("share")
	if (!(k in seen)) {
		seen[k] = 1
		keys[++n] = k
	}
	total[k, at("strategy")] = at("total")
	if (at("best") != "")
		best[k] = at("best")
}

what == "axes" {
	n++
	name = at("strategy")
	row[n] = sprintf("<tr><td>%s</td><td class=\"t\">%s</td><td>%d</td><td class=\"t\">%s</td><td>%s</td><td>%s</td><td class=\"t\">%s</td><td class=\"t\">%s</td><td>%s</td><td class=\"t\">%s</td>",
		name, at("layout"), at("bytes") / 1048576, at("pattern"), at("share"), at("access"), at("hint"), at("history"), at("threads"), at("by")) \
		sprintf("<td>%d</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td><td>%s</td><td>%s</td></tr>",
		at("faults"), at("table_kib"), at("mmap"), at("touch"), at("munmap"), at("total"), at("with_traps"), at("p50"), at("p99"),
		at("predicted_us"), at("ratio"))
}

function print_lost(	i, j, best, count)
{
	for (i = 1; i <= cells; i++)
		count += lost_eager[i]
	print "<h2>Where a learned window is not the cheapest</h2>"
	print_lost_to_memfd()
	print_lost_to_any()
	printf "<p>lazy-pfn with window auto, cold and without a hint, costs more than the best fixed window in %d of %d cells, and more than kernel eager in %d. The worst first; costs in million instructions.</p>\n",
		n, cells, count
	print "<details><summary>the cells</summary><table><thead><tr><th>pattern</th><th>share</th><th>auto</th><th>best fixed</th><th>/ best fixed</th><th>/ kernel eager</th></tr></thead>"
	for (i = 1; i <= n; i++) {
		best = 0
		for (j = 1; j <= n; j++)
			if (!done[j] && (!best || ratio[j] > ratio[best]))
				best = j
		done[best] = 1
		print row[best]
	}
	print "</table></details>"
}

function lesser(a, b)
{
	return b == "" || (a != "" && a + 0 < b + 0) ? a : b
}

function print_lost_to_any(	k, least, count, much, alone, compared)
{
	for (k in paged) {
		if (!(k in memfd))
			continue
		compared++
		alone += !(k in inserted) && !(k in lone)
		least = lesser(lesser(memfd[k], inserted[k]), lone[k])
		count += paged[k] > least
		much += paged[k] > 1.1 * least
	}
	printf "<p>It costs more than the cheapest of a memfd, vm_insert_pages at mmap and a page a fault in %d of these cells, in %d of them by more than 10 %%; in %d of the %d only the memfd was measured.</p>\n",
		count, much, alone, compared
}

function print_lost_to_memfd(	k, count, compared, text, part)
{
	for (k in paged) {
		if (!(k in memfd))
			continue
		compared++
		if (paged[k] <= memfd[k])
			continue
		count++
		split(k, part, FS)
		text = text sprintf("<tr><td>%s</td><td>%s %%</td><td class=\"t\">%s</td><td>%.3f</td><td>%.3f</td><td>%.2f</td></tr>\n",
			part[1], part[2], part[3], paged[k] / 1e6, memfd[k] / 1e6, paged[k] / memfd[k])
	}
	printf "<p>lazy with window auto, cold, costs more than a memfd of the same page size in %d of %d cells.</p>\n", count, compared
	if (count)
		print "<details><summary>the cells</summary><table><thead><tr><th>pattern</th><th>share</th><th>access</th><th>lazy</th><th>memfd</th><th>lazy / memfd</th></tr></thead>" text "</table></details>"
}

function mark(k, strategy)
{
	if (!(k in best))
		return ""
	if (total[k, strategy] <= best[k] * 1.02)
		return " class=\"best\""
	return total[k, strategy] > best[k] * 2 ? " class=\"lost\"" : ""
}

# As it is printed, but for the rounding.
function write_full(	i, j, line)
{
	line = "pattern,share_percent,best_fixed"
	for (j = 1; j <= columns; j++)
		line = line FS wanted[j]
	print line >csv
	for (i = 1; i <= n; i++) {
		line = keys[i] FS best[keys[i]]
		for (j = 1; j <= columns; j++)
			line = line FS total[keys[i], wanted[j]]
		print line >csv
	}
}

function print_full(	i, j, part)
{
	print "<h2>Patterns, shares, strategies: 64 MiB of single pages, written</h2>"
	print "<p>Million instructions. Green: within 2 % of the best fixed window; red: more than twice of it.</p>"
	printf "<table><thead><tr><th>pattern</th><th>share</th><th>best fixed</th>"
	for (j = 1; j <= columns; j++)
		printf "<th>%s</th>", wanted[j]
	print "</tr></thead>"
	for (i = 1; i <= n; i++) {
		split(keys[i], part, FS)
		printf "<tr><td>%s</td><td>%s %%</td><td>%s</td>", part[1], part[2],
			keys[i] in best ? sprintf("%.3f", best[keys[i]] / 1e6) : ""
		for (j = 1; j <= columns; j++) {
			if ((keys[i], wanted[j]) in total)
				printf "<td%s>%.3f</td>", mark(keys[i], wanted[j]), total[keys[i], wanted[j]] / 1e6
			else
				printf "<td></td>"
		}
		print "</tr>"
	}
	print "</table>"
}

function print_axes(	i)
{
	print "<h2>Every cell</h2><details><summary>all columns</summary>"
	print "<table><thead><tr><th>strategy</th><th>layout</th><th>MiB</th><th>pattern</th><th>%</th><th>access</th><th>hint</th><th>history</th><th>threads</th><th>by</th><th>faults</th><th>tables KiB</th><th>mmap</th><th>touch</th><th>munmap</th><th>total</th><th>with traps</th><th>p50</th><th>p99</th><th>predicted µs</th><th>/ best fixed</th></tr></thead>"
	for (i = 1; i <= n; i++)
		print row[i]
	print "</table></details>"
}

END {
	if (what == "lost")
		print_lost()
	else if (what == "full") {
		print_full()
		write_full()
	}
	else if (what == "axes")
		print_axes()
}
