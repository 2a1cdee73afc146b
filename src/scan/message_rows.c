/*
 * message_rows.c
 *		Rows of messages, one after another as a source gives them.
 *
 *		source->next -> message -> reader of the format -> items -> columns
 *
 * A message is read to its end before the next one is asked for.  What is wrong with a message is the fault of a row, and
 * the next message follows: unlike in a file, it is known where that begins.
 *
 * For a pipeline a part has a position, which is "offset=O item=I of=IDENTITY": the next message to be read, the items of it that are
 * done, and what tells its source from others.  It is an offset and never a number of messages, since messages between
 * two offsets may vanish from one reading to the next.
 */
#include "etl.h"

#include "api/json_body.h"
#include "catalog/pg_type.h"
#include "format/csv_items.h"
#include "miscadmin.h"
#include "monitor/progress.h"
#include "scan/json_absent.h"
#include "scan/message_rows.h"
#include "scan/scan.h"
#include "source/loop.h"
#include "source/utf8.h"

#define REPORT_BYTES (64 * 1024)

/* ----------------------------------------------------------------
 *	Waiting
 * ---------------------------------------------------------------- */

static void
be_ready(pgsocket fd, int events, void *arg)
{
	((EtlMessageRows *) arg)->ready = true;
}

static void
watch(EtlMessageRows *m, pgsocket fd)
{
	m->ready = false;
	m->watched = fd;
	if (fd != PGINVALID_SOCKET && !EtlLoopWatch(fd, ETL_READABLE, be_ready, m))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static void
unwatch(void *arg)
{
	EtlMessageRows *m = arg;

	if (m->watched != PGINVALID_SOCKET)
		(void) EtlLoopWatch(m->watched, 0, NULL, NULL);
	m->watched = PGINVALID_SOCKET;
}

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

/* The header that the records of messages lack: the columns that are declared, in their order. */
static char *
make_csv_header(const EtlRows *rows)
{
	StringInfoData line;

	initStringInfo(&line);
	for (int i = 0; i < rows->desc->natts; i++)
	{
		if (rows->columns[i].kind != ETL_FIELD)
			continue;
		appendStringInfoString(&line, line.len > 0 ? ",\"" : "\"");
		for (const char *c = EtlToUtf8(rows->columns[i].name); *c != '\0'; c++)
		{
			if (*c == '"')
				appendStringInfoChar(&line, '"');
			appendStringInfoChar(&line, *c);
		}
		appendStringInfoChar(&line, '"');
	}
	appendStringInfoChar(&line, '\n');
	return line.data;
}

/* Of text and bytes there is one column. */
static void
check_value_column(const EtlMessageRows *m, const char *format)
{
	const EtlRows *rows = &m->json.base;
	int n = 0;
	bool fits = true;

	for (int i = 0; i < rows->desc->natts; i++)
	{
		if (rows->columns[i].kind != ETL_FIELD)
			continue;
		fits &= m->format == ETL_MESSAGE_TEXT || rows->columns[i].type == BYTEAOID;
		n++;
	}
	if (n > 1 || !fits)
		ereport(ERROR,
				(errcode(n > 1 ? ERRCODE_UNDEFINED_COLUMN : ERRCODE_DATATYPE_MISMATCH),
				 errmsg("with format => '%s' a message is one column%s", format,
						m->format == ETL_MESSAGE_TEXT ? "" : " of type bytea"),
				 errhint("Declare it, with any name, and beside it what came with the message, "
						 "such as _etl_key text.")));
}

static void
open_format(EtlMessageRows *m)
{
	static const char *const formats[] = {"json", "csv", "text", "bytes"};
	EtlRows *rows = &m->json.base;
	char *items = EtlArgText(rows->args, "items");

	m->format = EtlArgChoice(rows->args, "format", formats, lengthof(formats));
	m->json.from_csv = m->format == ETL_MESSAGE_CSV;
	if (items != NULL && m->format != ETL_MESSAGE_JSON)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("items are of format => 'json' only")));
	m->options.items = EtlJsonPathOfArg("items", items);
	EtlJsonSetLimits(&m->options);
	if (m->format >= ETL_MESSAGE_TEXT)
	{
		check_value_column(m, formats[m->format]);
		return;
	}
	EtlJsonColumnsInit(&m->json, rows->resume != NULL ? ETL_MISSING_ERROR : ETL_MISSING_NOTICE);
	m->options.initials = m->json.initials;
	m->reader =
		(m->format == ETL_MESSAGE_CSV ? &EtlCsvItemsFormat : &EtlJsonFormat)->create(&m->options);
	if (m->format == ETL_MESSAGE_CSV)
		m->csv_header = make_csv_header(rows);
}

