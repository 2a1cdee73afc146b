/*
 * pages_answer.c
 *		What an answer is: a page, a wish to be asked later, the news that the server has lost the thread, or
 *		an error.
 *
 * The dialect's rules are asked first, in their order, and where none speaks the status decides.  Rules that
 * look at the body of a page can only be asked when the page has been read; then its items may have been
 * handed out already, which is taken care of as for a page that breaks off.
 */
#include "etl.h"

#include "api/json_body.h"
#include "api/pages_internal.h"
#include "catalog/pg_collation.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "source/clock.h"
#include "source/utf8.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define MAX_ERROR_BODY (256 * 1024)
#define MAX_SENTENCE 2000	  /* bytes of a message that quotes what the server sent */
#define HOLD_STEP (64 * 1024) /* bytes that detection reads at a time */

/* ----------------------------------------------------------------
 *	Values in an answer
 * ---------------------------------------------------------------- */

const EtlJsonValue *
EtlPagesSignal(EtlPages *pages, const EtlReader *reader, const EtlSignal *signal,
			   EtlJsonValue *storage)
{
	char *header;

	switch (signal->kind)
	{
		case ETL_IN_HEADER:
			header = EtlExchangeHeader(pages->current->exchange, signal->name);
			if (header == NULL)
				return NULL;
			storage->type = ETL_JSON_STRING;
			storage->text = header;
			storage->len = strlen(header);
			return storage;
		case ETL_IN_BODY:
		case ETL_IN_LAST_ITEM:
			return reader != NULL && signal->capture >= 0
					   ? reader->format->captured(reader, signal->capture)
					   : NULL;
		default:
			return NULL;
	}
}

int64
EtlPagesSignalCount(EtlPages *pages, const EtlSignal *signal)
{
	EtlJsonValue storage;
	const EtlJsonValue *value = EtlPagesSignal(pages, pages->reader, signal, &storage);

	return value != NULL ? EtlPagingCount(value->text, value->len) : -1;
}

/* The part of a message that a regular expression finds, NULL if it finds nothing; both in the server's encoding. */
static char *
find_part(const char *message, const char *regex)
{
	LOCAL_FCINFO(call, 2);
	Datum part;

	InitFunctionCallInfoData(*call, NULL, 2, DEFAULT_COLLATION_OID, NULL, NULL);
	call->args[0].value = CStringGetTextDatum(message);
	call->args[0].isnull = false;
	call->args[1].value = CStringGetTextDatum(regex);
	call->args[1].isnull = false;
	part = textregexsubstr(call);
	return call->isnull ? NULL : TextDatumGetCString(part);
}

/* What a signal says of a wait, NULL: nothing. */
static const char *
wait_text(EtlPages *pages, const EtlReader *reader, const EtlWaitSignal *signal)
{
	EtlJsonValue storage;
	const EtlJsonValue *value = EtlPagesSignal(pages, reader, &signal->at, &storage);

	if (value == NULL)
		return NULL;
	if (signal->regex == NULL)
		return pnstrdup(value->text, value->len);
	return find_part(EtlShowUtf8Len(value->text, value->len), EtlShowUtf8(signal->regex));
}

