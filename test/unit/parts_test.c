/*
 * parts_test.c
 *		The walker from part to part: however a run ends, and whatever has become of the parts since, the next one hands
 *		out each record once.
 *
 * The stream is one of ours, over texts in memory, so that a run can end at any record and a part at any byte.
 */
#include "etl.h"

#include <setjmp.h>

#include "format/csv.h"
#include "format/json.h"
#include "scan/parts.h"
#include "source/pairs.h"
#include "source/http/url.h"

#include "check.h"

#define MAX_PARTS 4
#define MAX_RECORDS 100

/* A part as it is stored. */
typedef struct Stored
{
	EtlPart part;
	const char *text;
	int64 len;
	int64 mtime;
	bool remote;
	bool plain;
} Stored;

static Stored stored[MAX_PARTS];
static int nstored;

/* What a pipeline would keep. */
static char *kept[MAX_PARTS];
static char *refused_versions[MAX_PARTS];
static int nheld;

/* What was handed out, of all runs. */
static char *handed[MAX_RECORDS];
static int nhanded;

static EtlSource in_hand;
static int chunk = 1000; /* bytes that a feed gives at a time */

static int nbroken;
static int nopened;
static jmp_buf raised;
static bool raises;			/* what is broken is an error */
static bool leaves = true;	/* and its part is left; else the run ends */
static int64 fails_at = -1; /* byte from which on no part can be read */

static void
broken(void *arg, int step)
{
	nbroken++;
	if (raises)
		longjmp(raised, 1);
}

/* ----------------------------------------------------------------
 *	The stream
 * ---------------------------------------------------------------- */

static const Stored *
stored_of(const EtlStream *stream)
{
	return &stored[stream->number - 1];
}

static bool looks; /* what a part is can be seen without opening it */

static EtlSourceState
look_of(const Stored *part)
{
	return (EtlSourceState){
		.identity = part->part.identity, .size = part->len, .mtime = part->mtime};
}

/* What was said of the next part, while the one before was in hand. */
static EtlWantsPart wants;
static void *wants_arg;
static bool said;
static bool wanted;
static EtlSourcePast ahead;

void
EtlStreamLookAhead(EtlStream *stream, EtlWantsPart function, void *arg)
{
	wants = function;
	wants_arg = arg;
}

/* A store that has asked for it has to give what it would give without. */
static void
check_ahead(const EtlSourcePast *past)
{
	CHECK(wanted, "a part is opened that was not wanted");
	CHECK(ahead.begin == (past != NULL ? past->begin : 0) &&
			  ahead.whole == (past != NULL && past->whole),
		  "a part is opened with another past");
	said = false;
}

static void
look_ahead(const Stored *part)
{
	EtlSourceState state = looks ? look_of(part) : (EtlSourceState){0};

	memset(&ahead, 0, sizeof(ahead));
	wanted = wants(wants_arg, &part->part, &state, &ahead);
}

const EtlPart *
EtlStreamNextPart(EtlStream *stream)
{
	stream->source = NULL;
	said = false;
	if (stream->number == nstored)
		return NULL;
	look_ahead(&stored[stream->number]);
	said = true;
	return &stored[stream->number++].part;
}

void
EtlStreamRewind(EtlStream *stream)
{
	stream->source = NULL;
	stream->number = 0;
}

struct MemoryContextData *
EtlStreamEnterPart(EtlStream *stream)
{
	return NULL;
}

void
EtlStreamLeavePart(struct MemoryContextData *old)
{
}

/* What pipelines do with a part that is loaded, or gone, is not tested here. */
EtlDone *
EtlStreamDone(const EtlStream *stream, const char *part, const EtlSourceState *state,
			  const EtlWhenDone *what)
{
	return NULL;
}

bool
EtlStreamIsGone(const EtlStream *stream, const char *part, const EtlSourceState *state,
				bool in_order)
{
	return false;
}

const EtlPart *
EtlStreamPart(const EtlStream *stream)
{
	return &stored_of(stream)->part;
}

/* As a server would that still has what it had. */
static bool
is_rest(const Stored *part, const EtlSourcePast *past)
{
	return part->remote && past != NULL && past->begin > 0 && part->len == past->state.size;
}

