/*
 * pages_ahead.c
 *		Which request goes out when.
 *
 * Where a page names the next one, that is asked for as soon as the name is there and nothing else is left
 * that could make this page the last.  Where pages or items are counted and the end is known, as many are
 * asked for as may be under way; if a page then turns out to have another length, what was asked for with
 * a wrong offset is dropped and asked for again.
 *
 * Who wants some items only (LIMIT) costs no request more than these take: nothing is asked for ahead but what
 * they cannot do without, if pages are as long as the longest so far.
 *
 * A page that may have been the last is asked for once more when it turns out not to be.
 */
#include "etl.h"

#include "api/pages_internal.h"
#include "common/hashfn.h"
#include "format/link_header.h"
#include "utils/memutils.h"

static int64
first_count(const EtlDialect *dialect)
{
	return dialect->first != NULL ? strtoll(dialect->first, NULL, 10) : 0;
}

/* ----------------------------------------------------------------
 *	Requests
 * ---------------------------------------------------------------- */

static EtlPageRequest *
take_request(EtlPages *pages)
{
	EtlPageRequest *request;
	MemoryContext old;

	if (pages->idle != NIL)
	{
		request = llast(pages->idle);
		pages->idle = list_delete_last(pages->idle);
		return request;
	}
	old = MemoryContextSwitchTo(pages->context);
	request = palloc0(sizeof(EtlPageRequest));
	request->context =
		AllocSetContextCreate(pages->context, "etl page request", ALLOCSET_SMALL_SIZES);
	request->exchange = EtlExchangeCreate(pages->base->target, &pages->stats);
	MemoryContextSwitchTo(old);
	return request;
}

void
EtlPagesRelease(EtlPages *pages, EtlPageRequest *request)
{
	MemoryContext old = MemoryContextSwitchTo(pages->context);

	EtlExchangeClose(request->exchange);
	pages->idle = lappend(pages->idle, request);
	MemoryContextSwitchTo(old);
}

void
EtlPagesDiscardAhead(EtlPages *pages)
{
	ListCell *lc;

	foreach (lc, pages->ahead)
		EtlPagesRelease(pages, lfirst(lc));
	list_free(pages->ahead);
	pages->ahead = NIL;
	pages->nsent = pages->number;
}

/* Where a reference that is a URL leads, whatever it was found at; NULL if it is none. */
static const char *
url_of(const EtlPages *pages, const EtlReference *reference, const EtlUrl *answered)
{
	EtlUrl url;

	if (reference == NULL || pages->dialect->next_to.kind != ETL_TO_URL ||
		EtlUrlResolve(answered, reference->text, &url) != NULL)
		return NULL;
	return EtlUrlText(&url);
}

/* Asks for the page behind the one that was asked for last. */
void
EtlPagesSend(EtlPages *pages, const EtlReference *reference)
{
	EtlPageRequest *request = take_request(pages);
	const EtlUrl *answered =
		pages->current != NULL ? EtlExchangeUrl(pages->current->exchange) : &pages->base->url;
	MemoryContext old;

	MemoryContextReset(request->context);
	old = MemoryContextSwitchTo(request->context);
	request->number = ++pages->nsent;
	request->count = pages->next_count;
	request->reference = reference == NULL ? NULL : EtlReferenceCopy(reference);
	request->url = url_of(pages, reference, answered);
	EtlRequestBuild(pages->base, pages->dialect, request->reference, answered,
					EtlWindowHoles(pages->window), &request->call);
	EtlExchangeSend(request->exchange, &request->call);
	MemoryContextSwitchTo(pages->context);
	pages->ahead = lappend(pages->ahead, request);
	MemoryContextSwitchTo(old);
}

void
EtlPagesSendFirst(EtlPages *pages)
{
	EtlWindowBegin(pages->window);
	pages->nprevious = 0;
	pages->next_count = first_count(pages->dialect);
	EtlPagesSend(pages, NULL);
}

/* Begins another search behind the current page. */
static void
send_search(EtlPages *pages)
{
	EtlPagesDiscardAhead(pages);
	pages->nprevious = pages->number;
	pages->next_count = first_count(pages->dialect);
	EtlPagesSend(pages, NULL);
}