static EtlTombstoneRule
read_tombstones(const EtlRows *rows)
{
	static const char *const words[] = {"ignore", "row"};

	if (EtlArgFind(rows->args, "tombstones") != NULL)
		return EtlArgChoice(rows->args, "tombstones", words, lengthof(words)) == 0
				   ? ETL_TOMBSTONE_IGNORE
				   : ETL_TOMBSTONE_ROW;
	for (int i = 0; i < rows->desc->natts; i++)
		if (rows->columns[i].kind == ETL_FROM_TOMBSTONE)
			return ETL_TOMBSTONE_ROW;
	return ETL_TOMBSTONE_FAULT;
}

static void
message_open(EtlRows *rows)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;

	m->source = ((const EtlMessageKind *) rows->kind)->source;
	m->current = -1;
	m->watched = PGINVALID_SOCKET;
	m->callback.func = unwatch;
	m->callback.arg = m;
	MemoryContextRegisterResetCallback(rows->context, &m->callback);
	m->tombstones = read_tombstones(rows);
	open_format(m);
	m->scan = palloc0(m->source->size);
	m->scan->kind = m->source;
	m->scan->context = rows->context;
	m->scan->pipeline = rows->resume != NULL;
	m->scan->follows = rows->resume != NULL && rows->resume->continuous;
	m->scan->etl = m;
	if (rows->resume == NULL || !rows->resume->no_source)
		m->source->open(m->scan);
}

/* ----------------------------------------------------------------
 *	Items of a message
 * ---------------------------------------------------------------- */

static ssize_t
feed(void *arg, char *buf, size_t len)
{
	EtlMessageRows *m = arg;

	return EtlFeedBytes(m->header_left.len > 0 ? &m->header_left : &m->bytes, buf, len);
}

static void
begin_message(EtlMessageRows *m)
{
	const EtlMessage *message = &m->message;

	m->envelope = (EtlEnvelope){.part = message->part,
								.offset = message->offset,
								.timestamp = message->timestamp,
								.tombstone = message->value == NULL && message->fault == NULL,
								.fault = message->fault != NULL,
								.key = message->key,
								.key_len = message->key_len,
								.nheaders = message->nheaders,
								.headers = message->headers};
	m->json.source = m->parts[message->part].name;
	m->in_message = true;
	m->nitems = 0;
	if (m->reader == NULL || message->value == NULL)
		return;
	EtlReaderReset(m->reader, NULL);
	m->bytes = (EtlBytes){message->value, message->len};
	if (m->csv_header != NULL)
		m->header_left = (EtlBytes){m->csv_header, strlen(m->csv_header)};
}

static void
end_message(EtlMessageRows *m)
{
	EtlMessagePart *part = &m->parts[m->message.part];

	m->in_message = false;
	if (m->nitems == 0 && m->source->empty != NULL)
		m->source->empty(m->scan, &m->message);
	part->next = m->message.offset + 1;
	part->item = 0;
	part->told = false;
}

/* The message as an item that is broken, as its reader says. */
static void
take_broken(EtlMessageRows *m)
{
	static const EtlJsonToken none;
	static const EtlJsonFault broken_csv = {.status = ETL_JSON_SYNTAX};

	m->ahead = (EtlJsonItem){
		.data = m->message.value,
		.len = m->message.len,
		.tokens = &none,
		.index = m->nitems,
		.fault = m->json.from_csv ? &broken_csv : EtlJsonReaderFault((EtlJsonReader *) m->reader)};
	m->broken = true;
}

