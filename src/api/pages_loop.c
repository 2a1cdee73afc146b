/*
 * pages_loop.c
 *		Many requests as one stream of items: the loop.
 *
 *		 +--> answer -> body -> item, item, ...  -> end of page -> facts -> decision --> end of scan
 *		 |                        |                                             |
 *		 +--- request <-----------+ (reference known)          (at the latest) -+
 *
 * Of each page a hash of its items is kept: a page whose items were all there before is a loop, however
 * much its reference may have changed.  So is a reference that was followed before, whatever its items
 * (pages_ahead.c).
 */
#include "etl.h"

#include "api/json_body.h"
#include "api/pages_internal.h"
#include "miscadmin.h"
#include "source/clock.h"
#include "source/utf8.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_READINGS 3 /* of a list that changes each time */

/* Nothing was seen, and nothing followed. */
static void
create_guards(EtlPages *pages)
{
	HASHCTL ctl = {
		.keysize = sizeof(uint64), .entrysize = sizeof(EtlPageHash), .hcxt = pages->context};
	int flags = HASH_ELEM | HASH_BLOBS | HASH_CONTEXT;

	if (pages->hashes != NULL)
		hash_destroy(pages->hashes);
	if (pages->followed != NULL)
		hash_destroy(pages->followed);
	pages->hashes = pages->followed = NULL;
	if (pages->dialect->guard != ETL_GUARD_OFF)
		pages->hashes = hash_create("etl pages", 128, &ctl, flags);
	if (pages->dialect->guard == ETL_GUARD_ON)
		pages->followed = hash_create("etl references", 128, &ctl, flags);
}

EtlPages *
EtlPagesCreate(const EtlApiBase *base, EtlDialect *dialect)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "etl pages", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EtlPages *pages = palloc0(sizeof(EtlPages));

	pages->nreadings = 1;
	pages->context = context;
	pages->page_context = AllocSetContextCreate(context, "etl page", ALLOCSET_DEFAULT_SIZES);
	pages->base = base;
	pages->dialect = dialect;
	pages->window = EtlWindowCreate(base, dialect);
	initStringInfo(&pages->held);
	initStringInfo(&pages->window_text);
	pages->announced = -1;
	create_guards(pages);
	MemoryContextSwitchTo(old);
	return pages;
}

EtlPages *
EtlPagesOpen(const EtlApiBase *base, EtlDialect *dialect, int64 enough)
{
	EtlPages *pages = EtlPagesCreate(base, dialect);
	MemoryContext old = MemoryContextSwitchTo(pages->context);

	pages->enough = enough;
	EtlPagesSendFirst(pages);
	MemoryContextSwitchTo(old);
	return pages;
}

void
EtlPagesMayRepeat(EtlPages *pages)
{
	pages->may_repeat = true;
}

void
EtlPagesClose(EtlPages *pages)
{
	MemoryContextDelete(pages->context);
}

/* ----------------------------------------------------------------
 *	The end of a page
 * ---------------------------------------------------------------- */

/* Notes a page that is complete; one whose items were all there before is an error. */
static void
guard_against_loop(EtlPages *pages, uint64 hash)
{
	EtlPageHash *entry;
	bool found;

	if (pages->hashes == NULL || pages->nitems == 0)
		return;
	entry = hash_search(pages->hashes, &hash, HASH_ENTER, &found);
	if (!found)
		entry->number = pages->number;
	else if (entry->number != pages->number)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("page " INT64_FORMAT " has the same items as page " INT64_FORMAT,
						pages->number, entry->number),
				 pages->current->reference != NULL
					 ? errdetail("The reference to it was %s (a hash).",
								 EtlReferenceHash(pages->current->reference))
					 : 0,
				 errhint("The server may not know the parameter that leads to the next page: check "
						 "argument \"next_param\" (or page_param, offset_param).  If pages may be "
						 "alike, set options => '{\"guard\": \"off\"}'.")));
}

