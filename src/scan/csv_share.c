/*
 * csv_share.c
 *		Rows of CSV files for plans in which several processes read them.
 *
 *		several files	whoever takes the next number reads that file
 *		one file		the same with stretches of a few MB:
 *						look at the quotes and line ends of it -> wait for the turn, and pass it on (share.h)
 *						-> read the records that start in it
 *
 * So that this is exact whatever stands in quotes, only the quotes themselves may say what is inside of them: what else
 * could is an option with which one process reads all of it.  The same holds for what no byte of the file can be told of
 * (compressed, another encoding), and where lines do not end with an LF.
 */
#include "etl.h"

#include "common/hashfn.h"
#include "format/csv_cut.h"
#include "scan/csv_share.h"
#include "scan/part_rows.h"
#include "source/http/url.h"
#include "source/set.h"
#include "utils/guc.h"

#define TAIL_READ 8192 /* bytes at a time, of the record that goes on behind a stretch */

struct EtlCsvMine
{
	EtlSource base; /* the bytes of a stretch, then what follows in the file */
	bool joined;	/* else others read something else */

	/* of several files */
	bool by_file;
	int64 number; /* that was taken, from 0; -1: none */
	int64 nread;

	/* of one */
	bool whole;			  /* its only stretch is all of it, as it is open */
	bool pending;		  /* the first record has been read already */
	EtlRecordPlace first; /* where the records start, behind the header */
	char *bytes;		  /* of a stretch, */
	int64 size;			  /* which may have so many, */
	size_t nbytes;		  /* has so many, */
	size_t taken;		  /* and of which so many were read */
	bool in_hand;
	uint64 end; /* records that start here, or behind, are of the next one */
	bool ended;
};

static int stretch_size = 512 * 1024;