/* Looks for the next item of the message in hand, which may be at its end. */
static void
look_ahead(EtlMessageRows *m)
{
	MemoryContext old = MemoryContextSwitchTo(m->json.base.context); /* of the reader's memory */
	int step = m->nitems == 0 ? ETL_FORMAT_RECORD : ETL_FORMAT_END;

	if (m->broken)
		step = ETL_FORMAT_END;
	else if (m->reader != NULL && m->message.value != NULL)
		step = EtlReaderNext(m->reader, &m->ahead, feed, m);
	m->broken = step != ETL_FORMAT_RECORD && step != ETL_FORMAT_END;
	if (m->broken)
		take_broken(m);
	m->pending = step != ETL_FORMAT_END;
	if (!m->pending)
		end_message(m);
	MemoryContextSwitchTo(old);
}

static void
set_csv_fault(EtlMessageRows *m)
{
	const EtlCsvItemsFault *fault = EtlCsvItemsReaderFault(m->reader);
	EtlRows *rows = &m->json.base;

	switch (fault->status)
	{
		case ETL_CSV_ITEMS_TOO_LARGE:
			EtlRowsSetFault(rows, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							"a record of the message is larger than \"etl.max_item_size\"", NULL,
							NULL);
			break;
		case ETL_CSV_ITEMS_NUL_BYTE:
		case ETL_CSV_ITEMS_BAD_ENCODING:
			EtlRowsSetFault(rows, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
							fault->status == ETL_CSV_ITEMS_NUL_BYTE
								? "the message has a zero byte"
								: "the message is not encoded in UTF-8",
							NULL, NULL);
			break;
		case ETL_CSV_ITEMS_TOO_FEW:
		case ETL_CSV_ITEMS_TOO_MANY:
			EtlRowsSetFault(rows, ERRCODE_BAD_COPY_FILE_FORMAT,
							fault->status == ETL_CSV_ITEMS_TOO_FEW
								? "the message has too few fields"
								: "the message has too many fields",
							psprintf("It has %d fields, and %d columns are declared.",
									 fault->nfields, fault->nnames),
							"The fields of a message are the columns in their order.");
			break;
		default:
			EtlRowsSetFault(rows, ERRCODE_BAD_COPY_FILE_FORMAT,
							fault->status == ETL_CSV_ITEMS_LONE_CR
								? "unquoted carriage return found in the message"
								: "unterminated CSV quoted field",
							NULL, NULL);
			break;
	}
}

static EtlAdvance
take_fault(EtlMessageRows *m)
{
	const EtlMessage *message = &m->message;

	(void) EtlMessageTakeValue(m, "", 0);
	EtlRowsSetFault(&m->json.base, message->fault_sqlstate, pstrdup(message->fault), NULL,
					message->fault_hint != NULL ? pstrdup(message->fault_hint) : NULL);
	return ETL_ROW_FAULTY;
}

/* Makes the item ahead the current row. */
static EtlAdvance
take_item(EtlMessageRows *m)
{
	const EtlMessage *message = &m->message;

	m->json.located = false;
	if (message->fault != NULL)
		return take_fault(m);
	if (message->value == NULL)
		return EtlMessageTakeTombstone(m);
	if (m->reader == NULL)
		return EtlMessageTakeValue(m, message->value, message->len);
	m->ahead.line = 0;
	if (!m->broken || !m->json.from_csv)
		return EtlJsonRowsTake(&m->json, &m->ahead);
	m->json.item = m->ahead;
	set_csv_fault(m);
	return ETL_ROW_FAULTY;
}

/* ----------------------------------------------------------------
 *	Positions
 * ---------------------------------------------------------------- */

static char *
position_text(const EtlMessageRows *m, int64 offset, int64 item)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "offset=" INT64_FORMAT, offset);
	if (item > 0)
		appendStringInfo(&text, " item=" INT64_FORMAT, item);
	appendStringInfo(&text, " of=%s", m->identity != NULL ? m->identity : "");
	return text.data;
}

/* The position of a part that an earlier run left; false: none was read. */
static bool
find_position(EtlMessageRows *m, const char *name, int64 *offset, int64 *item,
			  const char **identity)
{
	const EtlResume *resume = m->json.base.resume;
	const char *text = resume != NULL ? resume->find(resume->arg, NULL, name, false) : NULL;
	char *end;

	if (text == NULL || strncmp(text, "offset=", 7) != 0)
		return false;
	*offset = strtoi64(text + 7, &end, 10);
	*item = strncmp(end, " item=", 6) == 0 ? strtoi64(end + 6, &end, 10) : 0;
	*identity = strncmp(end, " of=", 4) == 0 ? end + 4 : "";
	return true;
}

