/*
 * resume.c
 *		Where a pipeline goes on in a file or URL that an earlier run has read.
 */
#include "etl.h"

#include "scan/resume.h"
#include "utils/timestamp.h"

/* ----------------------------------------------------------------
 *	Positions as text
 * ---------------------------------------------------------------- */

static const struct
{
	const char *name;
	size_t at;
} numbers[] =
	{
		{"offset", offsetof(EtlPosition, offset)},
		{"line", offsetof(EtlPosition, line)},
		{"records", offsetof(EtlPosition, records)},
		{"hash", offsetof(EtlPosition, hash)},
		{"finished", offsetof(EtlPosition, finished)},
		{"sequence", offsetof(EtlPosition, sequence)},
		{"plain", offsetof(EtlPosition, plain)},
		{"mark", offsetof(EtlPosition, mark)},
		{"size", offsetof(EtlPosition, state.size)},
		{"mtime", offsetof(EtlPosition, state.mtime)},
		{"head", offsetof(EtlPosition, state.head)},
		{"tail", offsetof(EtlPosition, state.tail)},
		{"url", offsetof(EtlPosition, state.identity)},
},
  texts[] = {
	  {"validator", offsetof(EtlPosition, state.validator)},
	  {"header", offsetof(EtlPosition, header)},
};

#define NUMBER(position, i) (*(uint64 *) ((char *) (position) + numbers[i].at))
#define TEXT(position, i) (*(const char **) ((char *) (position) + texts[i].at))

char *
EtlPositionText(const EtlPosition *position)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < lengthof(numbers); i++)
		if (NUMBER(position, i) != 0)
			appendStringInfo(&text, "%s%s=" UINT64_FORMAT, text.len > 0 ? " " : "", numbers[i].name,
							 NUMBER(position, i));
	for (int i = 0; i < lengthof(texts); i++)
	{
		if (TEXT(position, i) == NULL)
			continue;
		appendStringInfo(&text, " %s=", texts[i].name);
		EtlUrlEscape(&text, TEXT(position, i));
	}
	return text.data;
}

static void
set_field(EtlPosition *position, const char *name, size_t len, const char *value)
{
	for (int i = 0; i < lengthof(numbers); i++)
		if (strlen(numbers[i].name) == len && strncmp(numbers[i].name, name, len) == 0)
			NUMBER(position, i) = strtou64(value, NULL, 10);
	for (int i = 0; i < lengthof(texts); i++)
		if (strlen(texts[i].name) == len && strncmp(texts[i].name, name, len) == 0)
			TEXT(position, i) = EtlUrlUnescape(value);
}

static void
read_position(const char *text, EtlPosition *position)
{
	while (*text != '\0')
	{
		size_t len = strcspn(text, " ");
		size_t name_len = strcspn(text, "=");

		if (name_len < len)
			set_field(position, text, name_len, pnstrdup(text + name_len + 1, len - name_len - 1));
		text += len;
		text += strspn(text, " ");
	}
}

/* ----------------------------------------------------------------
 *	Where to go on
 * ---------------------------------------------------------------- */

bool
EtlResumeFind(const EtlRows *rows, const EtlPart *part, EtlPosition *position)
{
	const char *text = rows->resume->find(rows->resume->arg, part->name);

	memset(position, 0, sizeof(*position));
	if (text == NULL)
		return false;
	read_position(text, position);
	/* The name of a URL does not say all of it. */
	if (position->state.identity == part->identity)
		return true;
	memset(position, 0, sizeof(*position));
	return false;
}

void
EtlResumePast(const EtlPosition *position, uint64 begin, EtlSourcePast *past)
{
	memset(past, 0, sizeof(*past));
	past->state = position->state;
	past->whole = position->finished;
	past->at = position->plain ? (int64) (position->offset + position->mark) : -1;
	past->begin = position->plain ? begin : 0;
}

/* For how long a file has to be still from now on, for its last record to count; <= 0: it does. */
static int64
time_to_settle(const EtlRows *rows, const EtlSourceSet *files)
{
	EtlSourceState now;

	EtlSourceSetState(files, -1, &now);
	if (now.mtime == 0)
		return 0;
	return rows->resume->settle_ms -
		   (GetCurrentTimestamp() - time_t_to_timestamptz(now.mtime / 1000000000)) / 1000;
}

void
EtlResumeTellHeld(const EtlRows *rows, const EtlSourceSet *files)
{
	rows->resume->held(rows->resume->arg, time_to_settle(rows, files));
}

EtlSourcePlan
EtlResumeDecide(const EtlRows *rows, const EtlSourceSet *files, const EtlSource *stream,
				const EtlPosition *position, bool appendable, bool *growing)
{
	EtlSourcePast past;
	EtlSourcePlan plan;

	EtlResumePast(position, 0, &past);
	past.appendable = appendable;
	if (!stream->plain)
		past.at = -1;
	*growing = time_to_settle(rows, files) > 0;
	plan = EtlSourceSetPlan(files, &past);
	return plan == ETL_READ_BEHIND && position->records == 0 ? ETL_READ_ALL : plan;
}

/* ----------------------------------------------------------------
 *	Marking
 * ---------------------------------------------------------------- */

void
EtlResumeMark(const EtlRows *rows, const EtlSourceSet *files, const EtlSource *stream,
			  EtlPosition *position)
{
	position->plain = stream->plain;
	EtlSourceSetState(files, stream->plain ? (int64) (position->offset + position->mark) : -1,
					  &position->state);
	EtlResumeMarkFound(rows, files, position);
}

void
EtlResumeMarkFound(const EtlRows *rows, const EtlSourceSet *files, const EtlPosition *position)
{
	rows->resume->mark(rows->resume->arg, EtlSourceSetPart(files)->name, EtlPositionText(position));
}