static void
remember_page(EtlPages *pages, uint64 hash)
{
	EtlPageSeen *seen;

	if (pages->number <= pages->nseen)
		return;
	if (pages->nseen == pages->max_seen)
	{
		pages->max_seen = Max(64, pages->max_seen * 2);
		if (pages->seen == NULL)
			pages->seen = MemoryContextAlloc(pages->context, sizeof(EtlPageSeen) * pages->max_seen);
		else
			pages->seen = repalloc_huge(pages->seen, sizeof(EtlPageSeen) * pages->max_seen);
	}
	seen = &pages->seen[pages->nseen++];
	seen->nitems = pages->nitems;
	seen->hash = hash;
}

static bool
is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static TimestampTz
time_of(char *text)
{
	return DatumGetTimestampTz(DirectFunctionCall3(
		timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static Datum
number_of(char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/* Is the last item older than asked for?  A number (seconds since 1970) is held against a number, a time against a time. */
static bool
is_older(EtlPages *pages)
{
	char *ours = unconstify(char *, pages->dialect->older_than);
	EtlJsonValue storage;
	const EtlJsonValue *value =
		EtlPagesSignal(pages, pages->reader, &pages->dialect->older, &storage);
	char *theirs;

	if (value == NULL || value->type == ETL_JSON_NULL || pages->nitems == 0)
		return false;
	theirs = pnstrdup(value->text, value->len);
	if (is_number(ours))
		return DatumGetBool(DirectFunctionCall2(numeric_lt, number_of(theirs), number_of(ours)));
	return time_of(theirs) < time_of(ours);
}

/* Where pages or items are counted, the number of all of them has to stay what the first page said. */
static void
note_count(EtlPages *pages)
{
	EtlPageFacts *facts = &pages->facts;
	int64 count = facts->total >= 0 ? facts->total : facts->npages;

	if (facts->nth == 1)
	{
		pages->announced = count;
		facts->recounted = false;
	}
	else if (EtlDialectCounts(pages->dialect) && pages->announced >= 0 && count >= 0 &&
			 count != pages->announced)
	{
		facts->recounted = true;
		facts->recount = count;
	}
	facts->announced = pages->announced;
}

static void
collect_facts(EtlPages *pages)
{
	EtlDialect *dialect = pages->dialect;
	EtlPageFacts *facts = &pages->facts;
	EtlJsonValue storage;
	const EtlJsonValue *flag = EtlPagesSignal(pages, pages->reader, &dialect->flag, &storage);

	pages->empties = pages->nitems == 0 ? pages->empties + 1 : 0;
	facts->number = pages->number;
	facts->nth = pages->number - pages->nprevious;
	facts->nitems = pages->nitems;
	facts->nbefore = pages->nbefore;
	facts->longest = pages->longest;
	facts->empties = pages->empties;
	facts->has_flag = flag != NULL;
	facts->flag_set = EtlPagingMatches(flag, dialect->flag_value);
	facts->older = is_older(pages);
	facts->more_slices = EtlWindowHasMore(pages->window);
	facts->has_next = EtlDialectCounts(dialect) || EtlPagesFindNext(pages) != NULL;
	facts->total = EtlPagesSignalCount(pages, &dialect->total);
	facts->npages = EtlPagesSignalCount(pages, &dialect->pages);
	facts->echo = EtlPagesSignalCount(pages, &dialect->echo);
	facts->as_asked =
		pages->detection != NULL && pages->detection->evidence != NULL &&
		(dialect->page_size == pages->nitems || EtlRequestAsksFor(pages->base, pages->nitems));
	note_count(pages);
}

static void
report_truncation(const EtlPages *pages)
{
	const EtlDecision *decision = &pages->decision;

	if (pages->dialect->truncation == ETL_TRUNCATION_IGNORED)
		return;
	ereport(pages->dialect->truncation == ETL_TRUNCATION_WARNS ? WARNING : ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("%s", EtlShowUtf8(decision->problem)),
			 decision->detail != NULL ? errdetail("%s", EtlShowUtf8(decision->detail)) : 0,
			 decision->hint != NULL ? errhint("%s", EtlShowUtf8(decision->hint)) : 0));
}

static void
raise_missing_items(const EtlPages *pages)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_NO_DATA_FOUND),
		 errmsg("there is nothing at \"%s\"",
				EtlShowUtf8(pages->dialect->given[EtlDialectFindOption("items")])),
		 errhint(
			 "Check argument \"items\" against an answer; etl_api_explain() looks at one.  If "
			 "the server leaves it out where there is no item, set options => '{\"missing_items\": \"empty\"}'.")));
}

