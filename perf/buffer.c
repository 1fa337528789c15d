// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private buffers of the driver, laid out as a plan says.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "buffer.h"
#include "common.h"
#include "reference.h"
#include "scatter.h"

#define HUGE_ORDER	9

static const struct {
	const char *name;
	enum faultmap_strategy_id id;
	__u32 flags;
	bool populate;
} strategies[] = {
	{ "eager",	   FAULTMAP_STRATEGY_EAGER, 0, false },
	{ "eager-page",	   FAULTMAP_STRATEGY_EAGER_PAGE, 0, false },
	{ "batched",	   FAULTMAP_STRATEGY_EAGER, FAULTMAP_CREATE_BATCHED, false },
	{ "lazy",	   FAULTMAP_STRATEGY_LAZY, 0, false },
	{ "lazy-populate", FAULTMAP_STRATEGY_LAZY, 0, true },
	{ "lazy-pfn",	   FAULTMAP_STRATEGY_LAZY_PFN, 0, false },
};

/* "lazy/16"; without a number the window is the driver's to choose. */
static bool describe(struct faultmap_create *create, struct source *source,
		     const char *strategy)
{
	size_t i, len = strcspn(strategy, "/");
	const char *window = strategy + len;

	for (i = 0; i < sizeof(strategies) / sizeof(*strategies); i++) {
		if (strlen(strategies[i].name) != len ||
		    strncmp(strategies[i].name, strategy, len))
			continue;
		create->strategy = strategies[i].id;
		create->flags = strategies[i].flags;
		source->populate = strategies[i].populate;
		if (*window && strcmp(window, "/auto"))
			create->window = strtoul(window + 1, NULL, 10);
		return true;
	}
	return false;
}

/**
 * fm_control() - what makes private buffers; exits if there is none
 *
 * Return: the descriptor, opened the first time
 */
int fm_control(void)
{
	static int control = -1;

	if (control < 0)
		control = open("/dev/faultmap/control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		exit_err("/dev/faultmap/control: %s: load the module",
			 strerror(errno));
	return control;
}

static int create_buffer(const struct faultmap_create *create)
{
	return ioctl(fm_control(), FAULTMAP_CREATE, create);
}

static size_t count_extents(const struct source *source)
{
	struct faultmap_info info;

	if (ioctl(source->fd, FAULTMAP_INFO, &info))
		exit_err("%s: FAULTMAP_INFO: %s", source->name, strerror(errno));
	return info.extents;
}

/* So luck has no part in it. */
static bool is_laid_out(const struct subject *subject, size_t extents)
{
	size_t pages = subject->bytes / fm_page_size();

	if (subject->layout == SCATTERED)
		return extents >= pages - pages / 500;
	return extents <= (pages + 511) / 512;
}

static void allocate(struct source *source, const struct subject *subject)
{
	if (subject->layout == CONTIGUOUS)
		fm_allocate_apart(source, subject->bytes);
	else
		fm_allocate_node(source);
}

/*
 * Others take some of the single pages in time, and give back what is not: so
 * memory that was not scattered is scattered anew.
 */
static void create_laid_out(struct source *source,
			    const struct faultmap_create *create,
			    const struct subject *subject)
{
	size_t extents;

	allocate(source, subject);
	extents = count_extents(source);
	if (subject->layout == SCATTERED && !is_laid_out(subject, extents)) {
		fm_close_source(source);
		fm_scatter(subject->bytes / fm_page_size());
		source->fd = create_buffer(create);
		if (source->fd < 0)
			exit_err("%s: FAULTMAP_CREATE: %s", source->name,
				 strerror(errno));
		allocate(source, subject);
		extents = count_extents(source);
	}
	if (!is_laid_out(subject, extents))
		exit_err("%s: memory came in %zu pieces of %zu pages: give the machine more memory",
			 source->name, extents, subject->bytes / fm_page_size());
	snprintf(source->extents, sizeof(source->extents), "%zu", extents);
}

/**
 * fm_make_source() - make the memory of a subject
 * @source: filled in
 * @subject: of a strategy "eager", "eager-page", "batched", "lazy", "lazy-populate" or
 *	"lazy-pfn", with the window behind a slash, or a reference's
 *
 * Exits if something is wrong. For scattered memory, fm_scatter() came before.
 *
 * Return: false if this kernel or this module has no such thing
 */
bool fm_make_source(struct source *source, const struct subject *subject)
{
	struct faultmap_create create = {
		.bytes = subject->bytes,
		.memory = FAULTMAP_MEMORY_PAGES,
		.order = subject->layout == SCATTERED ? 0 : HUGE_ORDER,
	};

	*source = (struct source) { .fd = -1 };
	snprintf(source->name, sizeof(source->name), "%s", subject->strategy);
	if (subject->layout == OWN)
		return fm_make_reference(source, subject->strategy, subject->bytes);
	if (!describe(&create, source, subject->strategy))
		exit_err("plan: no strategy %s", subject->strategy);
	source->driver = true;
	source->learns = !create.window &&
			 (create.strategy == FAULTMAP_STRATEGY_LAZY_PFN ||
			  create.strategy == FAULTMAP_STRATEGY_LAZY);
	if (subject->layout == CONTIGUOUS && create.bytes > FM_BLOCK_BYTES)
		create.bytes = FM_BLOCK_BYTES;
	source->fd = create_buffer(&create);
	if (source->fd < 0 && errno == EINVAL)
		return false;
	if (source->fd < 0)
		exit_err("%s: FAULTMAP_CREATE: %s", source->name, strerror(errno));
	create_laid_out(source, &create, subject);
	return true;
}