/* The longest wait that any signal asks for. */
int64
EtlPagesAskedWait(EtlPages *pages, const EtlReader *reader)
{
	EtlExchange *exchange = pages->current->exchange;
	char *date = EtlExchangeHeader(exchange, "Date");
	char *retry_after = EtlExchangeHeader(exchange, "Retry-After");
	int64 now = GetCurrentTimestamp() / 1000 +
				(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;
	int64 longest = ETL_NO_WAIT_ASKED;
	int64 wait;

	if (retry_after != NULL && EtlRetryParseWait(retry_after, ETL_WAIT_AUTO, date, now, &wait))
		longest = wait;
	for (int i = 0; i < pages->dialect->nwaits; i++)
	{
		const EtlWaitSignal *signal = &pages->dialect->waits[i];
		const char *text = wait_text(pages, reader, signal);

		if (text != NULL && EtlRetryParseWait(text, signal->kind, date, now, &wait))
			longest = Max(longest, wait);
	}
	return longest;
}

/* ----------------------------------------------------------------
 *	Rules
 * ---------------------------------------------------------------- */

static bool
is_page(int status)
{
	return status >= 200 && status < 300;
}

static bool
rule_applies(EtlPages *pages, const EtlReader *reader, const EtlAnswerRule *rule, int status)
{
	EtlJsonValue storage;

	if (rule->status != 0 && rule->status != status)
		return false;
	return rule->at.kind == ETL_NO_SIGNAL ||
		   EtlPagingMatches(EtlPagesSignal(pages, reader, &rule->at, &storage), rule->value);
}

static const EtlAnswerRule *
find_rule(EtlPages *pages, const EtlReader *reader, int status)
{
	for (int i = 0; i < pages->dialect->nrules; i++)
		if (rule_applies(pages, reader, &pages->dialect->rules[i], status))
			return &pages->dialect->rules[i];
	return NULL;
}

const EtlAnswerRule *
EtlPagesRuleForBody(EtlPages *pages)
{
	return find_rule(pages, pages->reader, EtlExchangeAwait(pages->current->exchange));
}

static bool
looks_into_bodies(const EtlDialect *dialect)
{
	for (int i = 0; i < dialect->nrules; i++)
		if (dialect->rules[i].at.kind == ETL_IN_BODY)
			return true;
	for (int i = 0; i < dialect->nwaits; i++)
		if (dialect->waits[i].at.kind == ETL_IN_BODY)
			return true;
	return false;
}

static void
add_capture(EtlPages *pages, EtlSignal *signal)
{
	EtlJsonOptions *options = &pages->options;

	if (signal->kind != ETL_IN_BODY && signal->kind != ETL_IN_LAST_ITEM)
		return;
	if (options->ncaptures == ETL_JSON_MAX_CAPTURES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the options look at more than %d places of a page",
							   ETL_JSON_MAX_CAPTURES)));
	options->captures[options->ncaptures].path = signal->path;
	options->captures[options->ncaptures].of_last_item = signal->kind == ETL_IN_LAST_ITEM;
	signal->capture = options->ncaptures++;
}

/* What a body is read for, as far as the dialect is known yet. */
static void
set_options(EtlPages *pages)
{
	EtlDialect *dialect = pages->dialect;

	memset(&pages->options, 0, sizeof(EtlJsonOptions));
	pages->options.items = dialect->items;
	pages->options.many = dialect->format != ETL_PAGE_AUTO;
	pages->options.lines = dialect->format == ETL_PAGE_NDJSON;
	pages->options.initials = pages->base->initials;
	EtlJsonSetLimits(&pages->options);
	add_capture(pages, &dialect->next);
	add_capture(pages, &dialect->flag);
	add_capture(pages, &dialect->total);
	add_capture(pages, &dialect->pages);
	add_capture(pages, &dialect->echo);
	add_capture(pages, &dialect->older);
	add_capture(pages, &dialect->rekey);
	for (int i = 0; i < dialect->nrules; i++)
		add_capture(pages, &dialect->rules[i].at);
	for (int i = 0; i < dialect->nwaits; i++)
		add_capture(pages, &dialect->waits[i].at);
}

/* What an error body may still have, as a feed. */
typedef struct ErrorBody
{
	EtlExchange *exchange;
	size_t left;
} ErrorBody;

static ssize_t
feed_error_body(void *arg, char *to, size_t len)
{
	ErrorBody *body = arg;
	size_t n = EtlExchangeRead(body->exchange, to, Min(len, body->left));

	body->left -= n;
	return (ssize_t) n;
}

/* Reads the body of an error for what the rules look at; what is no JSON has nothing of it. */
static EtlReader *
read_error_body(EtlPages *pages)
{
	ErrorBody body = {pages->current->exchange, MAX_ERROR_BODY};
	EtlJsonOptions options;
	EtlReader *reader;
	EtlJsonItem item;

	if (pages->reader == NULL)
		set_options(pages);
	options = pages->options;
	options.items = NULL;
	options.many = true;
	options.lines = false;
	reader = EtlJsonFormat.create(&options);
	while (EtlReaderNext(reader, &item, feed_error_body, &body) == ETL_FORMAT_RECORD)
		;
	return reader;
}