/* Whether another scan has handed out items of the current page, so that it is no fault if they have changed. */
static bool
is_another_scans(const EtlPages *pages)
{
	return pages->number == pages->resumed_at;
}

/* The page holds what option "answers" says is an error; what it says there is the server's own word. */
static void
raise_rule(EtlPages *pages, const EtlAnswerRule *rule)
{
	EtlJsonValue storage;
	const EtlJsonValue *value = EtlPagesSignal(pages, pages->reader, &rule->at, &storage);
	const char *text =
		value != NULL ? EtlExchangeShow(pages->current->exchange, pnstrdup(value->text, value->len))
					  : NULL;

	ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("the server answers with an error"),
					text != NULL ? errdetail("What option \"answers\" asks for is at \"%s\": %s",
											 EtlShowUtf8(rule->at.name), text)
								 : 0));
}

/* Does what a rule says about a page that has been read; true if that is not its end. */
static bool
apply_rule(EtlPages *pages)
{
	const EtlAnswerRule *rule = EtlPagesRuleForBody(pages);

	if (rule == NULL)
		return false;
	switch (rule->verdict)
	{
		case ETL_ANSWER_LATER:
			EtlPagesAskAgain(pages, EtlPagesAskedWait(pages, pages->reader));
			return true;
		case ETL_ANSWER_RESTART:
			EtlPagesRestart(pages);
			return true;
		case ETL_ANSWER_REFRESH:
			if (EtlExchangeRenew(pages->current->exchange))
			{
				EtlPagesAskAgain(pages, ETL_NO_WAIT_ASKED);
				return true;
			}
			/* FALLTHROUGH */
		case ETL_ANSWER_FAIL:
			if (is_another_scans(pages))
			{
				pages->lost = true;
				return true;
			}
			raise_rule(pages, rule);
			break;
		case ETL_ANSWER_EMPTY:
			EtlPagesEndEmpty(pages);
			return true;
		case ETL_ANSWER_OK:
			break;
	}
	return false;
}

/* The current page is nothing and leads nowhere: that is the end of the search. */
void
EtlPagesEndEmpty(EtlPages *pages)
{
	EtlPageRequest *done = pages->current;

	EtlPagesDropTail(pages);
	if (!EtlWindowHasMore(pages->window))
		pages->end = pages->truncated ? ETL_END_TRUNCATED : ETL_END_EMPTY;
	else if (pages->dialect->max_pages > 0 && pages->number >= pages->dialect->max_pages)
		pages->end = ETL_END_CAP;
	if (pages->end != ETL_NOT_ENDED)
		return;
	remember_page(pages, pages->nitems > 0 ? EtlReaderPlace(pages->reader).hash : 0);
	EtlPagesSendSlice(pages);
	pages->nbefore = 0;
	pages->empties = 0;
	memset(&pages->expected, 0, sizeof(EtlPageSeen));
	pages->current = NULL;
	EtlPagesRelease(pages, done);
	MemoryContextReset(pages->page_context);
}

/* Starts again, and hands out everything once more. */
static void
read_again(EtlPages *pages)
{
	ereport(LOG, (errmsg("a list has changed while it was read, and is read again"),
				  errdetail("%s", EtlShowUtf8(pages->decision.problem)), errhidestmt(true),
				  errhidecontext(true)));
	pages->nreadings++;
	pages->nseen = pages->resumed_at = 0;
	memset(&pages->expected, 0, sizeof(EtlPageSeen));
	memset(&pages->interrupted, 0, sizeof(EtlPageSeen));
	create_guards(pages);
	EtlPagesBeginAgain(pages);
}

