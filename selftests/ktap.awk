# SPDX-License-Identifier: GPL-2.0-only
# Adds up nested KTAP from the kselftest runner: each test's own results are
# lines with one "# " before them, and its verdict follows without it.

function end_of_program(ok)
{
	# A program that crashed or hung reports none of what it left out.
	if (!ok && !failed_here)
		failed++
	failed_here = 0
}

{ sub(/\r$/, "") }
/^# ok .*# SKIP/	{ skipped++; next }
/^# ok /		{ passed++; next }
/^# not ok /		{ failed++; failed_here++; next }
/^ok .*# SKIP/		{ skipped++; next }
/^ok /			{ programs++; end_of_program(1) }
/^not ok /		{ programs++; end_of_program(0) }

END { print passed + 0, failed + 0, skipped + 0, programs + 0 }
