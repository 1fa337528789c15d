# SPDX-License-Identifier: GPL-2.0-only
# Reads lists of mutants, named NAME.mutants after the file NAME of the module that
# they break, and looks each up in that file, in the directory `module`, and its tests in
# `selftests`.  The lines that one takes out must be there once, one after the other,
# whatever their indentation; a list that has fallen behind the code is an error, which
# names the mutant.
#
# With out=DIR, each mutant's file goes to DIR/MUTANT/NAME.  Prints a line for each:
# its name, group, flags, window, tests to try first and what is wrong, separated by tabs.
# README in this directory explains the format.

function complain(text)
{
	print "mutants: " FILENAME ":" at ": " text >"/dev/stderr"
	failed = 1
}

function trim(text)
{
	sub(/^[ \t]+/, "", text)
	sub(/[ \t]+$/, "", text)
	return text
}

function indentation(text)
{
	match(text, /^[ \t]*/)
	return substr(text, 1, RLENGTH)
}

# A name is there once below the module's folders.
function read_source(name,	line, path, find)
{
	nr_lines = 0
	find = "find '" module "' -name '" name "'"
	find | getline path
	close(find)
	while (path && (getline line < path) > 0)
		source[++nr_lines] = line
	close(path)
	if (!nr_lines)
		complain("there is no " name " in " module)
}

# What begins at the margin with the name in it, a function or a table, goes to the
# first brace at the margin, or to its semicolon if that comes first.
function find_region(name,	i, inside)
{
	for (i = 1; i <= nr_lines; i++) {
		if (!inside && source[i] ~ /^[^ \t\/*}]/)
			inside = source[i] ~ ("(^|[^A-Za-z0-9_])" name "($|[^A-Za-z0-9_])")
		within[i] = inside
		if (inside && source[i] ~ /^}|;$/ && source[i] !~ /^[ \t]/)
			inside = 0
	}
}

function matches(start,	i)
{
	for (i = 1; i <= nr_old; i++)
		if (trim(source[start + i - 1]) != old[i] || (where && !within[start + i - 1]))
			return 0
	return 1
}

# The line at which the old ones begin, or 0.
function find_old(	i, found)
{
	if (where)
		find_region(where)
	for (i = 1; i + nr_old - 1 <= nr_lines; i++) {
		if (!matches(i))
			continue
		if (found) {
			complain(name ": its lines are there more than once: say `in FUNCTION`")
			return 0
		}
		found = i
	}
	if (!found)
		complain(name ": its lines are not in " file (where ? ", " where : ""))
	return found
}

function has_case(program, test,	line, found)
{
	sub(/.*\./, "", test)
	while ((getline line < (selftests "/" program ".c")) > 0)
		if (line ~ ("^TEST[A-Z_]*\\((.*, *)?" test "[,)]"))
			found = 1
	return found
}

# A test that is not there would fail, and seem to notice.
function check_tests(	list, n, i, program, line)
{
	n = split(tests, list, " ")
	for (i = 1; i <= n; i++) {
		program = list[i]
		sub(/\..*/, "", program)
		if ((getline line < (selftests "/" program ".c")) <= 0)
			complain(name ": there is no test " program)
		else if (list[i] ~ /\./ && !has_case(program, list[i]))
			complain(name ": there is no " list[i])
		close(selftests "/" program ".c")
	}
}

function write_mutant(start,	path, i)
{
	path = out "/" name "/" file
	system("mkdir -p '" out "/" name "'")
	for (i = 1; i < start; i++)
		print source[i] >path
	for (i = 1; i <= nr_new; i++)
		print (new[i] ? indentation(source[start]) : "") new[i] >path
	for (i = start + nr_old; i <= nr_lines; i++)
		print source[i] >path
	close(path)
}

function finish(	start, i, differs)
{
	if (!name)
		return
	if (name in seen)
		complain(name ": there is another of this name")
	seen[name] = 1
	if (!what)
		complain(name ": says not what is wrong")
	if (!tests)
		complain(name ": names no test to try first")
	check_tests()
	differs = nr_old != nr_new
	for (i = 1; i <= nr_old; i++)
		differs = differs || old[i] != new[i]
	if (!nr_old || !differs)
		complain(name ": changes nothing")
	else if ((start = find_old()) && out)
		write_mutant(start)
	print name "\t" group "\t" flags "\t" window "\t" tests "\t" what \
		(equivalent ? "; equivalent: " equivalent : "")
	name = ""
}

function begin(short)
{
	finish()
	at = FNR
	name = file ":" short
	if (short !~ /^[a-z0-9_]+$/)
		complain(name ": a name has small letters, digits and _")
	what = tests = where = equivalent = ""
	group = "plain"
	flags = "-"
	window = 1
	nr_old = nr_new = 0
}

function field(key, value)
{
	if (key == "fault")
		what = what (what ? " " : "") value
	else if (key == "equivalent")
		equivalent = equivalent (equivalent ? " " : "") value
	else if (key == "try")
		tests = value
	else if (key == "in")
		where = value
	else if (key == "group" && value ~ /^(plain|poisoned|sanitizer)$/)
		group = value
	else if (key == "window" && value ~ /^[0-9]+$/)
		window = value
	else if (key == "ci")
		flags = "ci"
	else
		complain(name ": does not understand `" $0 "`")
}

FNR == 1 {
	finish()
	at = 1
	file = FILENAME
	sub(/.*\//, "", file)
	sub(/\.mutants$/, "", file)
	read_source(file)
}

/^#/ || /^[ \t]*$/	{ next }
/^mutant /		{ begin(substr($0, 8)); next }
!name			{ at = FNR; complain("`" $0 "` belongs to no mutant"); next }
/^-/			{ old[++nr_old] = trim(substr($0, 2)); next }
/^\+/			{ new[++nr_new] = trim(substr($0, 2)); next }
			{ field($1, trim(substr($0, length($1) + 1))) }

END {
	finish()
	exit failed
}