/* There may be a problem with the list.  True if that is no more than a warning; false: it is read again. */
static bool
go_on_with_problem(EtlPages *pages)
{
	const EtlDecision *decision = &pages->decision;

	if (decision->changed && pages->may_repeat && pages->nreadings < MAX_READINGS)
	{
		read_again(pages);
		return false;
	}
	if (decision->problem != NULL)
	{
		report_truncation(pages);
		pages->truncated = true;
	}
	return true;
}

/* The current page lacks items that were handed out of it.  True if it is read on; false: not this page. */
static bool
go_on_changed(EtlPages *pages, const char *detail)
{
	if (EtlPagesAskedTail(pages))
	{
		pages->differs = false;
		EtlPagingChanged(
			&pages->decision,
			psprintf("page " INT64_FORMAT " has other items than before", pages->number));
		return go_on_with_problem(pages);
	}
	if (!is_another_scans(pages))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the page has changed since it was first read"), errdetail("%s", detail)));
	pages->lost = true;
	return false;
}

/* What a broken line may have said that decides what is read next, as a sentence; NULL: nothing. */
static const char *
lost_with_line(EtlPages *pages)
{
	const EtlDialect *dialect = pages->dialect;
	const EtlSignal *const signals[] = {&dialect->next,	 &dialect->flag,  &dialect->total,
										&dialect->pages, &dialect->older, &dialect->rekey};
	EtlJsonValue storage;

	for (int i = 0; i < lengthof(signals); i++)
		if (signals[i]->kind == ETL_IN_BODY &&
			EtlPagesSignal(pages, pages->reader, signals[i], &storage) == NULL)
			return psprintf("Nothing else in the page is at \"%s\".", signals[i]->name);
	if (dialect->items != NULL && (EtlDialectCounts(dialect) || dialect->stop_short ||
								   dialect->total.kind != ETL_NO_SIGNAL || dialect->cap > 0))
		return "Items are counted, and with \"items\" a line may hold any number of them.";
	return NULL;
}

/* A broken line is the fault of an item; but not if it leaves open where the pages go on, or whether. */
static void
check_lines(EtlPages *pages)
{
	const char *lost = pages->line_skipped > 0 ? lost_with_line(pages) : NULL;

	if (lost != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_JSON_TEXT),
				 errmsg("cannot tell what follows the page, because its line %llu is broken",
						(unsigned long long) pages->line_skipped),
				 errdetail("%s", EtlShowUtf8(lost)),
				 errhint("Read it again; if the line stays as it is, have the server mend it.")));
}

static void
finish_page(EtlPages *pages)
{
	EtlDecision *decision = &pages->decision;
	EtlPageRequest *done = pages->current;

	if (apply_rule(pages))
		return;
	check_lines(pages);
	if (pages->dialect->items != NULL && !pages->dialect->items_optional &&
		!EtlJsonReaderFoundItems((EtlJsonReader *) pages->reader))
		raise_missing_items(pages);
	if (pages->nitems < pages->expected.nitems &&
		!go_on_changed(pages,
					   psprintf("It had at least " INT64_FORMAT " items, and has " INT64_FORMAT ".",
								pages->expected.nitems, pages->nitems)))
		return;
	collect_facts(pages);
	EtlPagingDecide(pages->dialect, &pages->facts, decision);
	if (!go_on_with_problem(pages))
		return;
	pages->end = decision->end;
	if (pages->end != ETL_NOT_ENDED && pages->truncated)
		pages->end = ETL_END_TRUNCATED;
	guard_against_loop(pages, EtlReaderPlace(pages->reader).hash);
	remember_page(pages, EtlReaderPlace(pages->reader).hash);
	if (pages->end == ETL_NOT_ENDED)
		EtlPagesSendNext(pages);
	else
		EtlPagesDiscardAhead(pages);
	pages->nread += pages->nitems;
	pages->nbefore = pages->nprevious == done->number ? 0 : pages->nbefore + pages->nitems;
	if (pages->nprevious == done->number)
		pages->empties = 0;
	memset(&pages->expected, 0, sizeof(EtlPageSeen));
	if (!EtlPagesKeepTail(pages))
	{
		pages->longest = Max(pages->longest, pages->nitems);
		EtlPagesRelease(pages, done);
	}
	pages->current = NULL;
	if (pages->end == ETL_NOT_ENDED) /* else the decision may be asked for */
		MemoryContextReset(pages->page_context);
}