void
EtlStreamOpenPart(EtlStream *stream, const EtlSourcePast *past, int mark)
{
	const Stored *part = stored_of(stream);

	nopened++;
	if (said)
		check_ahead(past);
	if (raises && part->len == 0)
		broken(NULL, ETL_FORMAT_BROKEN);
	in_hand = (EtlSource){.name = part->part.name, .plain = part->plain, .size = part->len};
	if (is_rest(part, past))
		in_hand.bytes_read = past->begin;
	stream->source = &in_hand;
	EtlReaderReset(stream->reader, NULL);
}

void
EtlStreamState(const EtlStream *stream, const EtlRecordPlace *place, EtlSourceState *state)
{
	const Stored *part = stored_of(stream);

	memset(state, 0, sizeof(*state));
	state->identity = part->part.identity;
	state->size = part->len;
	state->mtime = part->mtime;
}

/* Files that are longer have grown, and a URL is asked. */
EtlSourcePlan
EtlStreamPlan(const EtlStream *stream, const EtlSourcePast *past)
{
	const Stored *part = stored_of(stream);

	if (past->state.mtime == 0)
		return ETL_READ_ALL;
	if (part->mtime == past->state.mtime)
		return past->whole			 ? ETL_READ_NOTHING
			   : is_rest(part, past) ? ETL_READ_HERE
			   : part->remote		 ? ETL_READ_BEHIND
									 : ETL_READ_FROM;
	if (part->remote)
		return ETL_READ_BEHIND;
	return past->at >= 0 && past->appendable && part->len >= past->state.size ? ETL_READ_FROM
																			  : ETL_READ_ALL;
}

int64
EtlStreamStill(const EtlStream *stream)
{
	return stored_of(stream)->remote ? -1 : 10;
}

bool
EtlStreamHasGrown(const EtlStream *stream)
{
	return false;
}

bool
EtlStreamSettles(const EtlStream *stream, int64 ms)
{
	return true;
}

bool
EtlStreamLook(const EtlStream *stream, EtlSourceState *state)
{
	*state = look_of(stored_of(stream));
	return looks;
}

void
EtlStreamCheckFound(const EtlStream *stream)
{
}

/* One with nothing in it cannot be opened. */
bool
EtlStreamIsOpen(const EtlStream *stream)
{
	return stored_of(stream)->len > 0;
}

int
EtlStreamMark(const EtlStream *stream)
{
	return 0;
}

void
EtlStreamGoTo(EtlStream *stream, const EtlRecordPlace *place, bool here)
{
	EtlRecordPlace to = *place;

	if (to.offset == 0)
		return;
	CHECK(!here || in_hand.bytes_read == to.offset - 1, "the part begins a byte before the place");
	in_hand.bytes_read = to.offset;
	to.after_cr = stored_of(stream)->text[to.offset - 1] == '\r';
	EtlReaderReset(stream->reader, &to);
}

ssize_t
EtlStreamFeed(void *arg, char *buf, size_t len)
{
	const Stored *part = stored_of(arg);

	if (fails_at >= 0 && in_hand.bytes_read >= fails_at)
		broken(NULL, ETL_FORMAT_BROKEN);
	len = Min(len, Min(chunk, part->len - in_hand.bytes_read));
	memcpy(buf, part->text + in_hand.bytes_read, len);
	in_hand.bytes_read += len;
	return len;
}

/* ----------------------------------------------------------------
 *	The pipeline
 * ---------------------------------------------------------------- */

static int
number_of(const char *name)
{
	for (int i = 0; i < nstored; i++)
		if (strcmp(stored[i].part.name, name) == 0)
			return i;
	abort();
}

static const char *
find(void *arg, const EtlParts *parts, const char *part, bool ahead)
{
	return kept[number_of(part)];
}

static const char *
refused(void *arg, const char *part)
{
	return refused_versions[number_of(part)];
}

static void
mark(void *arg, const EtlPartMark *mark)
{
	int i = number_of(mark->part);

	if (mark->position != NULL)
		kept[i] = pstrdup(mark->position);
	refused_versions[i] = NULL;
	if (mark->state == ETL_PART_SET_ASIDE && mark->version != NULL)
		refused_versions[i] = pstrdup(mark->version);
}

static void
held(void *arg, int64 ms)
{
	nheld++;
	CHECK(ms == 90, "held back for %lld ms", (long long) ms);
}

