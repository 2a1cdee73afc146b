/*
 * api_detect.c
 *		Fuzz target: options of a dialect, and what is concluded from an answer.
 *
 * The input is a body, a NUL byte, a Link header, a NUL byte, and the value of an option.  Whatever is
 * detected can be set as options, goes together, and either leaves a doubt or says how the end is known.
 */
#include "etl.h"

#include "api/detect.h"
#include "api/dialect.h"
#include "api/paging.h"
#include "format/json.h"
#include "source/http/head.h"

#include <sanitizer/allocator_interface.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Texts live as long as the memory context that there is none of here, so what an input has left behind is
 * freed: else the fuzzer, which runs for a while, takes all memory.
 */
static void *left_behind[100000];
static int nleft;
static bool noting;

static void
note_malloc(const volatile void *block, size_t size)
{
	if (!noting)
		return;
	if (nleft == lengthof(left_behind))
		abort();
	left_behind[nleft++] = (void *) block;
}

static void
note_free(const volatile void *block)
{
	for (int i = nleft - 1; i >= 0; i--)
	{
		if (left_behind[i] == block)
		{
			left_behind[i] = left_behind[--nleft];
			break;
		}
	}
}

static void
free_what_is_left(void)
{
	noting = false;
	while (nleft > 0)
		free(left_behind[--nleft]);
}

extern int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return __sanitizer_install_malloc_and_free_hooks(note_malloc, note_free) == 0;
}

static const char *
header(void *arg, const char *name)
{
	return strcmp(name, "Link") == 0 ? arg : NULL;
}

/* Any option takes any text, or says why not. */
static void
set_all(const char *value)
{
	for (int i = 0; i < ETL_DIALECT_OPTIONS; i++)
	{
		EtlDialect dialect;
		const char *problem;

		EtlDialectInit(&dialect);
		problem = EtlDialectSet(&dialect, EtlDialectOption(i), value);
		if (problem != NULL && problem[0] == '\0')
			abort();
		if (problem == NULL)
			(void) EtlDialectComplete(&dialect);
	}
}

static void
apply(const EtlDetection *detection)
{
	EtlDialect dialect;
	EtlPageFacts facts = {.number = 1, .nitems = 1, .total = -1, .npages = -1, .echo = -1};
	EtlDecision decision;

	if (detection->problem != NULL)
		return;
	EtlDialectInit(&dialect);
	if (EtlDetectionApply(detection, &dialect) != NULL)
		abort();
	if (dialect.pagination == ETL_PAGING_AUTO)
		abort();
	EtlPagingDecide(&dialect, &facts, &decision);
	if (decision.end == ETL_END_SINGLE && detection->doubt != NULL)
		abort();
	facts.has_next = true;
	EtlPagingDecide(&dialect, &facts, &decision);
}

static void
detect(const char *body, size_t len, const char *link)
{
	EtlJsonPathFault fault;
	EtlJsonPath *root = EtlJsonPathParse("$", 1, &fault);
	EtlJsonOptions options = {.items = root, .max_depth = 50, .max_item_size = 1000000};
	EtlJsonReader *reader = EtlJsonReaderCreate(&options);
	EtlDetection detection;
	EtlJsonItem item;
	EtlJsonStatus status;
	bool ended = false;

	while ((status = EtlJsonReaderNext(reader, &item)) == ETL_JSON_NEED_DATA && !ended)
	{
		size_t room;
		char *to = EtlJsonReaderRoom(reader, &room);

		room = room < len ? room : len;
		memcpy(to, body, room);
		EtlJsonReaderFed(reader, room);
		body += room;
		len -= room;
		ended = room == 0;
	}
	if (status == ETL_JSON_ITEM && item.tokens[0].type == ETL_JSON_OBJECT)
		EtlDetectFromBody(&item, NULL, header, (void *) link, &detection);
	else
		EtlDetectFromHeaders(header, (void *) link, &detection);
	apply(&detection);
	EtlJsonReaderFree(reader);
	pfree(root);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = palloc(size + 2);
	char *link;
	char *value;
	size_t len;

	noting = true;
	memcpy(input, data, size);
	input[size] = input[size + 1] = '\0';
	len = strnlen(input, size);
	link = input + Min(len + 1, size);
	value = link + Min(strlen(link) + 1, size + 1 - (link - input));
	detect(input, len, link);
	set_all(value);
	free_what_is_left();
	pfree(input);
	return 0;
}
