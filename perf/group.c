// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plan: a file in which each line stands for a group of cells. It gives a list
 * for each axis, and the group is their product.
 */
#include <errno.h>
#include <string.h>

#include "common.h"
#include "group.h"

#define MAX_NAME	32

static const char * const axis_names[] = {
	[STRATEGY] = "strategy", [LAYOUT] = "layout", [SIZE] = "size",
	[PATTERN] = "pattern", [SHARE] = "share", [ACCESS] = "access",
	[HINT] = "hint", [HISTORY] = "history", [THREADS] = "threads", [BY] = "by",
};

/* What a line leaves out. */
static const char * const defaults[] = {
	[STRATEGY] = "", [LAYOUT] = "own", [SIZE] = "64", [PATTERN] = "tuned",
	[SHARE] = "0.2,1,5,25,50,100", [ACCESS] = "write", [HINT] = "none",
	[HISTORY] = "repeated", [THREADS] = "1", [BY] = "mmap",
};

static const char * const layout_names[] = {
	[CONTIGUOUS] = "contiguous", [SCATTERED] = "scattered",
	[OWN] = "own",
};

static const char * const hint_names[] = {
	[NO_HINT] = "none", [HINT_SEQUENTIAL] = "sequential", [HINT_RANDOM] = "random",
};

static const char * const history_names[] = {
	[FIRST] = "first", [REPEATED] = "repeated", [AFTER_ALL] = "all",
};

static const char * const by_names[] = {
	[BY_MMAP] = "mmap", [BY_FORK] = "fork",
};

static const char * const nature_names[] = {
	[FM_NO_HINT_FITS] = "neither", [FM_ALONG] = "along", [FM_APART] = "apart",
};

static int find(const char * const *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	exit_err("plan: unknown word %s", name);
}

#define FIND(names, name) find(names, sizeof(names) / sizeof(*(names)), name)

static unsigned long number(const char *value, unsigned long most)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*end || !n || n > most)
		exit_err("plan: %s: not from 1 to %lu", value, most);
	return n;
}

/* A name that is one word, of a table and of a file of commas. */
static void name_pattern(const struct fm_pattern *pattern, char *name)
{
	const char *from;

	for (from = pattern->name; *from; from++) {
		if (*from != ',')
			*name++ = *from == ' ' ? '-' : *from;
	}
	*name = '\0';
}

static const struct fm_pattern *find_pattern(const char *wanted)
{
	char name[MAX_NAME];
	size_t i;

	for (i = 0; i < fm_nr_patterns; i++) {
		name_pattern(&fm_patterns[i], name);
		if (!strcmp(name, wanted))
			return &fm_patterns[i];
	}
	exit_err("plan: no pattern %s", wanted);
}

static void add_value(struct axis_values *axis, const char *value)
{
	if (axis->n == FM_MAX_VALUES)
		exit_err("plan: more than %d values", FM_MAX_VALUES);
	axis->value[axis->n++] = value;
}

/* Whether @word stands for a set of patterns. */
static bool add_set(struct axis_values *axis, const char *word)
{
	static char names[FM_MAX_VALUES][MAX_NAME];
	const struct fm_pattern_set *set = fm_pattern_sets;
	size_t i;

	while (set < fm_pattern_sets + FM_NR_SETS && strcmp(word, set->word))
		set++;
	if (set == fm_pattern_sets + FM_NR_SETS)
		return false;
	for (i = set->first; i < set->end; i++) {
		name_pattern(&fm_patterns[i], names[i]);
		add_value(axis, names[i]);
	}
	return true;
}

static void add_values(struct axis_values *axis, char *values)
{
	char *value;

	while ((value = strsep(&values, ",")))
		if (*value)
			add_value(axis, value);
}

static void set_axis(struct group *group, enum axis axis, char *values)
{
	struct axis_values *a = &group->axes[axis];

	a->n = 0;
	if (axis != PATTERN || !add_set(a, values))
		add_values(a, values);
	if (!a->n)
		exit_err("plan: nothing given for %s", axis_names[axis]);
}

static void parse_word(struct group *group, char *word)
{
	char *values = strchr(word, '=');

	if (!values)
		exit_err("plan: %s: not AXIS=VALUE,...", word);
	*values++ = '\0';
	set_axis(group, FIND(axis_names, word), values);
}