/* ----------------------------------------------------------------
 *	Items
 * ---------------------------------------------------------------- */

/*
 * The body, as a feed: what detection has read of it, then what arrives in time.  One that breaks off is asked for
 * again.  Before that, what is known by now may let the next page be asked for.
 */
static ssize_t
feed_body(void *arg, char *to, size_t len)
{
	EtlPages *pages = arg;
	size_t n;

	EtlPagesLookAhead(pages);
	CHECK_FOR_INTERRUPTS();
	if (pages->held_at < pages->held.len)
	{
		n = Min(len, (size_t) (pages->held.len - pages->held_at));
		memcpy(to, pages->held.data + pages->held_at, n);
		pages->held_at += (int) n;
		return (ssize_t) n;
	}
	if (pages->until != ETL_FOREVER &&
		!EtlExchangeBodyReady(pages->current->exchange, pages->until))
	{
		pages->late = true;
		return -1;
	}
	n = EtlExchangeRead(pages->current->exchange, to, len);
	if (n == 0 && EtlExchangeBroke(pages->current->exchange))
	{
		EtlPagesAskAgain(pages, ETL_NO_WAIT_ASKED);
		return -1;
	}
	return (ssize_t) n;
}

/* An item has come; false if it was handed out before. */
static bool
is_new(EtlPages *pages, const EtlJsonItem *item)
{
	bool first_time = EtlWindowTake(pages->window, pages->number, item);

	if (pages->nitems > pages->expected.nitems)
		return (!pages->differs || go_on_changed(pages, NULL)) && first_time;
	if (pages->nitems == pages->expected.nitems &&
		EtlReaderPlace(pages->reader).hash != pages->expected.hash)
	{
		/* Items whose values change all the time are no fault of a page that has no more of them. */
		if (EtlPagesAskedTail(pages))
			pages->differs = true;
		else
			go_on_changed(pages, psprintf("It had to be asked for again after " INT64_FORMAT
										  " items, and these are not the same any more.",
										  pages->expected.nitems));
	}
	return false;
}

/* An item has come, which may be a broken line. */
static void
note_item(EtlPages *pages, const EtlJsonItem *item)
{
	if (++pages->nitems == 1)
		EtlPagesLookAhead(pages);
	pages->broken_at = item->fault != NULL ? (int64) item->fault->offset + 1 : 0;
	pages->line = item->line;
	if (item->ntokens == 0 && pages->line_skipped == 0)
		pages->line_skipped = item->line;
}

/* Goes on in the current page; true with an item. */
static bool
read_page(EtlPages *pages, EtlJsonItem *item)
{
	int step = EtlReaderNext(pages->reader, item, feed_body, pages);

	switch (step)
	{
		case ETL_FORMAT_RECORD:
			note_item(pages, item);
			if (pages->tail == NULL)
				return is_new(pages, item);
			EtlPagesAskTail(pages);
			return false;
		case ETL_FORMAT_NEED_DATA:
			return false;
		case ETL_FORMAT_EMPTY:
			/* "No Content" is what some servers have to say about an empty collection. */
			if (EtlExchangeAwait(pages->current->exchange) == 204)
				EtlPagesEndEmpty(pages);
			else if (pages->dialect->format == ETL_PAGE_CSV)
				finish_page(pages);
			else
				EtlPageFormats[pages->dialect->format].raise(pages);
			return false;
		case ETL_FORMAT_END:
			finish_page(pages);
			return false;
		default:
			EtlPageFormats[pages->dialect->format].raise(pages);
			return false;
	}
}