/* Marks where the next message of a part is. */
static void
mark(EtlMessageRows *m, int number, EtlPartState state)
{
	const EtlResume *resume = m->json.base.resume;
	EtlMessagePart *part = &m->parts[number];

	resume->mark(resume->arg, &(EtlPartMark){.part = part->name,
											 .position = position_text(m, part->next, part->item),
											 .state = state,
											 .alternates = true});
	part->told = true;
}

/* The next record is one of this part (-1: nobody knows of which); the part before it is marked as far as it was handed out. */
static void
go_to_part(EtlMessageRows *m, int number)
{
	if (m->json.base.resume == NULL || m->current == number)
		return;
	if (m->current >= 0 && !m->parts[m->current].told)
		mark(m, m->current, ETL_PART_READING);
	m->current = number;
	if (number >= 0)
		mark(m, number, ETL_PART_READING);
}

static void
end_part(EtlMessageRows *m, const EtlMessage *end)
{
	EtlMessagePart *part = &m->parts[end->part];

	if (m->json.base.resume == NULL)
		return;
	go_to_part(m, -1);
	part->next = Max(part->next, end->offset);
	part->item = 0;
	mark(m, end->part, ETL_PART_DONE);
}

static void
report(EtlMessageRows *m, bool now)
{
	const EtlCounters *counters = &m->json.base.counters;

	if (!now && counters->bytes - m->reported < REPORT_BYTES)
		return;
	EtlProgressBehind(m->source->behind != NULL ? m->source->behind(m->scan) : -1);
	EtlProgressReport(counters->bytes, -1, counters->records);
	m->reported = counters->bytes;
}

static void
message_tell(EtlRows *rows)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;

	if (m->in_message && !m->pending)
		look_ahead(m);
	if (m->current >= 0 && !m->parts[m->current].told)
		mark(m, m->current, ETL_PART_READING);
	report(m, true);
}

static char *
message_position(EtlRows *rows, const EtlKept *kept)
{
	return position_text((EtlMessageRows *) rows, (int64) kept->offset, kept->index - 1);
}

/* Parts of it are not set aside: what a broker cannot give now ends the run. */
static bool
message_leave(EtlRows *rows)
{
	return false;
}

static void
message_committed(EtlRows *rows, bool all)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;
	EtlSourcePlace *places;
	int n = 0;

	if (m->source->answer != NULL)
		m->source->answer(m->scan);
	if (m->source->committed == NULL || !all)
		return;
	places = palloc(sizeof(EtlSourcePlace) * (m->nparts + 1));
	for (int i = 0; i < m->nparts; i++)
	{
		EtlMessagePart *part = &m->parts[i];

		if (part->name == NULL || !part->told || part->committed == part->next)
			continue;
		part->committed = part->next;
		places[n++] = (EtlSourcePlace){i, part->next};
	}
	if (n > 0)
		m->source->committed(m->scan, places, n);
	pfree(places);
}

/* ----------------------------------------------------------------
 *	Requests
 * ---------------------------------------------------------------- */

static bool
message_goes_on(EtlRows *rows)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;

	if (m->source->settle == NULL)
		return false;
	if (m->in_message && !m->pending)
		look_ahead(m);
	return m->pending;
}

static bool
message_together(EtlRows *rows, const EtlKept *record, const EtlKept *next)
{
	return ((EtlMessageRows *) rows)->source->settle != NULL && EtlMessageIsSame(record, next);
}

static void
message_settle(EtlRows *rows, const EtlKept *records, const bool *rejected, int n)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;
	EtlSourceOutcome *outcomes;
	int noutcomes = 0;

	if (m->source->settle == NULL)
		return;
	outcomes = palloc(sizeof(EtlSourceOutcome) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || !EtlMessageIsSame(&records[i - 1], &records[i]))
			outcomes[noutcomes++] = EtlMessageOutcome(&records[i]);
		if (rejected[i])
			outcomes[noutcomes - 1].set_aside++;
		else
			outcomes[noutcomes - 1].loaded++;
	}
	m->source->settle(m->scan, outcomes, noutcomes);
	pfree(outcomes);
}

