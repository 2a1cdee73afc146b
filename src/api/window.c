/*
 * window.c
 *		One scan as several searches: slices of time, and searches behind the key of the last item.
 *
 * Of the items at the end of a search, those that share the last key are kept as hashes (its border).  The
 * next search is held against them: what it hands out of them is passed over, and if it begins behind a key
 * that several items share, it has left out whatever the server had not handed out of these.  Keys that go
 * back and forth would make a search begin in the wrong place, so they have to be in order.
 */
#include "etl.h"

#include <inttypes.h>

#include "access/xact.h"
#include "api/window.h"
#include "common/hashfn.h"
#include "datatype/timestamp.h"
#include "source/pairs.h"
#include "source/utf8.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Items that may share a key: each of them is looked for among those of the search before. */
#define MAX_BORDER 100000

/* Items that share a key, as hashes. */
typedef struct Border
{
	StringInfoData key;
	int n;
	int size;
	uint64 *hashes;
} Border;

struct EtlWindow
{
	MemoryContext context;
	const EtlApiBase *base;
	const EtlDialect *dialect;
	EtlHoles holes;
	int64 nsearches;

	/* slices */
	Interval *step; /* NULL: there are none */
	Interval *gap;	/* NULL: none */
	TimestampTz start;
	TimestampTz until;
	TimestampTz from; /* beginning and */
	TimestampTz to;	  /* end of the slice in hand */

	/* keys */
	Border last; /* of the current search */
	Border
		before; /* of the one before, without what has come again; empty key: it was another slice */
	int nbefore;	/* items that it had */
	bool at_border; /* no item of this search has come yet */
	int direction;	/* of the keys: 1, -1; 0: not seen yet */
	int64 page;		/* the item that was taken last; an item may come again */
	int64 index;
	bool too_large; /* what was saved of it was not enough to go on */
};

#define invalid_argument(name, ...)                           \
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), \
					errmsg("invalid value for argument \"%s\"", name), errdetail(__VA_ARGS__)))

/* ----------------------------------------------------------------
 *	Slices
 * ---------------------------------------------------------------- */

static TimestampTz
time_of(const char *text)
{
	return DatumGetTimestampTz(DirectFunctionCall3(
		timestamptz_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static Interval *
interval_of(const char *text)
{
	if (text == NULL)
		return NULL;
	return DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static TimestampTz
later(TimestampTz time, Interval *interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(time), IntervalPGetDatum(interval)));
}

static TimestampTz
earlier(TimestampTz time, Interval *interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_mi_interval, TimestampTzGetDatum(time), IntervalPGetDatum(interval)));
}

/* In UTC. */
static char *
iso_time(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t fsec;
	char *text;

	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	text = psprintf("%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour,
					tm.tm_min, tm.tm_sec);
	return fsec == 0 ? psprintf("%sZ", text) : psprintf("%s.%06dZ", text, (int) fsec);
}

/* The day that it is in the session's time zone. */
static char *
iso_date(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t fsec;
	int zone;

	if (timestamp2tm(time, &zone, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return psprintf("%04d-%02d-%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
}

static char *
slice_text(const EtlWindow *window, TimestampTz time)
{
	int64 us = time + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

	switch (window->dialect->slice_format)
	{
		case ETL_SLICE_DATE:
			return iso_date(time);
		case ETL_SLICE_EPOCH:
			return psprintf(INT64_FORMAT, us / USECS_PER_SEC);
		case ETL_SLICE_EPOCH_MS:
			return psprintf(INT64_FORMAT, us / 1000);
		case ETL_SLICE_ISO:
			break;
	}
	return iso_time(time);
}

/* Makes the slice that begins at a time the one in hand. */
static void
begin_slice(EtlWindow *window, TimestampTz from)
{
	MemoryContext old = MemoryContextSwitchTo(window->context);

	window->from = from;
	window->to = later(from, window->step);
	if (window->to <= from)
		invalid_argument("slice", "It must be longer than nothing.");
	window->to = Min(window->to, window->until);
	window->holes.from = slice_text(window, from);
	window->holes.to =
		slice_text(window, window->gap != NULL ? earlier(window->to, window->gap) : window->to);
	MemoryContextSwitchTo(old);
}

static bool
has_hole(const char *text)
{
	return text != NULL &&
		   (strstr(text, "{from}") != NULL || strstr(text, "{to}") != NULL ||
			strstr(text, "{from:number}") != NULL || strstr(text, "{to:number}") != NULL);
}

/* Slices that no request speaks of would all be the same. */
static void
check_holes(const EtlApiBase *base)
{
	ListCell *lc;

	foreach (lc, base->params)
		if (has_hole(((EtlParam *) lfirst(lc))->value))
			return;
	if (base->body != NULL &&
		has_hole(JsonbToCString(NULL, &base->body->root, VARSIZE(base->body))))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"slice\" has no effect without {from} or {to} in \"params\" or \"body\""),
			 errhint("Say where the times go, as in params => '{\"since\": \"{from}\", \"until\": "
					 "\"{to}\"}'.")));
}