/* What an answer means, and, if it means "later", how much. */
static EtlVerdict
judge(EtlPages *pages, int status, int64 *asked)
{
	EtlReader *reader = NULL;
	const EtlAnswerRule *rule;

	if (!is_page(status) && looks_into_bodies(pages->dialect))
		reader = read_error_body(pages);
	rule = find_rule(pages, reader, status);
	*asked = EtlPagesAskedWait(pages, reader);
	if (reader != NULL)
		reader->format->free(reader);
	if (rule != NULL)
		return rule->verdict;
	if (is_page(status))
		return ETL_ANSWER_OK;
	return EtlRetryStatus(status) ? ETL_ANSWER_LATER : ETL_ANSWER_FAIL;
}

/* ----------------------------------------------------------------
 *	Once more
 * ---------------------------------------------------------------- */

/* Asks for the current page again; of its items, those that were handed out are expected. */
void
EtlPagesAskAgain(EtlPages *pages, int64 asked)
{
	EtlPageRequest *request = pages->current;
	MemoryContext old;
	bool repeatable = request->call.repeatable ||
					  EtlRetryMethod(request->call.method != NULL ? request->call.method : "GET");

	if (!repeatable)
		EtlExchangeRaise(request->exchange);
	if (pages->reader != NULL && pages->nitems > pages->expected.nitems)
	{
		pages->expected.nitems = pages->nitems;
		pages->expected.hash = EtlReaderPlace(pages->reader).hash;
	}
	pages->nitems = 0;
	EtlExchangeSendAgain(request->exchange, &request->call, asked);
	old = MemoryContextSwitchTo(pages->context);
	pages->ahead = lcons(request, pages->ahead);
	MemoryContextSwitchTo(old);
	pages->number = request->number - 1;
	pages->current = NULL;
}

/* Asks for the first page, as if there had been none. */
void
EtlPagesBeginAgain(EtlPages *pages)
{
	EtlPagesRelease(pages, pages->current);
	pages->current = NULL;
	pages->number = pages->settled = 0;
	EtlPagesDropTail(pages);
	EtlPagesDiscardAhead(pages);
	pages->nread = pages->nbefore = pages->longest = 0;
	pages->empties = 0;
	EtlPagesSendFirst(pages);
}

/* Begins again at the first page.  What was handed out is expected to come again, and passed over. */
void
EtlPagesRestart(EtlPages *pages)
{
	/* It is not known what the last scan has handed out. */
	if (pages->resumed_at > 0)
	{
		pages->lost = true;
		return;
	}
	if (++pages->nrestarts > ETL_MAX_RESTARTS)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
						errmsg("the server has lost the thread %d times", pages->nrestarts)));
	if (pages->reader != NULL && pages->nitems > pages->expected.nitems)
	{
		pages->expected.nitems = pages->nitems;
		pages->expected.hash = EtlReaderPlace(pages->reader).hash;
	}
	if (pages->number > pages->nseen)
		pages->interrupted = pages->expected;
	EtlPagesBeginAgain(pages);
}

/* ----------------------------------------------------------------
 *	Detection
 * ---------------------------------------------------------------- */

static const char *
look_up_header(void *arg, const char *name)
{
	return EtlExchangeHeader(((EtlPages *) arg)->current->exchange, name);
}

/* What detection holds is an object of the largest size at most, and the white space around it. */
static void
check_held(const EtlPages *pages)
{
	EtlJsonOptions limits = {0};

	EtlJsonSetLimits(&limits);
	if ((size_t) pages->held.len > limits.max_item_size + HOLD_STEP)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the page is too large for its paging to be detected"),
						errdetail("It has more than %zu bytes, white space included.",
								  (size_t) limits.max_item_size),
						errhint("Set argument \"pagination\", or raise \"etl.max_item_size\".")));
}

/* Reads on into the held bytes; false at the end of the body, or where it broke off. */
static bool
hold_more(EtlPages *pages)
{
	size_t n;

	check_held(pages);
	enlargeStringInfo(&pages->held, HOLD_STEP);
	n = EtlExchangeRead(pages->current->exchange, pages->held.data + pages->held.len, HOLD_STEP);
	pages->held.len += (int) n;
	return n > 0;
}

/* The first byte of the body that says something, 0 if there is none. */
static char
first_byte(EtlPages *pages)
{
	int at = 0;

	for (;;)
	{
		while (at < pages->held.len && strchr(" \t\r\n\xef\xbb\xbf", pages->held.data[at]) != NULL)
			at++;
		if (at < pages->held.len)
			return pages->held.data[at];
		if (!hold_more(pages))
			return '\0';
	}
}