/* ----------------------------------------------------------------
 *	Kinds of records
 * ---------------------------------------------------------------- */

typedef struct Kind
{
	const EtlFormat *format;
	const void *options;
	const EtlPartKind *parts;
	void *record;
	bool reachable;
} Kind;

static EtlCsvDialect dialect = {.delimiter = ",",
								.delimiter_len = 1,
								.has_quote = true,
								.quote = '"',
								.escape = '"',
								.encoding = 6 /* UTF8 */,
								.max_field_size = 1000,
								.hashes = true};
static EtlJsonOptions json_options = {.max_depth = 10, .max_item_size = 1000};
static EtlCsvRecord csv_record;
static EtlJsonItem json_item;
static EtlParts *walking;

/* A header, which the rest of a part does not have. */
static int
begin_csv(void *arg)
{
	return walking->here ? ETL_FORMAT_RECORD : EtlStreamNext(walking->stream, walking->record);
}

static const EtlPartKind csv_parts = {.begin = begin_csv, .broken = broken};
static const EtlPartKind json_parts = {.broken = broken};
static const Kind csv = {&EtlCsvFormat, &dialect, &csv_parts, &csv_record, true};
static const Kind json = {&EtlJsonFormat, &json_options, &json_parts, &json_item, true};

static void
pass_over(void *arg)
{
	/* it is only counted */
}

/* A run that ends after so many records, as a crash would: what it was told last is all that is kept. */
static void
run(const Kind *kind, int settle_ms, volatile int n)
{
	EtlResume resume = {.find = find,
						.refused = refused,
						.mark = mark,
						.held = held,
						.empty = pass_over,
						.settle_ms = settle_ms};
	EtlStream stream = {.reader = kind->format->create(kind->options)};
	EtlParts parts = {
		.stream = &stream,
		.record = kind->record,
		.kind = kind->parts,
		.resume = &resume,
		.reachable = kind->reachable,
		.remote = stored[0].remote,
	};

	walking = &parts;
	if (setjmp(raised) != 0)
	{
		if (leaves)
			CHECK(EtlPartsLeave(&parts) && !EtlPartsLeave(&parts), "a part is left once");
		else
		{
			EtlPartsTell(&parts);
			n = 0;
		}
	}
	while (n-- > 0 && EtlPartsNext(&parts) == ETL_PARTS_RECORD)
	{
		if (nhanded == MAX_RECORDS)
			break;
		handed[nhanded++] = kind == &csv ? pnstrdup(csv_record.data, csv_record.len)
										 : pnstrdup(json_item.data, json_item.len);
		EtlPartsTell(&parts);
	}
	kind->format->free(stream.reader);
}

static void
store(int i, const char *text, int64 len, int64 mtime)
{
	static const char *const names[] = {"a", "b", "c", "d"};

	stored[i] = (Stored){.part.name = names[i],
						 .part.identity = i,
						 .text = text,
						 .len = len,
						 .mtime = mtime,
						 .plain = true};
	nstored = Max(nstored, i + 1);
}

static void
forget(void)
{
	nstored = nhanded = nheld = nbroken = nopened = 0;
	memset(kept, 0, sizeof(kept));
	memset(refused_versions, 0, sizeof(refused_versions));
}

/* What was handed out, records separated by |. */
static const char *
all_handed(void)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < nhanded; i++)
		appendStringInfo(&text, "%s%s", i > 0 ? "|" : "", handed[i]);
	return text.data;
}

/* ---------------------------------------------------------------- */

static const char csv_text[] = "a,b\n1,x\r\n2,\"y\nz\"\r\n\n4,\"\"\"\"\n5,v";
static const char csv_all[] = "1,x|2,\"y\nz\"||4,\"\"\"\"|5,v";
static const char json_text[] = "{\"a\": 1}\n[2] \"three\"\n{\"a\": {}} 55";
static const char json_all[] = "{\"a\": 1}|[2]|\"three\"|{\"a\": {}}|55";
static const char array_text[] = "[{\"a\": 1},\n2, 3,4 ,\n5]";

typedef struct Case
{
	const Kind *kind;
	const char *text;
	const char *all;
	int n;
} Case;