static void
create_slices(EtlWindow *window)
{
	const EtlDialect *dialect = window->dialect;

	check_holes(window->base);
	window->step = interval_of(dialect->slice);
	window->gap = interval_of(dialect->slice_gap);
	window->start = time_of(dialect->slice_from);
	window->until = dialect->slice_to != NULL ? time_of(dialect->slice_to)
											  : GetCurrentTransactionStartTimestamp();
	if (TIMESTAMP_NOT_FINITE(window->start) || TIMESTAMP_NOT_FINITE(window->until))
		invalid_argument(TIMESTAMP_NOT_FINITE(window->start) ? "slice_from" : "slice_to",
						 "It must not be infinite.");
	if (window->start >= window->until)
		invalid_argument("slice_from", "It must be before %s.",
						 dialect->slice_to != NULL ? "\"slice_to\"" : "now");
}

/* ----------------------------------------------------------------
 *	Keys
 * ---------------------------------------------------------------- */

static void
empty(Border *border)
{
	resetStringInfo(&border->key);
	border->n = 0;
}

static void
add(EtlWindow *window, Border *border, uint64 hash)
{
	if (border->n == MAX_BORDER)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("more than %d items have the same key", MAX_BORDER),
						errhint("Use a key that is unique with \"rekey\".")));
	if (border->n == border->size)
	{
		border->size = Max(16, border->size * 2);
		border->hashes = border->hashes == NULL
							 ? MemoryContextAlloc(window->context, sizeof(uint64) * border->size)
							 : repalloc_huge(border->hashes, sizeof(uint64) * border->size);
	}
	border->hashes[border->n++] = hash;
}

/* Takes one out, if it is there. */
static bool
take_out(Border *border, uint64 hash)
{
	for (int i = 0; i < border->n; i++)
		if (border->hashes[i] == hash)
		{
			border->hashes[i] = border->hashes[--border->n];
			return true;
		}
	return false;
}

static bool
has_key(const Border *border, const char *key, size_t len)
{
	return border->n > 0 && (size_t) border->key.len == len &&
		   memcmp(border->key.data, key, len) == 0;
}

static bool
is_whole_number(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return len > 0;
}

/* A time in UTC, or a date; two of one length are in the order of their bytes. */
static bool
is_iso_time(const char *text, size_t len)
{
	return len >= 10 && is_whole_number(text, 4) && text[4] == '-' && text[7] == '-' &&
		   (len == 10 || text[len - 1] == 'Z');
}

/* How two keys are ordered, as far as that can be known; else 0. */
static int
compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order;

	if (is_whole_number(a, a_len) && is_whole_number(b, b_len))
	{
		for (; a_len > 1 && *a == '0'; a_len--)
			a++;
		for (; b_len > 1 && *b == '0'; b_len--)
			b++;
		if (a_len != b_len)
			return a_len < b_len ? -1 : 1;
	}
	else if (a_len != b_len || !is_iso_time(a, a_len) || !is_iso_time(b, b_len))
		return 0;
	order = memcmp(a, b, a_len);
	return order < 0 ? -1 : order > 0 ? 1 : 0;
}