/* ----------------------------------------------------------------
 *	Advancing
 * ---------------------------------------------------------------- */

/* Waits until it is worth asking again; false if rows->until came first. */
static bool
wait_for_source(EtlMessageRows *m)
{
	int64 end = m->json.base.until;

	while (!m->ready && (m->again == ETL_FOREVER || EtlClock() < m->again))
	{
		if (EtlLoopIsOver(end))
			return false;
		EtlLoopTurn(end == ETL_FOREVER		  ? m->again
					: m->again == ETL_FOREVER ? end
											  : Min(end, m->again));
	}
	return true;
}

/* A run that goes on waits by itself, and asks when the descriptor has acted. */
static int64
message_look_again(EtlRows *rows)
{
	return ((EtlMessageRows *) rows)->again;
}

/* A message has come; what is ignored of it is passed over. */
static void
take_message(EtlMessageRows *m)
{
	const EtlMessage *message = &m->message;

	Assert(message->part >= 0 && message->part < m->nparts && m->parts[message->part].name != NULL);
	m->json.base.counters.bytes += message->len + message->key_len;
	report(m, false);
	go_to_part(m, message->part);
	begin_message(m);
	if (message->value == NULL && message->fault == NULL && m->tombstones == ETL_TOMBSTONE_IGNORE)
		end_message(m);
}

/* Hands out the item ahead; false if an earlier run has done that. */
static bool
hand_out(EtlMessageRows *m)
{
	EtlMessagePart *part = &m->parts[m->message.part];
	bool done = part->next == m->message.offset && m->nitems < part->item;

	m->pending = false;
	m->nitems++;
	if (done)
		return false;
	part->next = m->message.offset;
	part->item = m->nitems;
	part->told = false;
	return true;
}