/* Does anything but white space follow what was held up to here? */
static bool
more_follows(EtlPages *pages, int at)
{
	for (;;)
	{
		while (at < pages->held.len && strchr(" \t\r\n", pages->held.data[at]) != NULL)
			at++;
		if (at < pages->held.len)
			return true;
		if (!hold_more(pages))
			return false;
	}
}

/* What was held, and on into it, as a feed. */
typedef struct HeldBody
{
	EtlPages *pages;
	int at;
} HeldBody;

static ssize_t
feed_held(void *arg, char *to, size_t len)
{
	HeldBody *body = arg;
	const StringInfoData *held = &body->pages->held;

	if (body->at == held->len && !hold_more(body->pages))
		return 0;
	len = Min(len, (size_t) (held->len - body->at));
	memcpy(to, held->data + body->at, len);
	body->at += (int) len;
	return (ssize_t) len;
}

/* The whole body as one object; false if it is values one after another, or broke off. */
static bool
read_whole(EtlPages *pages, EtlReader *reader, EtlJsonItem *item)
{
	HeldBody body = {pages, 0};
	int step = EtlReaderNext(reader, item, feed_held, &body);

	if (EtlExchangeBroke(pages->current->exchange))
		return false;
	if (step != ETL_FORMAT_RECORD)
		EtlPagesRaiseJsonFault(pages, reader);
	return !more_follows(pages, (int) (item->offset + item->len));
}

/* A sentence for a message, which may quote names as long as the server likes. */
static const char *
show_sentence(const char *text)
{
	int len = (int) strlen(text);

	return EtlShowUtf8Len(text, pg_encoding_mbcliplen(PG_UTF8, text, len, MAX_SENTENCE));
}

static void
raise_undetected(const EtlDetection *detection)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s", show_sentence(detection->problem)),
					detection->doubt != NULL ? errdetail("%s", show_sentence(detection->doubt)) : 0,
					errhint("%s", show_sentence(detection->hint))));
}

/* What the call does not say, the first answer shows: how it pages, or only where its items are. */
static bool
needs_detection(const EtlPages *pages)
{
	return pages->reader == NULL &&
		   (pages->dialect->pagination == ETL_PAGING_AUTO ||
			(pages->dialect->items == NULL && pages->dialect->format == ETL_PAGE_AUTO));
}

/* Finds out the dialect from the current answer; false if the body broke off meanwhile. */
static bool
detect(EtlPages *pages)
{
	EtlDialect *dialect = pages->dialect;
	EtlDetection *detection = palloc0(sizeof(EtlDetection));
	EtlJsonOptions options = {0};
	EtlJsonPathFault fault;
	EtlReader *reader;
	EtlJsonItem item;
	bool object;
	const char *problem;

	resetStringInfo(&pages->held);
	options.items = EtlJsonPathParse("$", 1, &fault);
	EtlJsonSetLimits(&options);
	object = first_byte(pages) == '{' && dialect->format == ETL_PAGE_AUTO;
	reader = EtlJsonFormat.create(&options);
	if (object)
		object = read_whole(pages, reader, &item);
	if (EtlExchangeBroke(pages->current->exchange))
		return false;
	if (dialect->pagination != ETL_PAGING_AUTO)
	{
		if (object)
			EtlDetectItems(&item, dialect->pagination != ETL_PAGING_NONE, detection);
	}
	else if (object)
		EtlDetectFromBody(&item, dialect->given[EtlDialectFindOption("items")], look_up_header,
						  pages, detection);
	else
		EtlDetectFromHeaders(look_up_header, pages, detection);
	if (detection->problem != NULL)
		raise_undetected(detection);
	problem = EtlDetectionApply(detection, dialect);
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the options do not go with what the answer shows: %s",
							   EtlShowUtf8(problem))));
	reader->format->free(reader);
	pages->detection = detection;
	return true;
}

/* ----------------------------------------------------------------
 *	A page
 * ---------------------------------------------------------------- */

static void
create_reader(EtlPages *pages)
{
	MemoryContext old = MemoryContextSwitchTo(pages->context);

	set_options(pages);
	pages->reader = EtlPageFormats[pages->dialect->format].format->create(&pages->options);
	MemoryContextSwitchTo(old);
}

