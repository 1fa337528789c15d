# SPDX-License-Identifier: GPL-2.0-only
# awk -f calibrate.awk here.csv cells.csv: what a thousand guest instructions of each
# kind of work take on the machine that here.csv is of, at best: NAME,NS.

BEGIN { FS = "," }

function at(name) { return $column[name] }

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	file++
}

$1 == "strategy" { next }

function least(cost, k, value)
{
	if (!((file, k) in cost) || value < cost[file, k])
		cost[file, k] = value
}

at("layout") == "own" && at("bytes") == 67108864 && at("pattern") == "sequential" && at("share") == 100 && at("threads") == 1 {
	k = at("strategy") FS at("access")
	least(mmap, k, at("mmap"))
	least(touch, k, at("touch"))
	least(munmap, k, at("munmap"))
}

function print_rate(name, native, guest)
{
	if (native > 0 && guest > 0)
		printf "%s,%.1f\n", name, native * 1000 / guest
}

END {
	print_rate("write fault", touch[1, "memfd,write"], touch[2, "memfd,write"])
	print_rate("read fault-around", touch[1, "memfd,read"], touch[2, "memfd,read"])
	print_rate("populate", mmap[1, "memfd-populate,write"], mmap[2, "memfd-populate,write"])
	print_rate("munmap", munmap[1, "memfd,write"], munmap[2, "memfd,write"])
	print_rate("anonymous write fault", touch[1, "anon,write"], touch[2, "anon,write"])
	print_rate("anonymous populate", mmap[1, "anon-populate,write"], mmap[2, "anon-populate,write"])
	print_rate("anonymous munmap", munmap[1, "anon,write"], munmap[2, "anon,write"])
}
