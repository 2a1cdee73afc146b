/*
 * paging.c
 *		What follows a page: the next request, or the end and its reason.
 *
 * What the server says counts before what can be counted: a flag, then a total, then the reference.  The
 * length of a page says something only if the dialect says that it does, and then it is held against the
 * size that the server itself gives, or against the longest page before: a server that hands out fewer
 * items than it was asked for has not come to its end.
 */
#include "etl.h"

#include "api/paging.h"

static void
end_with(EtlDecision *decision, EtlEnd end)
{
	decision->end = end;
}

static void
truncated(EtlDecision *decision, const char *problem, const char *detail, const char *hint)
{
	decision->end = ETL_END_TRUNCATED;
	decision->problem = problem;
	decision->detail = detail;
	decision->hint = hint;
}

static bool
is_short(const EtlDialect *dialect, const EtlPageFacts *page)
{
	if (!dialect->stop_short || page->total > page->nbefore + page->nitems ||
		page->npages > page->nth)
		return false;
	if (page->echo >= 0)
		return page->nitems < page->echo;
	return page->number > 1 && page->nitems < page->longest;
}

/* The server has announced how much there is. */
static bool
is_all(const EtlPageFacts *page)
{
	return (page->total >= 0 && page->nbefore + page->nitems >= page->total) ||
		   (page->npages >= 0 && page->nth >= page->npages);
}

static void
decide_empty(const EtlDialect *dialect, const EtlPageFacts *page, EtlDecision *decision)
{
	if (page->total > page->nbefore)
		truncated(decision,
				  psprintf("a page is empty, but the total is " INT64_FORMAT, page->total),
				  psprintf("All pages before have " INT64_FORMAT " items together.", page->nbefore),
				  "If the total is only an estimate, leave it out of \"stop\".");
	else if (page->npages > page->nth)
		truncated(
			decision,
			psprintf("page " INT64_FORMAT " of " INT64_FORMAT " is empty", page->nth, page->npages),
			NULL, "If the number of pages is only an estimate, leave it out of \"stop\".");
	else if (dialect->stop_empty)
		end_with(decision, ETL_END_EMPTY);
	else if (page->empties > dialect->max_empty)
		truncated(
			decision,
			page->empties == 1
				? "a page is empty, but names a next one"
				: psprintf("%d pages in a row are empty, and the last one names a next one",
						   page->empties),
			NULL,
			"If an empty page is the end, set options => '{\"on_empty\": \"stop\"}'; if it is not, "
			"options => '{\"on_empty\": \"continue\"}'.");
}

/* Has the server come to its end, or only to where it never goes further? */
static void
check_cap(const EtlDialect *dialect, const EtlPageFacts *page, EtlDecision *decision)
{
	int64 items = page->nbefore + page->nitems;

	if (dialect->cap == 0 || items < dialect->cap || decision->end == ETL_END_OLDER)
		return;
	if (dialect->rekey.kind != ETL_NO_SIGNAL)
	{
		if (page->nitems == 0 || decision->end == ETL_END_TOTAL)
			return;
		memset(decision, 0, sizeof(*decision));
		decision->rekey = true;
		return;
	}
	if (decision->end == ETL_NOT_ENDED || decision->problem != NULL)
		return;
	truncated(
		decision,
		psprintf("the server hands out " INT64_FORMAT " items at most, and there are as many",
				 dialect->cap),
		NULL,
		"Begin a new search behind the last item with \"rekey\", or ask for less at a time with "
		"\"slice\".");
}

/* There is a flag, and it is not that of the last page. */
static void
decide_promise(const EtlDialect *dialect, EtlDecision *decision)
{
	truncated(decision, "the answer says that there is more, but not where",
			  dialect->next.kind == ETL_NO_SIGNAL
				  ? psprintf("\"%s\" is not \"%s\".", dialect->flag.name, dialect->flag_value)
				  : psprintf("\"%s\" is not \"%s\", and there is nothing at \"%s\".",
							 dialect->flag.name, dialect->flag_value, dialect->next.name),
			  "Check arguments \"next\" and \"stop\" against an answer; etl_api_explain() looks at "
			  "one.");
}

/* The only page; if that was concluded from an answer, it has to be beyond doubt. */
static void
decide_single(const EtlDialect *dialect, const EtlPageFacts *page, EtlDecision *decision)
{
	end_with(decision, ETL_END_SINGLE);
	if (dialect->doubt != NULL && page->nitems > 0)
		truncated(decision, "cannot tell whether this page is all there is", dialect->doubt,
				  "Say how to get the next page with \"pagination\" (see etl_dialects and "
				  "etl_api_explain()), or set pagination => 'none' if there is none.");
}

/* Is the total no more than the page that was asked for?  Some servers call the length of the page so. */
static bool
is_total_of_page(const EtlDialect *dialect, const EtlPageFacts *page)
{
	return page->as_asked && dialect->pagination == ETL_PAGING_NONE && page->nitems > 0 &&
		   page->total == page->nitems;
}