void
EtlPagesSendSlice(EtlPages *pages)
{
	EtlWindowNextSlice(pages->window);
	send_search(pages);
}

/* Begins a new search behind the last item. */
static void
send_rekeyed(EtlPages *pages)
{
	EtlJsonValue storage;
	const EtlJsonValue *value =
		EtlPagesSignal(pages, pages->reader, &pages->dialect->rekey, &storage);

	EtlWindowRekey(pages->window, value);
	send_search(pages);
}

/* ----------------------------------------------------------------
 *	References
 * ---------------------------------------------------------------- */

static EtlReference *
find_link(const EtlPages *pages, bool quietly)
{
	const EtlSignal *next = &pages->dialect->next;
	char *header = EtlExchangeHeader(pages->current->exchange, "Link");
	const char *target;
	size_t len;

	if (header == NULL)
		return NULL;
	switch (EtlLinkHeaderFind(header, strlen(header), next->name, &target, &len))
	{
		case ETL_LINK_FOUND:
			return EtlReferenceOfText(target, len);
		case ETL_LINK_NONE:
			return NULL;
		case ETL_LINK_BROKEN:
			if (quietly)
				return NULL;
			break;
	}
	ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("the Link header cannot be read"),
					errdetail("It is broken at byte %d.", (int) (target - header) + 1)));
}

static EtlReference *
find_next(EtlPages *pages, bool quietly)
{
	const EtlSignal *next = &pages->dialect->next;
	EtlJsonValue storage;
	const EtlJsonValue *value;

	switch (next->kind)
	{
		case ETL_NO_SIGNAL:
			return NULL;
		case ETL_IN_LINK:
			return find_link(pages, quietly);
		default:
			value = EtlPagesSignal(pages, pages->reader, next, &storage);
			return EtlPagingIsReference(value) ? EtlReferenceOfValue(value) : NULL;
	}
}

EtlReference *
EtlPagesFindNext(EtlPages *pages)
{
	return find_next(pages, false);
}

/* ----------------------------------------------------------------
 *	Ahead of the end of a page
 * ---------------------------------------------------------------- */

/* Is it the last of several values, so that only the end of the page tells which? */
static bool
is_last_of_many(const EtlSignal *signal)
{
	if (signal->kind != ETL_IN_BODY)
		return signal->kind == ETL_IN_LAST_ITEM;
	for (int i = 0; i < signal->path->nsteps; i++)
		if (signal->path->steps[i].kind != ETL_JSON_STEP_MEMBER &&
			signal->path->steps[i].test == NULL)
			return true;
	return false;
}

/* Will the page behind this one be needed, whatever this one has? */
static bool
is_surely_needed(const EtlPages *pages)
{
	return pages->enough == 0 ||
		   (pages->longest > 0 &&
			pages->enough > pages->nread + Max(pages->longest, pages->nitems));
}

/* Is the reference all that the decision about this page is waiting for? */
static bool
may_look_ahead(EtlPages *pages)
{
	const EtlDialect *dialect = pages->dialect;
	EtlJsonValue storage;
	const EtlJsonValue *flag;

	if (dialect->next.kind == ETL_NO_SIGNAL || is_last_of_many(&dialect->next) ||
		dialect->stop_short || dialect->total.kind != ETL_NO_SIGNAL ||
		dialect->pages.kind != ETL_NO_SIGNAL || dialect->older.kind != ETL_NO_SIGNAL ||
		dialect->cap > 0 || (dialect->max_pages > 0 && pages->number >= dialect->max_pages))
		return false;
	if (pages->nitems == 0)
		return false;
	if (dialect->flag.kind == ETL_NO_SIGNAL)
		return true;
	flag = EtlPagesSignal(pages, pages->reader, &dialect->flag, &storage);
	return flag != NULL && !EtlPagingMatches(flag, dialect->flag_value);
}

/*
 * Asks for the next page while this one is being read, if that can be known.  Called with the first item, and
 * then whenever more of the body has come; what headers say is known from the start.
 */
