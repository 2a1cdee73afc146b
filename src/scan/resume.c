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
		{"size", offsetof(EtlPosition, file.size)},
		{"mtime", offsetof(EtlPosition, file.mtime)},
		{"head", offsetof(EtlPosition, file.head)},
		{"tail", offsetof(EtlPosition, file.tail)},
		{"url", offsetof(EtlPosition, url)},
},
  texts[] = {
	  {"validator", offsetof(EtlPosition, validator)},
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
EtlResumeFind(const EtlRows *rows, EtlSourceSet *files, const char *part, EtlPosition *position)
{
	const char *text = part != NULL ? rows->resume->find(rows->resume->arg, part) : NULL;

	memset(position, 0, sizeof(*position));
	if (text == NULL)
		return false;
	read_position(text, position);
	/* The name of a URL does not say all of it. */
	if (position->url == EtlSourceSetUrlHash(files))
		return true;
	memset(position, 0, sizeof(*position));
	return false;
}

static EtlSource *
innermost(const EtlSource *source)
{
	while (source->inner != NULL)
		source = source->inner;
	return (EtlSource *) source;
}

static bool
same_time_and_size(const EtlFileState *a, const EtlFileState *b)
{
	return a->size == b->size && a->mtime == b->mtime;
}

static bool
has_state(const EtlPosition *position)
{
	return position->url != 0 || position->file.mtime != 0;
}

static EtlResumePlan
decide_for_url(EtlSourceSet *files, const EtlPosition *position)
{
	const char *validator;

	switch (EtlSourceSetNews(files))
	{
		case ETL_HTTP_UNCHANGED:
			return ETL_READ_NOTHING;
		case ETL_HTTP_REST:
			return ETL_READ_FROM;
		case ETL_HTTP_ALL:
			break;
	}
	if (!has_state(position) || position->records == 0)
		return ETL_READ_ALL;
	validator = EtlSourceSetValidator(files);
	if (validator == NULL || position->validator == NULL)
		return validator == position->validator ? ETL_READ_BEHIND : ETL_READ_ALL;
	return strcmp(validator, position->validator) == 0 ? ETL_READ_BEHIND : ETL_READ_ALL;
}

static void
get_state(const EtlSource *stream, const EtlPosition *position, EtlFileState *state)
{
	EtlFileGetState(innermost(stream),
					stream->plain ? (int64) (position->offset + position->mark) : -1, state);
}

static EtlResumePlan
decide_for_file(const EtlSource *stream, const EtlPosition *position, bool appendable)
{
	EtlFileState now;

	if (!has_state(position))
		return ETL_READ_ALL;
	get_state(stream, position, &now);
	if (same_time_and_size(&now, &position->file))
		return position->finished ? ETL_READ_NOTHING : ETL_READ_FROM;
	if (!stream->plain || !appendable || now.size < position->file.size ||
		now.head != position->file.head || now.tail != position->file.tail)
		return ETL_READ_ALL;
	return ETL_READ_FROM;
}

/* For how long the file in hand has to be still from now on, for its last record to count; <= 0: it does. */
static int64
time_to_settle(const EtlRows *rows, const EtlSource *stream)
{
	EtlFileState now;

	EtlFileGetState(innermost(stream), -1, &now);
	return rows->resume->settle_ms -
		   (GetCurrentTimestamp() - time_t_to_timestamptz(now.mtime / 1000000000)) / 1000;
}

void
EtlResumeTellHeld(const EtlRows *rows, const EtlSource *stream)
{
	rows->resume->held(rows->resume->arg, time_to_settle(rows, stream));
}

EtlResumePlan
EtlResumeDecide(const EtlRows *rows, EtlSourceSet *files, const EtlSource *stream,
				const EtlPosition *position, bool appendable, bool *growing)
{
	if (EtlSourceSetUrlHash(files) != 0)
	{
		*growing = false;
		return decide_for_url(files, position);
	}
	*growing = time_to_settle(rows, stream) > 0;
	return decide_for_file(stream, position, appendable);
}

/* ----------------------------------------------------------------
 *	Marking
 * ---------------------------------------------------------------- */

void
EtlResumeMark(const EtlRows *rows, EtlSourceSet *files, const EtlSource *stream,
			  EtlPosition *position)
{
	position->url = EtlSourceSetUrlHash(files);
	position->plain = stream->plain;
	if (position->url != 0)
		position->validator = EtlSourceSetValidator(files);
	else
		get_state(stream, position, &position->file);
	EtlResumeMarkFound(rows, stream, position);
}

void
EtlResumeMarkFound(const EtlRows *rows, const EtlSource *stream, const EtlPosition *position)
{
	rows->resume->mark(rows->resume->arg, stream->name, EtlPositionText(position));
}