/* The item is the reader's; everything else that is allocated here goes with the page. */
EtlPagesStep
EtlPagesNext(EtlPages *pages, EtlJsonItem *item, int64 until)
{
	MemoryContext old = MemoryContextSwitchTo(pages->page_context);
	bool found = false;

	pages->until = until;
	pages->late = false;
	while (!found && pages->end == ETL_NOT_ENDED && !pages->late && !pages->lost)
	{
		CHECK_FOR_INTERRUPTS();
		if (pages->current == NULL && !EtlPagesOpenPage(pages))
			break;
		found = read_page(pages, item);
	}
	MemoryContextSwitchTo(old);
	if (pages->lost)
		return ETL_PAGES_LOST;
	if (found)
		return ETL_PAGES_ITEM;
	return pages->late ? ETL_PAGES_LATE : ETL_PAGES_END;
}

/* ----------------------------------------------------------------
 *	Several scans at once
 * ---------------------------------------------------------------- */

bool
EtlPagesReady(EtlPages *pages, int64 until)
{
	MemoryContext old = MemoryContextSwitchTo(pages->page_context);

	pages->until = until;
	pages->late = false;
	if (pages->current == NULL && pages->end == ETL_NOT_ENDED && !pages->lost)
		(void) EtlPagesOpenPage(pages);
	MemoryContextSwitchTo(old);
	return !pages->late;
}

/* The request that a scan which is late waits for. */
static EtlExchange *
awaited(const EtlPages *pages)
{
	return pages->current != NULL ? pages->current->exchange
								  : ((EtlPageRequest *) linitial(pages->ahead))->exchange;
}

void
EtlPagesTurn(EtlPages *const *pages, int n)
{
	EtlExchange *exchanges[ETL_MAX_AT_ONCE];

	Assert(n <= ETL_MAX_AT_ONCE);
	for (int i = 0; i < n; i++)
		exchanges[i] = awaited(pages[i]);
	EtlExchangeTurn(exchanges, n, ETL_FOREVER);
}

/* ----------------------------------------------------------------
 *	What else there is to know
 * ---------------------------------------------------------------- */

EtlEnd
EtlPagesEnded(const EtlPages *pages)
{
	return pages->end;
}

int64
EtlPagesNumber(const EtlPages *pages)
{
	return pages->number;
}

int64
EtlPagesSearches(const EtlPages *pages)
{
	return EtlWindowSearches(pages->window);
}

const EtlHttpStats *
EtlPagesStats(const EtlPages *pages)
{
	return &pages->stats;
}

const EtlDetection *
EtlPagesDetection(const EtlPages *pages)
{
	return pages->detection;
}

const EtlPageFacts *
EtlPagesFacts(const EtlPages *pages)
{
	return &pages->facts;
}

const EtlDecision *
EtlPagesDecision(const EtlPages *pages)
{
	return &pages->decision;
}

char *
EtlPagesHeader(const EtlPages *pages, const char *name)
{
	return pages->answered != NULL ? EtlExchangeHeader(pages->answered->exchange, name) : NULL;
}

void
EtlPagesWhere(const EtlPages *pages, StringInfo buf)
{
	if (pages->number == 0)
		return;
	appendStringInfo(buf, "page " INT64_FORMAT, pages->number);
	if (pages->current != NULL)
		appendStringInfo(buf, " of \"%s\"",
						 EtlUrlDisplay(EtlExchangeUrl(pages->current->exchange)));
	if (pages->line > 0)
		appendStringInfo(buf, ", line %llu", (unsigned long long) pages->line);
	else if (pages->nitems > 0)
		appendStringInfo(buf, ", item " INT64_FORMAT, pages->nitems);
	if (pages->broken_at > 0)
		appendStringInfo(buf, ", byte " INT64_FORMAT, pages->broken_at);
}