void
EtlCsvShareInit(void)
{
	DefineCustomIntVariable("etl.parallel_stretch",
							"Sets how much of a file a process of a parallel plan takes at a time.",
							NULL, &stretch_size, 512 * 1024, 1, 64 * 1024 * 1024, PGC_USERSET,
							GUC_UNIT_BYTE | GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

/* Whether a text argument is absent, or says this. */
static bool
is_default(const EtlArgs *args, const char *name, const char *value)
{
	const char *given = EtlArgText(args, name);

	return given == NULL || strcmp(given, value) == 0;
}

const char *
EtlCsvWhyWhole(const EtlArgs *args)
{
	const char *source = EtlArgText(args, "source");
	const char *quote = EtlArgText(args, "quote");
	const char *ragged = EtlArgText(args, "ragged");

	if (source == NULL || EtlArgText(args, "path") != NULL || EtlIsUrl(source))
		return "the source is no file of the server";
	if (!is_default(args, "on_error", "fail"))
		return "on_error";
	if (!is_default(args, "stray_quotes", "copy"))
		return "stray_quotes";
	if (ragged != NULL && strcmp(ragged, "reject") == 0)
		return "ragged";
	if (EtlArgText(args, "comment") != NULL)
		return "comment";
	if (quote != NULL && !is_default(args, "escape", quote))
		return "escape is not quote";
	if (EtlArgBool(args, "union_by_name", false))
		return "union_by_name";
	return NULL;
}

/* ----------------------------------------------------------------
 *	Opening
 * ---------------------------------------------------------------- */

/* Nobody reads a part twice, or none, because it has seen another list. */
static void
open_parts(EtlCsvRows *csv)
{
	EtlStream *stream = &csv->records.stream;
	const EtlPart *part;
	uint64 identity = 0;
	int64 n = 0;

	for (; (part = EtlStreamNextPart(stream)) != NULL; n++)
		identity = hash_bytes_extended((const unsigned char *) part->name,
									   (int) strlen(part->name) + 1, identity);
	EtlStreamRewind(stream);
	csv->mine->by_file = true;
	csv->mine->number = -1;
	csv->mine->joined = EtlShareJoin(csv->base.share, identity, n, 0);
	(void) EtlPartsOpenNext(&csv->parts);
}

/* Numbers are taken in their order, so none is passed by. */
bool
EtlCsvIsMine(EtlCsvRows *csv, int number)
{
	EtlCsvMine *mine = csv->mine;

	if (mine == NULL || !mine->by_file)
		return true;
	if (!mine->joined || (mine->number < 0 && !EtlShareTake(csv->base.share, &mine->number)))
		return false;
	if (mine->number != number - 1)
		return false;
	mine->number = -1;
	mine->nread++;
	return true;
}

/* Whether a place in the file is a byte of it, and lines end as the stretches need it. */
static bool
has_stretches(EtlCsvRows *csv)
{
	const EtlCsvOptions *options = &csv->records.options;

	return csv->records.stream.source->plain && csv->records.stream.source->size > 0 &&
		   (options->header || options->dialect.skip_lines == 0) &&
		   EtlCsvReaderHasLf((const EtlCsvReader *) csv->records.stream.reader);
}

static size_t
stretch_read(EtlSource *source, char *buf, size_t len)
{
	EtlCsvMine *mine = (EtlCsvMine *) source;
	size_t n = Min(len, mine->nbytes - mine->taken);

	if (n == 0)
		return EtlSourceRead(source->inner, buf, Min(len, TAIL_READ));
	memcpy(buf, mine->bytes + mine->taken, n);
	mine->taken += n;
	return n;
}

static void
stretch_close(EtlSource *source)
{
	/* the file is closed by itself */
}

static const EtlSourceOps stretch_ops = {
	.read = stretch_read,
	.close = stretch_close,
};

/* What reads the file reads stretches of it from now on. */
static void
put_stretches_between(EtlCsvMine *mine, EtlSource *source)
{
	mine->base.ops = &stretch_ops;
	mine->base.name = source->name;
	mine->base.size = -1;
	mine->base.inner = source->inner;
	source->inner = &mine->base;
	mine->bytes = palloc(mine->size);
}

static void
open_stretches(EtlCsvRows *csv)
{
	EtlCsvMine *mine = csv->mine;
	EtlStream *stream = &csv->records.stream;
	EtlSourceState state;
	int64 size = Max(stream->source->size, 0);
	int64 n = 1;

	mine->first.line = 1;
	if (csv->records.options.header)
		mine->first = EtlReaderPlace(stream->reader);
	else
		mine->pending = EtlCsvRecordsNext(&csv->records);
	mine->size = stretch_size;
	mine->whole = !has_stretches(csv);
	if (!mine->whole)
		n = (size - (int64) mine->first.offset + mine->size - 1) / mine->size;
	EtlStreamState(stream, NULL, &state);
	mine->joined = EtlShareJoin(csv->base.share,
								hash_bytes_extended((const unsigned char *) &state.file,
													sizeof(state.file), mine->first.offset),
								n, size);
	if (!mine->whole)
		put_stretches_between(mine, stream->source);
}

void
EtlCsvShareOpen(EtlCsvRows *csv)
{
	csv->mine = palloc0(sizeof(EtlCsvMine));
	if (EtlSourceSetCount(csv->records.stream.set) != 1)
		open_parts(csv);
	else if (EtlPartsOpenNext(&csv->parts))
		open_stretches(csv);
}

/* ----------------------------------------------------------------
 *	Stretches
 * ---------------------------------------------------------------- */

/* Reads n bytes from a place on; returns the byte before, an LF at the start of the file. */
static char
read_stretch(EtlCsvRows *csv, uint64 begin, size_t n)
{
	EtlCsvMine *mine = csv->mine;
	EtlSource *file = mine->base.inner;
	char before = '\n';

	EtlSourceRewind(file, false);
	EtlSourceSkip(file, EtlStreamMark(&csv->records.stream) + begin - (begin > 0 ? 1 : 0));
	if (begin > 0)
		(void) EtlSourceRead(file, &before, 1);
	mine->taken = mine->nbytes = 0;
	while (mine->nbytes < n)
	{
		size_t more = EtlSourceRead(file, mine->bytes + mine->nbytes, n - mine->nbytes);

		if (more == 0)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("file \"%s\" was written to while it was read", file->name),
							errhint("Write a new file beside it, then rename that.")));
		mine->nbytes += more;
	}
	return before;
}