static const Case cases[] = {
	{&csv, csv_text, csv_all, 5},
	{&json, json_text, json_all, 5},
	{&json, array_text, "{\"a\": 1}|2|3|4|5", 5},
};

/* A run ends after each record; the next one goes on there, by whichever way, and a third finds nothing. */
static void
test_ends(bool remote, bool plain)
{
	for (int c = 0; c < lengthof(cases); c++)
		for (int n = 0; n <= cases[c].n; n++)
		{
			forget();
			store(0, cases[c].text, strlen(cases[c].text), 1);
			store(1, cases[c].text, strlen(cases[c].text), 1);
			for (int i = 0; i < 2; i++)
			{
				stored[i].remote = remote;
				stored[i].plain = plain;
			}
			run(cases[c].kind, 0, n);
			run(cases[c].kind, 0, MAX_RECORDS);
			CHECK_STR(all_handed(), psprintf("%s|%s", cases[c].all, cases[c].all));
			run(cases[c].kind, 0, MAX_RECORDS);
			CHECK(nhanded == 2 * cases[c].n, "case %d, %d records: %d in all", c, n, nhanded);
			CHECK(nbroken == 0 && nheld == 0, "case %d: broken %d, held %d", c, nbroken, nheld);
		}
}

/* A part is seen when it has been written up to any byte, and again when all of it is there. */
static void
test_growing(void)
{
	for (int c = 0; c < 2; c++)
		for (int len = 0; len <= strlen(cases[c].text); len++)
		{
			forget();
			store(0, cases[c].text, len, 1);
			run(cases[c].kind, 100, MAX_RECORDS);
			CHECK(nbroken == 0, "case %d, %d bytes are broken", c, len);
			stored[0].len = strlen(cases[c].text);
			stored[0].mtime = 2;
			run(cases[c].kind, 100, MAX_RECORDS);
			CHECK(nheld > 0, "the last record has no end");
			run(cases[c].kind, 0, MAX_RECORDS);
			CHECK_STR(all_handed(), cases[c].all);
		}
}

/* Something else stands before the position: all of it is read, and nothing is taken for known. */
static void
test_others(void)
{
	static const char other[] = "[{\"a\": 9},\n2, 3,4 ,\n5, 6]";
	static const char longer[] = "[{\"a\": 1},\n2, 3,4 ,\n5, 6]";

	forget();
	store(0, array_text, strlen(array_text), 1);
	stored[0].remote = true;
	run(&json, 0, 2);
	store(0, other, strlen(other), 2);
	stored[0].remote = true;
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "{\"a\": 1}|2|{\"a\": 9}|2|3|4|5|6");

	forget();
	store(0, array_text, strlen(array_text), 1);
	stored[0].remote = true;
	run(&json, 0, 3);
	store(0, longer, strlen(longer), 2);
	stored[0].remote = true;
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "{\"a\": 1}|2|3|4|5|6");

	/* the same name at another place */
	forget();
	store(0, csv_text, strlen(csv_text), 1);
	run(&csv, 0, MAX_RECORDS);
	stored[0].part.identity = 7;
	run(&csv, 0, MAX_RECORDS);
	CHECK(nhanded == 10, "%d records", nhanded);
}

static void
store_three(const char *middle, int64 mtime)
{
	store(0, "1 2", 3, 1);
	store(1, middle, strlen(middle), mtime);
	store(2, "3", 1, 1);
}