static void set_defaults(struct group *group)
{
	char *room;
	enum axis axis;

	for (axis = LAYOUT; axis < NR_AXES; axis++) {
		room = group->defaults[axis];
		snprintf(room, FM_MAX_DEFAULT, "%s", defaults[axis]);
		set_axis(group, axis, room);
	}
}

static struct group *parse_line(const char *line)
{
	struct group *group = calloc(1, sizeof(*group));
	char *word, *rest;

	if (!group)
		exit_err("no memory for a plan");
	set_defaults(group);
	snprintf(group->text, sizeof(group->text), "%s", line);
	rest = group->text;
	while ((word = strsep(&rest, " \t\n")))
		if (*word)
			parse_word(group, word);
	if (!group->axes[STRATEGY].n)
		exit_err("plan: no strategy in: %s", line);
	return group;
}

/**
 * fm_read_plan() - read the groups of a plan; exits if it cannot be followed
 * @path: its file; of a line that begins with # nothing is read
 * @groups: filled in, has room for FM_MAX_GROUPS; each to be freed
 *
 * Return: how many there are
 */
size_t fm_read_plan(const char *path, struct group **groups)
{
	FILE *file = fopen(path, "r");
	char line[FM_MAX_LINE];
	size_t n = 0;

	if (!file)
		exit_err("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (*line == '#' || *line == '\n')
			continue;
		if (n == FM_MAX_GROUPS)
			exit_err("plan: more than %d lines", FM_MAX_GROUPS);
		groups[n++] = parse_line(line);
	}
	fclose(file);
	return n;
}

/**
 * fm_nth_layout() - a layout of a group
 * @group: the group
 * @n: which
 *
 * Return: the layout; exits if it is none
 */
enum layout fm_nth_layout(const struct group *group, size_t n)
{
	return FIND(layout_names, group->axes[LAYOUT].value[n]);
}

/**
 * fm_nth_bytes() - a size of a group
 * @group: the group
 * @n: which
 *
 * Return: the size; exits if it is not one of 1 to 1024 MiB
 */
size_t fm_nth_bytes(const struct group *group, size_t n)
{
	return number(group->axes[SIZE].value[n], 1024) << 20;
}

/**
 * fm_cells_of_subject() - count what is done with each subject of a group
 * @group: the group
 *
 * Return: how many cells fm_nth_cell() knows
 */
size_t fm_cells_of_subject(const struct group *group)
{
	enum axis axis;
	size_t n = 1;

	for (axis = FIRST_CELL_AXIS; axis < NR_AXES; axis++)
		n *= group->axes[axis].n;
	return n;
}

/**
 * fm_nth_cell() - a cell of a group
 * @group: the group
 * @n: which, below fm_cells_of_subject()
 *
 * Return: the cell; exits if the plan asks for one that there is not
 */
struct cell fm_nth_cell(const struct group *group, size_t n)
{
	const char *value[NR_AXES];
	enum axis axis;

	for (axis = NR_AXES - 1; axis >= FIRST_CELL_AXIS; axis--) {
		value[axis] = group->axes[axis].value[n % group->axes[axis].n];
		n /= group->axes[axis].n;
	}
	return (struct cell) {
		.pattern = find_pattern(value[PATTERN]),
		.share = atof(value[SHARE]),
		.access = FIND(fm_access_names, value[ACCESS]),
		.hint = FIND(hint_names, value[HINT]),
		.history = FIND(history_names, value[HISTORY]),
		.threads = number(value[THREADS], FM_MAX_THREADS),
		.by = FIND(by_names, value[BY]),
	};
}

/**
 * fm_print_cell() - print what a cell is, each word with a comma
 * @cell: the cell
 * @touched: how many pages that is
 */
void fm_print_cell(const struct cell *cell, size_t touched)
{
	char name[MAX_NAME];

	name_pattern(cell->pattern, name);
	printf("%s,%u,%s,%g,%zu,%s,%s,%s,%u,%s,", name, cell->pattern->family,
	       nature_names[cell->pattern->nature], cell->share, touched,
	       fm_access_names[cell->access], hint_names[cell->hint],
	       history_names[cell->history], cell->threads, by_names[cell->by]);
}

/**
 * fm_layout_name() - what a plan calls a layout
 * @layout: the layout
 *
 * Return: its name
 */
const char *fm_layout_name(enum layout layout)
{
	return layout_names[layout];
}
