# SPDX-License-Identifier: GPL-2.0-only
# awk -f cheapest-html.awk cheapest.csv: a table for each memory, set of ways and access;
# patterns down, shares across.

BEGIN {
	FS = ","
	verb["write"] = "written"
	verb["read"] = "read"
	verb["read-write"] = "read, then written"
	colour["eager"] = "#d0ebff"
	colour["batched"] = "#ffe8cc"
	colour["eager-page"] = "#d3f9d8"
	colour["lazy"] = "#ffd8e4"
	colour["lazy/1"] = colour["lazy/auto"] = colour["lazy"]
	colour["lazy-pfn/1"] = colour["lazy-pfn/auto"] = "#fff3bf"
}

FNR == 1 { next }

{
	table = $1 FS $2 FS $3
	if (!(table in rows))
		tables[++nr_tables] = table
	if (!((table, $4) in seen)) {
		seen[table, $4] = 1
		row[table, ++rows[table]] = $4
	}
	if (!((table, $5 + 0) in share_seen)) {
		share_seen[table, $5 + 0] = 1
		share[table, ++shares[table]] = $5 + 0
	}
	cell[table, $4, $5 + 0] = sprintf("<td class=\"t\" style=\"background:%s\" title=\"%s\">%s <small>%.3f</small></td>",
		colour[$6], $8 == "" ? "" : sprintf("next: %s %.3f", $8, $9 / 1e6), $6, $7 / 1e6)
}

function sort_shares(table,	i, j, kept)
{
	for (i = 2; i <= shares[table]; i++) {
		kept = share[table, i]
		for (j = i - 1; j >= 1 && share[table, j] > kept; j--)
			share[table, j + 1] = share[table, j]
		share[table, j + 1] = kept
	}
}

function title(table,	part)
{
	split(table, part, FS)
	return sprintf("%s, %s%s", part[1] == "single pages" ? "Single pages that do not touch" : "Blocks of 2 MiB",
		verb[part[3]], part[2] == "all" ? "" : "; only ways whose pages may be referenced (O_DIRECT, futexes, growth)")
}

function print_cells(table, pattern,	s)
{
	printf "<tr><td>%s</td>", pattern
	for (s = 1; s <= shares[table]; s++)
		printf "%s", (table, pattern, share[table, s]) in cell ? cell[table, pattern, share[table, s]] : "<td></td>"
	print "</tr>"
}

function print_table(table, open,	i, s)
{
	sort_shares(table)
	printf "<details%s><summary>%s</summary><table><thead><tr><th>pattern</th>", open, title(table)
	for (s = 1; s <= shares[table]; s++)
		printf "<th class=\"t\">%s %%</th>", share[table, s]
	print "</tr></thead>"
	for (i = 1; i <= rows[table]; i++)
		print_cells(table, row[table, i])
	print "</table></details>"
}

# What is written comes first and open, the rest closed.
END {
	for (i = 1; i <= nr_tables; i++)
		if (tables[i] ~ /,write$/)
			print_table(tables[i], " open")
	for (i = 1; i <= nr_tables; i++)
		if (tables[i] !~ /,write$/)
			print_table(tables[i], "")
}