static void
decide(const EtlDialect *dialect, const EtlPageFacts *page, EtlDecision *decision)
{
	if (page->has_flag && page->flag_set)
		end_with(decision, ETL_END_FLAG);
	else if (page->older)
		end_with(decision, ETL_END_OLDER);
	else if (is_total_of_page(dialect, page))
		truncated(decision, "cannot tell whether this page is all there is",
				  psprintf("The total is " INT64_FORMAT
						   ", which is as many items as the page has and as the call asks for.",
						   page->total),
				  "Say how to get the next page with \"pagination\" (see etl_dialects and "
				  "etl_api_explain()), or set pagination => 'none' if there is none.");
	else if (is_all(page))
		end_with(decision, ETL_END_TOTAL);
	else if (page->has_flag && !page->has_next)
		decide_promise(dialect, decision);
	else if (dialect->pagination == ETL_PAGING_NONE)
		decide_single(dialect, page, decision);
	else if (!page->has_next && dialect->next.kind == ETL_IN_LAST_ITEM && page->nitems > 0)
		truncated(decision, psprintf("the last item has nothing at \"%s\"", dialect->next.name + 5),
				  NULL,
				  "Say where the items have what leads to the next page with next => 'last:path'.");
	else if (!page->has_next)
		end_with(decision, ETL_END_NO_NEXT);
	else if (page->nitems == 0)
		decide_empty(dialect, page, decision);
	else if (is_short(dialect, page))
		end_with(decision, ETL_END_SHORT);
}

void
EtlPagingChanged(EtlDecision *decision, const char *what)
{
	truncated(
		decision, psprintf("the list has changed while it was read page by page: %s", what),
		"Pages are counted, so an item may be missing, or be there twice, without a trace.",
		"Read it again, or by a cursor if the server has one.  If items are only added behind the "
		"last one, set options => '{\"on_truncation\": \"warning\"}'.");
	decision->changed = true;
}

/* The list has become longer or shorter meanwhile, so items have moved from page to page behind our back. */
static void
check_count(const EtlPageFacts *page, EtlDecision *decision)
{
	if (decision->end == ETL_NOT_ENDED || decision->problem != NULL || !page->recounted)
		return;
	EtlPagingChanged(decision,
					 psprintf("it had " INT64_FORMAT " %s, and then " INT64_FORMAT, page->announced,
							  page->total >= 0 ? "items" : "pages", page->recount));
}

/* The end of a search is that of a slice, if there are more; one that is cut off is only if that is no error. */
static void
go_to_next_slice(const EtlDialect *dialect, EtlDecision *decision)
{
	if (decision->end == ETL_NOT_ENDED || decision->end == ETL_END_OLDER ||
		(decision->problem != NULL && dialect->truncation == ETL_TRUNCATION_FAILS))
		return;
	decision->end = ETL_NOT_ENDED;
	decision->slice = true;
}

void
EtlPagingDecide(const EtlDialect *dialect, const EtlPageFacts *page, EtlDecision *decision)
{
	memset(decision, 0, sizeof(*decision));
	decide(dialect, page, decision);
	/* The end of the references is not the end of the items. */
	if ((decision->end == ETL_END_NO_NEXT || decision->end == ETL_END_SINGLE) &&
		page->total > page->nbefore + page->nitems)
		truncated(
			decision,
			psprintf("the total is " INT64_FORMAT
					 ", but the last page is reached after " INT64_FORMAT " items",
					 page->total, page->nbefore + page->nitems),
			NULL,
			dialect->pagination == ETL_PAGING_NONE
				? "Say how to get the next page with \"pagination\" (see etl_dialects and "
				  "etl_api_explain())."
				: "Check how the server wants to be asked for the next page; if the total is only "
				  "an estimate, leave it out of \"stop\".");
	check_cap(dialect, page, decision);
	check_count(page, decision);
	if (page->more_slices)
		go_to_next_slice(dialect, decision);
	if (decision->end == ETL_NOT_ENDED && dialect->max_pages > 0 &&
		page->number >= dialect->max_pages)
		end_with(decision, ETL_END_CAP);
}

bool
EtlPagingMatches(const EtlJsonValue *value, const char *wanted)
{
	if (value == NULL)
		return false;
	if (wanted != NULL)
		return strlen(wanted) == value->len && memcmp(wanted, value->text, value->len) == 0;
	switch (value->type)
	{
		case ETL_JSON_NULL:
		case ETL_JSON_FALSE:
			return false;
		case ETL_JSON_STRING:
			return value->len > 0;
		case ETL_JSON_ARRAY:
		case ETL_JSON_OBJECT:
			/* more than brackets and white space */
			return strcspn(pnstrdup(value->text + 1, value->len - 1), "]}") !=
				   strspn(value->text + 1, " \t\r\n");
		default:
			return true;
	}
}

bool
EtlPagingIsReference(const EtlJsonValue *value)
{
	return EtlPagingMatches(value, NULL);
}

int64
EtlPagingCount(const char *text, size_t len)
{
	int64 n = 0;

	if (len == 0 || len > 18)
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + (text[i] - '0');
	}
	return n;
}

const char *
EtlEndName(EtlEnd end)
{
	static const char *const names[] = {"limit", "no_next", "flag", "short",  "empty",
										"total", "older",	"cap",	"single", "truncated"};

	return names[end];
}