void
EtlPagesLookAhead(EtlPages *pages)
{
	EtlSignalKind kind = pages->dialect->next.kind;
	EtlReference *reference;

	if (pages->nitems > 1 && (kind == ETL_IN_LINK || kind == ETL_IN_HEADER))
		return;

	if (pages->nsent > pages->number || pages->dialect->concurrency < 2 ||
		!is_surely_needed(pages) || !may_look_ahead(pages))
		return;
	reference = find_next(pages, true);
	if (reference == NULL)
		return;
	/* What is wrong with it is for the end of the page to say: the query may want no more than this one. */
	if (pages->dialect->next_to.kind != ETL_TO_URL ||
		EtlRequestMayFollow(pages->base, reference, EtlExchangeUrl(pages->current->exchange)))
		EtlPagesSend(pages, reference);
}

/* ----------------------------------------------------------------
 *	At the end of a page that is not the last
 * ---------------------------------------------------------------- */

/*
 * How many pages there are, if the server has said so; else, or if it does not go so far, the next one, of
 * which nothing is known.
 */
static int64
last_page(const EtlPages *pages)
{
	const EtlPageFacts *facts = &pages->facts;
	int64 last = pages->number + 1;
	int64 size = Max(facts->longest, facts->nitems);

	if (pages->dialect->cap > 0)
		return last;
	if (facts->npages > 0)
		last = pages->nprevious + facts->npages;
	else if (facts->total > 0 && size > 0)
		last = pages->nprevious + (facts->total + size - 1) / size;
	if (pages->dialect->max_pages > 0)
		last = Min(last, pages->dialect->max_pages);
	if (pages->enough > 0 && size > 0)
		last = Min(last, pages->number +
							 (pages->enough - pages->nread - facts->nitems + size - 1) / size);
	return Max(last, pages->number + 1);
}

static void
send_counted(EtlPages *pages)
{
	bool by_page = pages->dialect->pagination == ETL_PAGING_PAGE;
	int64 done = pages->facts.nbefore + pages->facts.nitems;
	int64 next = first_count(pages->dialect) + (by_page ? pages->number - pages->nprevious : done);
	int64 step = by_page ? 1 : pages->facts.nitems;

	if (pages->ahead != NIL && ((EtlPageRequest *) linitial(pages->ahead))->count != next)
		EtlPagesDiscardAhead(pages);
	if (pages->ahead == NIL)
		pages->next_count = next;
	else
		pages->next_count = ((EtlPageRequest *) llast(pages->ahead))->count + step;
	while (pages->nsent < last_page(pages) &&
		   list_length(pages->ahead) < pages->dialect->concurrency)
	{
		EtlPagesSend(pages, EtlReferenceOfNumber(pages->next_count));
		pages->next_count += step;
	}
}

/*
 * Tells requests of one search apart by what makes them differ: the URL, or the value that goes into the
 * request.  A restart or a new search may well use the same values again.
 */
static uint64
hash_request(const EtlPages *pages, const char *text)
{
	return hash_bytes_extended((const unsigned char *) text, (int) strlen(text),
							   (uint64) pages->nprevious * (ETL_MAX_RESTARTS + 1) +
								   pages->nrestarts);
}

static void
enter_followed(EtlPages *pages, const char *text, int64 number)
{
	uint64 hash = hash_request(pages, text);
	bool found;
	EtlPageHash *entry = hash_search(pages->followed, &hash, HASH_ENTER, &found);

	if (!found)
		entry->number = number;
	else if (entry->number != number)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("page " INT64_FORMAT " leads back to page " INT64_FORMAT, pages->number,
					entry->number),
			 errhint("The server may not know the parameter that leads to the next page: check "
					 "argument \"next_param\".  If a reference may stay the same while the pages "
					 "change, set options => '{\"guard\": \"content\"}'.")));
}

/* The current page leads to another, which must not be one that was there before. */
static void
guard_against_return(EtlPages *pages, const EtlReference *next)
{
	const EtlPageRequest *current = pages->current;
	bool by_url = pages->dialect->next_to.kind == ETL_TO_URL;
	const char *url = url_of(pages, next, EtlExchangeUrl(current->exchange));

	if (pages->followed == NULL)
		return;
	if (by_url)
		enter_followed(pages, EtlUrlText(&current->call.url), current->number);
	else if (current->reference != NULL)
		enter_followed(pages, current->reference->text, current->number);
	enter_followed(pages, url != NULL ? url : next->text, current->number + 1);
}