static void
check_order(EtlWindow *window, const char *key, size_t len)
{
	const StringInfoData *last = &window->last.key;
	int order = window->last.n > 0 ? compare(last->data, last->len, key, len) : 0;

	if (order == 0 || !window->dialect->guard)
		return;
	if (window->direction == 0)
		window->direction = order;
	if (order != window->direction)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("the items are not in the order of their keys"),
			 errdetail("A search that begins behind \"%s\" of the last item would leave out "
					   "others.",
					   EtlShowUtf8(window->dialect->rekey.name)),
			 errhint("Ask the server to sort them by it, in \"params\" or \"body\".  If they "
					 "are sorted in a way of their own, set options => '{\"guard\": \"off\"}'.")));
}

/* The first item of a search behind a key. */
static void
check_border(EtlWindow *window, const char *key, size_t len)
{
	bool same =
		window->before.key.len == (int) len && memcmp(window->before.key.data, key, len) == 0;

	if (same || window->nbefore < 2)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("items may be missing where one search ends and the next begins"),
			 errdetail("The last %d items before have one key, and the search goes on with "
					   "another.",
					   window->nbefore),
			 errhint("Ask for what has this key or a later one (at least, not more than): what "
					 "comes again is passed over.  Or use a key that is unique.")));
}

bool
EtlWindowTake(EtlWindow *window, int64 page, const EtlJsonItem *item)
{
	const EtlSignal *rekey = &window->dialect->rekey;
	const EtlJsonToken *token;
	const char *key;
	size_t len;
	uint64 hash;

	if (rekey->kind != ETL_IN_LAST_ITEM || page < window->page ||
		(page == window->page && item->index <= window->index))
		return true;
	window->page = page;
	window->index = item->index;
	token = EtlJsonFind(item, rekey->path);
	if (token == NULL)
		return true; /* an error if it is the last one */
	key = EtlJsonTokenText(item, token, &len);
	if (window->at_border && window->before.key.len > 0)
		check_border(window, key, len);
	window->at_border = false;
	if (!has_key(&window->last, key, len))
	{
		check_order(window, key, len);
		empty(&window->last);
		appendBinaryStringInfo(&window->last.key, key, (int) len);
	}
	hash = hash_bytes_extended((const unsigned char *) item->data, (int) item->len, 0);
	add(window, &window->last, hash);
	return !(has_key(&window->before, key, len) && take_out(&window->before, hash));
}

/* The key that takes the place of {key}. */
static void
set_key(EtlWindow *window, const char *key, size_t len)
{
	MemoryContext old = MemoryContextSwitchTo(window->context);

	window->holes.key = pnstrdup(key, len);
	MemoryContextSwitchTo(old);
}

void
EtlWindowRekey(EtlWindow *window, const EtlJsonValue *value)
{
	const char *key = window->holes.key;
	Border before = window->before;

	if (value == NULL || value->len == 0 || value->type == ETL_JSON_NULL)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
						errmsg("the last item has no key at \"%s\"",
							   EtlShowUtf8(window->dialect->rekey.name))));
	if (strlen(key) == value->len && memcmp(key, value->text, value->len) == 0)
		ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("the key does not advance"),
						errdetail("More items have this key than the server hands out."),
						errhint("Use a key that more items differ in.")));
	set_key(window, value->text, value->len);
	window->before = window->last;
	window->nbefore = window->last.n;
	window->last = before;
	empty(&window->last);
	window->at_border = true;
	window->nsearches++;
}

/* ----------------------------------------------------------------
 *	Searches
 * ---------------------------------------------------------------- */

EtlWindow *
EtlWindowCreate(const EtlApiBase *base, const EtlDialect *dialect)
{
	EtlWindow *window = palloc0(sizeof(EtlWindow));

	window->context = CurrentMemoryContext;
	window->base = base;
	window->dialect = dialect;
	initStringInfo(&window->last.key);
	initStringInfo(&window->before.key);
	if (dialect->slice != NULL)
		create_slices(window);
	return window;
}

