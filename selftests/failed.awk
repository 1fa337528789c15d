# SPDX-License-Identifier: GPL-2.0-only
# Says again what failed in a run, and what was expected: of KTAP from the kselftest
# runner, or of a script's own lines.  -v run=NAME

function fail(name)
{
	sub(/^[0-9]+ (- )?(selftests: )?/, "", name)
	print "failed: " run ": " name said
	said = ""
}

{ sub(/\r$/, "") }
/^# #  RUN /			{ said = lines = "" }
/^# # [a-z]/			{ if (lines++ < 6) said = said "\n  " substr($0, 5); next }
/^# not ok /			{ fail(substr($0, 10)); failed_here++; next }
/^not ok .*selftests: /		{ if (!failed_here) fail(substr($0, 8)) }
/^not ok [0-9]+ - /		{ fail(substr($0, 8)) }
/^(not )?ok /			{ failed_here = 0 }
