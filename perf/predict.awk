# SPDX-License-Identifier: GPL-2.0-only
# awk -f predict.awk rates.csv scores.csv: the scores with a column more, the
# predicted time in microseconds: each phase by the rate of the work most like it.

BEGIN { FS = OFS = "," }

function at(name) { return $column[name] }

FILENAME == ARGV[1] {
	rate[$1] = $2 / 1000
	next
}

FNR == 1 {
	for (i = 1; i <= NF; i++)
		column[$i] = i
	print $0, "predicted_us"
	next
}

{
	fault = at("access") == "read" ? "read fault-around" : "write fault"
	if (!("populate" in rate) || !(fault in rate) || !("munmap" in rate)) {
		print $0, ""
		next
	}
	ns = at("mmap") * rate["populate"] + at("touch") * rate[fault] + at("munmap") * rate["munmap"]
	print $0, sprintf("%.1f", ns / 1000)
}