/* A search that is not held against another one. */
static void
begin_search(EtlWindow *window)
{
	window->holes.key = window->dialect->key;
	empty(&window->last);
	empty(&window->before);
	window->nbefore = 0;
	window->direction = 0;
	window->nsearches++;
}

void
EtlWindowBegin(EtlWindow *window)
{
	begin_search(window);
	window->page = window->index = -1;
	if (window->step != NULL)
		begin_slice(window, window->start);
}

bool
EtlWindowHasMore(const EtlWindow *window)
{
	return window->step != NULL && window->to < window->until;
}

void
EtlWindowNextSlice(EtlWindow *window)
{
	begin_search(window);
	begin_slice(window, window->to);
}

const EtlHoles *
EtlWindowHoles(const EtlWindow *window)
{
	return &window->holes;
}

int64
EtlWindowSearches(const EtlWindow *window)
{
	return window->nsearches;
}

/* ----------------------------------------------------------------
 *	To be gone on with
 * ---------------------------------------------------------------- */

#define MAX_SAVED 256 /* items of one key */

static void
save_border(StringInfo text, const char *name, const Border *border)
{
	StringInfoData items;

	if (border->key.len == 0)
		return;
	EtlPairsAdd(text, psprintf("window.%s", name), border->key.data);
	if (border->n == 0)
		return;
	initStringInfo(&items);
	for (int i = 0; i < border->n; i++)
		appendStringInfo(&items, "%016" PRIx64, border->hashes[i]);
	EtlPairsAdd(text, psprintf("window.%s_items", name), items.data);
}

void
EtlWindowSave(const EtlWindow *window, StringInfo text)
{
	if (window->step == NULL && window->dialect->rekey.kind == ETL_NO_SIGNAL)
		return;
	if (window->last.n > MAX_SAVED || window->before.n > MAX_SAVED)
	{
		EtlPairsAddNumber(text, "window.too_large", 1);
		return;
	}
	EtlPairsAddNumber(text, "window.searches", window->nsearches);
	EtlPairsAddNumber(text, "window.from", window->from);
	EtlPairsAddNumber(text, "window.until", window->until);
	EtlPairsAddNumber(text, "window.nbefore", window->nbefore);
	EtlPairsAddNumber(text, "window.at_border", window->at_border);
	EtlPairsAddNumber(text, "window.direction", window->direction);
	EtlPairsAdd(text, "window.key", window->holes.key);
	save_border(text, "last", &window->last);
	save_border(text, "before", &window->before);
}

static void
restore_items(EtlWindow *window, Border *border, const char *value)
{
	for (; strlen(value) >= 16; value += 16)
		add(window, border, strtou64(pnstrdup(value, 16), NULL, 16));
}

void
EtlWindowRestore(EtlWindow *window, const char *name, const char *value)
{
	int64 number = (int64) EtlPairsNumber(value);

	name += strlen("window.");
	if (strcmp(name, "too_large") == 0)
		window->too_large = true;
	else if (strcmp(name, "searches") == 0)
		window->nsearches = number;
	else if (strcmp(name, "from") == 0)
		window->from = number;
	else if (strcmp(name, "until") == 0)
		window->until = number;
	else if (strcmp(name, "nbefore") == 0)
		window->nbefore = (int) number;
	else if (strcmp(name, "at_border") == 0)
		window->at_border = number != 0;
	else if (strcmp(name, "direction") == 0)
		window->direction = (int) number;
	else if (strcmp(name, "key") == 0)
		set_key(window, value, strlen(value));
	else if (strcmp(name, "last") == 0)
		appendStringInfoString(&window->last.key, value);
	else if (strcmp(name, "before") == 0)
		appendStringInfoString(&window->before.key, value);
	else if (strcmp(name, "last_items") == 0)
		restore_items(window, &window->last, value);
	else if (strcmp(name, "before_items") == 0)
		restore_items(window, &window->before, value);
}

bool
EtlWindowResume(EtlWindow *window)
{
	window->page = window->index = -1;
	if (window->holes.key == NULL)
		window->holes.key = window->dialect->key;
	if (window->step != NULL)
		begin_slice(window, window->from);
	return !window->too_large;
}