/* Looks at a piece that was taken, and goes to the first record in it; false if none starts there. */
static bool
begin_stretch(EtlCsvRows *csv, int64 piece)
{
	EtlCsvMine *mine = csv->mine;
	EtlShare *share = csv->base.share;
	uint64 begin = mine->first.offset + piece * mine->size;
	size_t n = Min(mine->size, share->size - (int64) begin);
	char before = read_stretch(csv, begin, n);
	EtlRecordPlace place = {0};
	EtlCsvCut cut;
	bool inside;

	EtlCsvFindCut(&csv->records.options.dialect, before, mine->bytes, n, &cut);
	EtlShareAwaitTurn(share, piece, &inside, &place.line);
	if (piece == 0)
		place.line = mine->first.line;
	EtlSharePassTurn(share, inside ^ cut.odd, place.line + cut.nlines);
	csv->base.counters.bytes += n;
	mine->taken = cut.first[inside];
	if (mine->taken == n)
		return false;
	mine->end = begin + n;
	place.offset = begin + mine->taken;
	place.line += EtlCsvCountLines(before, mine->bytes, mine->taken);
	if (mine->taken > 0)
		before = mine->bytes[mine->taken - 1];
	place.after_cr = before == '\r';
	EtlReaderReset(csv->records.stream.reader, place.offset > 0 ? &place : NULL);
	return true;
}

/* Goes to the next piece that has records; false: there is none. */
static bool
next_stretch(EtlCsvRows *csv)
{
	EtlCsvMine *mine = csv->mine;
	int64 piece;

	while (mine->joined && EtlShareTake(csv->base.share, &piece))
	{
		if (!mine->whole)
		{
			mine->pending = false;
			if (begin_stretch(csv, piece))
				return true;
			continue;
		}
		mine->end = PG_UINT64_MAX;
		return true;
	}
	return false;
}

/* At its end a file that was written over is an error, whoever has read that. */
static void
check_end(EtlSource *file)
{
	char byte;

	EtlSourceRewind(file, false);
	EtlSourceSkip(file, file->size);
	(void) EtlSourceRead(file, &byte, 1);
}

/* Whether there is a further record of the stretch in hand. */
static bool
next_record(EtlCsvRows *csv)
{
	EtlCsvMine *mine = csv->mine;

	if (mine->pending)
	{
		mine->pending = false;
		return true;
	}
	if (!EtlCsvRecordsNext(&csv->records))
		return false;
	if (mine->whole)
		csv->base.counters.bytes = csv->records.stream.nbytes;
	return csv->records.record.offset < mine->end;
}

EtlPartsStep
EtlCsvShareNext(EtlCsvRows *csv)
{
	EtlCsvMine *mine = csv->mine;

	if (mine->by_file)
		return EtlPartRowsNext(&csv->base);
	while (mine->in_hand || next_stretch(csv))
	{
		mine->in_hand = next_record(csv);
		if (likely(mine->in_hand))
			return ETL_PARTS_RECORD;
	}
	if (mine->joined && !mine->whole && !mine->ended)
		check_end(mine->base.inner);
	mine->ended = true;
	return ETL_PARTS_END;
}

bool
EtlCsvShareEnd(EtlCsvRows *csv)
{
	int64 nread = csv->mine->nread;

	csv->mine->nread = 0;
	return !csv->mine->by_file || EtlShareEnd(csv->base.share, nread, &csv->has_header);
}