void
EtlPagesSendNext(EtlPages *pages)
{
	EtlReference *reference;
	EtlPageRequest *ahead;

	if (pages->decision.slice)
	{
		EtlPagesSendSlice(pages);
		return;
	}
	if (pages->decision.rekey)
	{
		send_rekeyed(pages);
		return;
	}
	if (EtlDialectCounts(pages->dialect))
	{
		send_counted(pages);
		return;
	}
	reference = EtlPagesFindNext(pages);
	Assert(reference != NULL);
	guard_against_return(pages, reference);
	if (pages->ahead != NIL)
	{
		/* Of two members with one name the last counts, and it may have come behind the request. */
		ahead = linitial(pages->ahead);
		if (strcmp(ahead->reference->text, reference->text) == 0)
			return;
		EtlPagesDiscardAhead(pages);
	}
	EtlPagesSend(pages, reference);
}

/* ----------------------------------------------------------------
 *	The page that was the last one when it was read
 *
 * Where pages are counted, and nothing but an empty page says where they end, a list that grows while it is read
 * fills up a page that was handed out already; the page behind it has items then, and what was added to the
 * one before would be passed over without a trace.  So a page that may have been the last (the tail) is kept
 * until the next item has come.  That shows that all pages before it are complete by now (settled): the answer
 * with the item is dropped, the tail is asked for once more, and what it has beyond what was handed out is
 * handed out.
 *
 * Not if the server itself has said that there is more (a flag), or how much there is (a total, which check_count
 * in paging.c looks at); and not where items are counted, because those go on behind the last item.
 * ----------------------------------------------------------------
 */

/* Is the page as long as pages are?  Of the first one only the server or the call can say. */
static bool
is_full(const EtlPages *pages)
{
	const EtlPageFacts *facts = &pages->facts;
	int64 size = facts->echo >= 0 ? facts->echo : pages->dialect->page_size;

	if (facts->longest > 0)
		return facts->nitems >= facts->longest;
	return size > 0 && facts->nitems >= size;
}

/* Can there be more in the current page by now, and nothing but the items behind it tell? */
static bool
may_grow(const EtlPages *pages)
{
	const EtlPageFacts *facts = &pages->facts;

	return pages->dialect->pagination == ETL_PAGING_PAGE && facts->total < 0 && facts->npages < 0 &&
		   !facts->has_flag && pages->number > pages->settled && pages->number == pages->nseen &&
		   !is_full(pages);
}

bool
EtlPagesKeepTail(EtlPages *pages)
{
	const EtlDecision *decision = &pages->decision;
	bool goes_on = decision->end == ETL_NOT_ENDED && !decision->slice && !decision->rekey;

	if (!goes_on)
		EtlPagesDropTail(pages);
	if (!goes_on || pages->tail != NULL || !may_grow(pages))
		return false;
	pages->tail = pages->current;
	EtlExchangeClose(pages->tail->exchange);
	return true;
}

void
EtlPagesDropTail(EtlPages *pages)
{
	if (pages->tail != NULL)
		EtlPagesRelease(pages, pages->tail);
	pages->tail = NULL;
}

EtlPageSeen
EtlPagesTailSeen(const EtlPages *pages)
{
	return pages->seen[pages->tail->number - 1];
}

void
EtlPagesAskTail(EtlPages *pages)
{
	EtlPageRequest *tail = pages->tail;
	MemoryContext old;

	pages->settled = pages->number - 1;
	pages->expected = EtlPagesTailSeen(pages);
	pages->nseen = tail->number - 1;
	pages->nread -= pages->expected.nitems;
	pages->nbefore -= pages->expected.nitems;
	pages->empties = 0;
	pages->nitems = 0;
	EtlPagesRelease(pages, pages->current);
	pages->current = pages->tail = NULL;
	pages->number = tail->number - 1;
	EtlPagesDiscardAhead(pages);
	old = MemoryContextSwitchTo(tail->context);
	EtlExchangeSend(tail->exchange, &tail->call);
	pages->nsent = tail->number;
	MemoryContextSwitchTo(pages->context);
	pages->ahead = lcons(tail, NIL);
	MemoryContextSwitchTo(old);
}

bool
EtlPagesAskedTail(const EtlPages *pages)
{
	return pages->number <= pages->settled;
}