static EtlAdvance
message_advance(EtlRows *rows)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;
	EtlSourceWait wait;

	unwatch(m);
	for (;;)
	{
		if (m->in_message && !m->pending)
			look_ahead(m);
		if (m->pending)
		{
			if (hand_out(m))
				return take_item(m);
			continue;
		}
		memset(&m->message, 0, sizeof(m->message));
		wait = (EtlSourceWait){PGINVALID_SOCKET, -1};
		switch (m->source->next(m->scan, &m->message, &wait))
		{
			case ETL_SOURCE_MESSAGE:
				take_message(m);
				break;
			case ETL_SOURCE_PART_END:
				end_part(m, &m->message);
				break;
			case ETL_SOURCE_WAIT:
				report(m, true);
				m->again = wait.ms >= 0 ? EtlClock() + wait.ms : ETL_FOREVER;
				watch(m, wait.fd);
				if (m->scan->follows)
					return ETL_NO_MORE_ROWS; /* for now */
				if (!wait_for_source(m))
					return ETL_ROW_LATE;
				unwatch(m);
				break;
			case ETL_SOURCE_END:
				report(m, true);
				m->again = ETL_FOREVER;
				return ETL_NO_MORE_ROWS;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

static void
message_rewind(EtlRows *rows)
{
	EtlMessageRows *m = (EtlMessageRows *) rows;

	m->in_message = m->pending = m->broken = false;
	m->source->rewind(m->scan);
}

static void
message_where(const EtlRows *rows, StringInfo buf)
{
	const EtlMessageRows *m = (const EtlMessageRows *) rows;

	if (m->json.source == NULL)
		return;
	appendStringInfo(buf, "\"%s\", offset " INT64_FORMAT, m->json.source, m->envelope.offset);
	if (m->nitems > 1)
		appendStringInfo(buf, ", item " INT64_FORMAT, m->nitems);
}

static void
message_explain(const EtlRows *rows, ExplainState *es)
{
	const EtlMessageRows *m = (const EtlMessageRows *) rows;

	ExplainPropertyInteger("Parts", NULL, m->nparts, es);
	if (m->source->explain != NULL)
		m->source->explain(m->scan, es);
}

/* Nothing is known before anybody is asked, and planning asks nobody. */
static bool
message_estimate(const EtlArgs *args, double *nrows, double *nbytes)
{
	return false;
}

void
EtlMessageKindInit(EtlMessageKind *kind, const EtlSourceKind *source)
{
	kind->source = source;
	kind->scan = (EtlScanKind){
		.function = source->function,
		.entry = source->entry,
		.size = sizeof(EtlMessageRows),
		.provenance = ETL_COLUMN_SET(ETL_FROM_SOURCE) | ETL_COLUMN_SET(ETL_FROM_INDEX) |
					  ETL_COLUMN_SET(ETL_FROM_RAW) | ETL_COLUMN_SET(ETL_FROM_ITEM) |
					  ETL_COLUMN_SET(ETL_FROM_ERROR) | ETL_COLUMN_SET(ETL_FROM_KEY) |
					  ETL_COLUMN_SET(ETL_FROM_HEADERS) | ETL_COLUMN_SET(ETL_FROM_TIMESTAMP) |
					  ETL_COLUMN_SET(ETL_FROM_PARTITION) | ETL_COLUMN_SET(ETL_FROM_OFFSET) |
					  ETL_COLUMN_SET(ETL_FROM_TOMBSTONE),
		.open = message_open,
		.advance = message_advance,
		.fetch = EtlMessageFetch,
		.rewind = message_rewind,
		.where = message_where,
		.missing = EtlJsonMissing,
		.explain = message_explain,
		.estimate = message_estimate,
		.keep = EtlMessageKeep,
		.use = EtlMessageUse,
		.look = EtlMessageLook,
		.revive = EtlMessageRevive,
		.redact = EtlMessageRedact,
		.text = EtlMessageText,
		.header = EtlMessageHeader,
		.position = message_position,
		.committed = message_committed,
		.goes_on = message_goes_on,
		.together = message_together,
		.settle = message_settle,
		.tell = message_tell,
		.leave = message_leave,
		.look_again = message_look_again,
	};
}

/* ----------------------------------------------------------------
 *	For sources
 * ---------------------------------------------------------------- */

static EtlMessageRows *
rows_of(const EtlSourceScan *scan)
{
	return scan->etl;
}

char *
EtlMessageArgument(const EtlSourceScan *scan, const char *name)
{
	return EtlArgAsText(rows_of(scan)->json.base.args, name);
}

int
EtlMessageChoice(const EtlSourceScan *scan, const char *name, const char *const *choices, int n)
{
	return EtlArgChoice(rows_of(scan)->json.base.args, name, choices, n);
}

int64
EtlMessageFind(EtlSourceScan *scan, const char *identity, const char *name)
{
	EtlMessageRows *m = rows_of(scan);
	const char *other;
	int64 offset;
	int64 item;

	if (m->identity == NULL)
		m->identity = MemoryContextStrdup(m->json.base.context, identity);
	if (!find_position(m, name, &offset, &item, &other))
		return -1;
	if (strcmp(other, identity) != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the source is not the one that earlier runs have read"),
			 errdetail("They read \"%s\" of \"%s\", and this is \"%s\".", name, other, identity),
			 errhint(
				 "If all of it is to be read from its start, call etl_reset() for the pipeline.")));
	return offset;
}

void
EtlMessageBegin(EtlSourceScan *scan, int number, const char *name, int64 offset)
{
	EtlMessageRows *m = rows_of(scan);
	MemoryContext old = MemoryContextSwitchTo(m->json.base.context);
	EtlMessagePart *part;
	const char *identity;
	int64 found;
	int64 item;

	if (number >= m->nparts)
	{
		EtlMessagePart *more = palloc0(sizeof(EtlMessagePart) * (number + 1));

		if (m->nparts > 0)
			memcpy(more, m->parts, sizeof(EtlMessagePart) * m->nparts);
		m->parts = more;
		m->nparts = number + 1;
	}
	part = &m->parts[number];
	*part = (EtlMessagePart){.name = pstrdup(name), .next = offset, .committed = -1};
	if (find_position(m, name, &found, &item, &identity))
		part->item = found == offset ? item : 0;
	else if (m->json.base.resume != NULL)
	{
		/* so that the next run knows it, whether or not a message comes */
		go_to_part(m, -1);
		mark(m, number, ETL_PART_READING);
	}
	MemoryContextSwitchTo(old);
}