/* A part that is broken is left, and the ones behind it are read; it is read on when it has changed. */
static void
test_left(void)
{
	raises = true;
	forget();
	store_three("{\"a\": 1} 5 } 6", 1);
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "1|2|{\"a\": 1}|5|3");
	run(&json, 0, MAX_RECORDS);
	CHECK(nbroken == 1, "what has not changed is read again");
	memset(refused_versions, 0, sizeof(refused_versions));
	run(&json, 0, MAX_RECORDS);
	CHECK(nbroken == 2 && nhanded == 5, "on request it is read on: broken %d, %d", nbroken,
		  nhanded);
	store_three("{\"a\": 1} 5 7 6 }", 2);
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "1|2|{\"a\": 1}|5|3|7|6");
	CHECK(refused_versions[1] != NULL, "it is still broken");
	store_three("{\"a\": 1} 5 7 6 8", 3);
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "1|2|{\"a\": 1}|5|3|7|6|8");
	CHECK(refused_versions[1] == NULL, "it is whole");

	/* before its first record; then it is another */
	forget();
	store_three("}", 1);
	run(&json, 0, MAX_RECORDS);
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "1|2|3");
	CHECK(nbroken == 1, "what has not changed is read again");
	store_three("4", 2);
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "1|2|3|4");

	/* It cannot be opened: each run tries, and what was read of it before stays so. */
	forget();
	store_three("4 5", 1);
	run(&json, 0, 3);
	stored[1].len = 0;
	run(&json, 0, MAX_RECORDS);
	run(&json, 0, MAX_RECORDS);
	CHECK(nbroken == 2 && refused_versions[1] == NULL, "broken %d", nbroken);
	stored[1].len = 3;
	run(&json, 0, MAX_RECORDS);
	CHECK_STR(all_handed(), "1|2|4|3|5");
	raises = false;
}

/* A run ends after each record; the next one cannot read beyond a byte, which the one after that can. */
static void
test_fails(bool remote, bool plain)
{
	raises = true;
	for (int c = 0; c < lengthof(cases); c++)
		for (int n = 0; n <= cases[c].n; n++)
			for (int at = 0; at <= strlen(cases[c].text); at++)
			{
				forget();
				store(0, cases[c].text, strlen(cases[c].text), 1);
				stored[0].remote = remote;
				stored[0].plain = plain;
				run(cases[c].kind, 0, n);
				fails_at = at;
				run(cases[c].kind, 0, MAX_RECORDS);
				fails_at = -1;
				memset(refused_versions, 0, sizeof(refused_versions));
				run(cases[c].kind, 0, MAX_RECORDS);
				CHECK_STR(all_handed(), cases[c].all);
			}
	raises = false;
}

/* What is known without opening a part. */
static void
test_looks(void)
{
	looks = raises = true;
	forget();
	store_three("{\"a\": 1} 5 } 6", 1);
	run(&json, 0, MAX_RECORDS);
	nopened = 0;
	run(&json, 0, MAX_RECORDS);
	CHECK(nopened == 0, "%d parts are opened that have not changed", nopened);
	stored[0].mtime = stored[1].mtime = 2;
	run(&json, 0, MAX_RECORDS);
	CHECK(nopened == 2, "%d parts are opened", nopened);
	looks = raises = false;
}

static void
test_versions(void)
{
	CHECK(EtlPartVersion(&(EtlSourceState){0}) == NULL, "nothing is known");
	CHECK_STR(EtlPartVersion(&(EtlSourceState){.size = 7, .mtime = 1767225600000000012}),
			  "7 bytes, 2026-01-01 00:00:00.000000012 UTC");
	CHECK_STR(EtlPartVersion(&(EtlSourceState){.validator = "W/\"a\xe9\""}), "W/\"a?\"");
}

static void
test_text(void)
{
	EtlPosition position = {
		.place = {.offset = 1, .line = PG_UINT64_MAX, .records = 3, .hash = 4},
		.finished = 1,
		.state = {.identity = 5, .validator = "W/\"a b=%20\"", .size = 6, .mtime = -7},
		.header = "",
	};
	const char *text = EtlPositionText(&position);
	EtlPosition back;

	EtlPositionRead(text, &back);
	CHECK_STR(EtlPositionText(&back), text);
	CHECK(back.place.line == PG_UINT64_MAX && back.state.mtime == -7, "numbers in %s", text);
	CHECK_STR(back.state.validator, position.state.validator);
	CHECK_STR(back.header, "");
	EtlPositionRead("  x offset=12  =3 line=%zz unknown=%41 ", &back);
	CHECK(back.place.offset == 12 && back.place.line == 0, "what cannot be read is passed over");
}

int
main(void)
{
	for (chunk = 1; chunk < 64; chunk += 5)
	{
		test_ends(false, true);
		test_ends(false, false);
		test_ends(true, true);
		for (int i = 0; i < 2; i++)
		{
			leaves = i == 0;
			test_fails(false, true);
			test_fails(false, false);
			test_fails(true, true);
		}
		leaves = true;
		test_growing();
	}
	test_others();
	test_left();
	test_looks();
	test_versions();
	test_text();
	return check_report("parts");
}