/* The items of this page that an earlier round has handed out. */
static EtlPageSeen
expected_of(const EtlPages *pages)
{
	static const EtlPageSeen nothing = {0};

	if (pages->number <= pages->nseen)
		return pages->seen[pages->number - 1];
	if (pages->number == pages->nseen + 1 && pages->expected.nitems > 0)
		return pages->expected;
	return pages->number == pages->nseen + 1 ? pages->interrupted : nothing;
}

/* A page is asked for as it is, and is not unpacked if it comes otherwise. */
static void
check_coding(const EtlPages *pages)
{
	const char *coding = EtlExchangeHeader(pages->current->exchange, "Content-Encoding");
	const char *shown;

	if (coding == NULL || *coding == '\0' || pg_strcasecmp(coding, "identity") == 0)
		return;
	shown = EtlExchangeShow(pages->current->exchange, coding);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the page is compressed, though it was asked for as it is"),
			 shown ? errdetail("Its Content-Encoding is \"%s\".", shown) : 0,
			 errhint("Have the server send it as it is; etl_json() reads a single answer that "
					 "is compressed.")));
}

/* The next request in order has an answer: makes that the current page, if it is one. */
static bool
accept_page(EtlPages *pages)
{
	check_coding(pages);
	if (needs_detection(pages))
	{
		MemoryContext old = MemoryContextSwitchTo(pages->context);
		bool detected = detect(pages);

		MemoryContextSwitchTo(old);
		if (!detected)
		{
			EtlPagesAskAgain(pages, ETL_NO_WAIT_ASKED);
			return false;
		}
	}
	else if (pages->held.len > 0)
	{
		pfree(pages->held.data);
		initStringInfo(&pages->held);
	}
	if (pages->reader == NULL)
		create_reader(pages);
	else
		EtlReaderReset(pages->reader, NULL);
	if (pages->window_number != pages->number && pages->tail == NULL)
	{
		resetStringInfo(&pages->window_text);
		EtlWindowSave(pages->window, &pages->window_text);
		pages->window_number = pages->number;
	}
	pages->answered = pages->current;
	pages->held_at = 0;
	pages->nitems = 0;
	pages->line = pages->line_skipped = 0;
	pages->differs = false;
	pages->expected = expected_of(pages);
	return true;
}

/* Is a refusal about what was asked for, rather than about who asks, or when? */
static bool
is_about_page(int status)
{
	return status < 500 && status != 401 && status != 403 && status != 407 &&
		   !EtlRetryStatus(status);
}

/* Whether an answer is there in time; if it is to be looked at as a whole, all of it. */
static bool
has_come(const EtlPages *pages, EtlExchange *exchange)
{
	return EtlExchangeReady(exchange, pages->until) &&
		   (!needs_detection(pages) || EtlExchangeBodyHeld(exchange, pages->until));
}

bool
EtlPagesOpenPage(EtlPages *pages)
{
	while (pages->current == NULL && !pages->lost)
	{
		EtlPageRequest *request = linitial(pages->ahead);
		int64 asked;

		if (pages->until != ETL_FOREVER && !has_come(pages, request->exchange))
		{
			pages->late = true;
			return false;
		}
		pages->ahead = list_delete_first(pages->ahead);
		pages->current = request;
		pages->number = request->number;
		pages->nitems = 0;
		switch (judge(pages, EtlExchangeAwait(request->exchange), &asked))
		{
			case ETL_ANSWER_OK:
				if (accept_page(pages))
					return true;
				break;
			case ETL_ANSWER_LATER:
				EtlPagesAskAgain(pages, asked);
				break;
			case ETL_ANSWER_RESTART:
				EtlPagesRestart(pages);
				break;
			case ETL_ANSWER_EMPTY:
				EtlPagesEndEmpty(pages);
				if (pages->end != ETL_NOT_ENDED)
					return false;
				break;
			case ETL_ANSWER_REFRESH:
				if (!EtlExchangeRenew(request->exchange))
					EtlExchangeRaise(request->exchange);
				EtlPagesAskAgain(pages, ETL_NO_WAIT_ASKED);
				break;
			case ETL_ANSWER_FAIL:
				if (pages->number != pages->resumed_at ||
					!is_about_page(EtlExchangeAwait(request->exchange)))
					EtlExchangeRaise(request->exchange);
				pages->lost = true;
				break;
		}
	}
	return !pages->lost;
}
