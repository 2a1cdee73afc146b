/*
 * convert_test.c
 *		The fast converters against the input functions.
 *
 * Whatever a fast converter takes, the input function must take too, and give the same bytes; what
 * it leaves alone goes to the input function anyway, so there is nothing to compare.  An error of
 * the input function is a mismatch like another one: it is caught in a subtransaction, which spans
 * all texts up to it, as errors are not expected.
 *
 * Each text is handed to the converter between two pages that cannot be read, alternately at the
 * very end and at the very start of the readable one: to look at a byte outside the text ends the
 * server process.
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "convert_texts.h"
#include "scan/convert/convert.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(convert_known);
PG_FUNCTION_INFO_V1(convert_try);
PG_FUNCTION_INFO_V1(convert_differential);

/* A type and both ways to read it. */
typedef struct Subject
{
	Oid typid;
	int32 typmod;
	int16 typlen;
	bool typbyval;
	EtlFastConverter convert;
	FmgrInfo input;
	FmgrInfo output;
	Oid ioparam;
} Subject;

/* A run over many texts; it survives an error of the input function and goes on behind it. */
typedef struct Run
{
	Subject subject;
	TextKind kind;
	pg_prng_state rng;
	int64 n;
	int64 tried;
	int64 taken;
	int64 mismatches;
	char *first_mismatch;
	StringInfoData text;
	MemoryContext context; /* of what outlives an error */
	MemoryContext scratch; /* reset for each text */
} Run;

static void
init_subject(Subject *subject, Oid typid, int32 typmod)
{
	Oid input;
	Oid output;
	bool isvarlena;

	subject->typid = typid;
	subject->typmod = typmod;
	get_typlenbyval(typid, &subject->typlen, &subject->typbyval);
	getTypeInputInfo(typid, &input, &subject->ioparam);
	getTypeOutputInfo(typid, &output, &isvarlena);
	fmgr_info(input, &subject->input);
	fmgr_info(output, &subject->output);
	subject->convert = EtlFastConverterFor(typid, typmod);
	if (subject->convert == NULL)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("type %s has no fast converter", format_type_with_typemod(typid, typmod)));
}

/* Copies the text to where the bytes before or behind it cannot be read. */
static char *
fence(const char *text, size_t len, bool at_end)
{
	static char *page = NULL;
	static size_t page_size;

	if (page == NULL)
	{
		page_size = 16 * sysconf(_SC_PAGESIZE);
		page = mmap(NULL, 3 * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED ||
			mprotect(page + page_size, page_size, PROT_READ | PROT_WRITE) != 0)
			elog(ERROR, "could not map the fenced page: %m");
		page += page_size;
	}
	if (len > page_size)
		elog(ERROR, "text of %zu bytes does not fit the fenced page", len);
	return memcpy(at_end ? page + page_size - len : page, text, len);
}

/*
 * Reads one text both ways and says what differs, NULL if nothing does.  May raise the error of the
 * input function, after *taken is set.
 */
static const char *
judge(Subject *subject, char *text, size_t len, bool at_end, bool *taken)
{
	char *fenced = fence(text, len, at_end);
	Datum ours;
	Datum theirs;

	*taken = subject->convert(fenced, len, subject->typmod, &ours);
	if (memcmp(fenced, text, len) != 0)
		return "text changed";
	if (!*taken)
		return NULL;

	theirs = InputFunctionCall(&subject->input, text, subject->ioparam, subject->typmod);
	if (datumIsEqual(ours, theirs, subject->typbyval, subject->typlen))
		return NULL;
	return psprintf("%s, not %s", OutputFunctionCall(&subject->output, ours),
					OutputFunctionCall(&subject->output, theirs));
}

static void
note_mismatch(Run *run, const char *reason)
{
	run->mismatches++;
	if (run->first_mismatch == NULL)
		run->first_mismatch =
			MemoryContextStrdup(run->context, psprintf("\"%s\": %s", run->text.data, reason));
}

/* Goes through the texts up to the first error. */
static void
run_texts(Run *run)
{
	MemoryContextSwitchTo(run->scratch);
	while (run->tried < run->n)
	{
		bool taken;
		const char *mismatch;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(run->scratch);
		MakeText(&run->text, run->subject.typid, run->subject.typmod, run->kind, &run->rng);
		run->tried++;
		mismatch = judge(&run->subject, run->text.data, run->text.len, run->tried & 1, &taken);
		run->taken += taken;
		if (mismatch != NULL)
			note_mismatch(run, mismatch);
	}
}

/* Takes an error for a mismatch, if it is one of an input function about its text. */
static void
absorb_error(Run *run)
{
	ErrorData *error;

	MemoryContextSwitchTo(run->context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
		ReThrowError(error);

	run->taken++;
	note_mismatch(run, error->message);
	FreeErrorData(error);
}

static void
run_all(Run *run)
{
	ResourceOwner owner = CurrentResourceOwner;

	while (run->tried < run->n)
	{
		BeginInternalSubTransaction(NULL);
		PG_TRY();
		{
			run_texts(run);
			ReleaseCurrentSubTransaction();
		}
		PG_CATCH();
		{
			absorb_error(run);
		}
		PG_END_TRY();
		MemoryContextSwitchTo(run->context);
		CurrentResourceOwner = owner;
	}
}

static TextKind
parse_kind(const char *name)
{
	static const char *const names[] = {
		[TEXT_CANONICAL] = "canonical", [TEXT_BOUNDARY] = "boundary", [TEXT_MUTATED] = "mutated"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (TextKind) i;
	ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown kind \"%s\"", name));
}

static Datum
make_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* convert_known(type regtype, typmod int) returns boolean: is there a fast converter? */
Datum
convert_known(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(EtlFastConverterFor(PG_GETARG_OID(0), PG_GETARG_INT32(1)) != NULL);
}

/*
 * convert_try(type regtype, typmod int, value text,
 *		OUT taken boolean, OUT mismatch text)
 */
Datum
convert_try(PG_FUNCTION_ARGS)
{
	char *field = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Subject subject;
	bool taken;
	const char *mismatch = NULL;

	init_subject(&subject, PG_GETARG_OID(0), PG_GETARG_INT32(1));
	for (int at_end = 0; at_end <= 1 && mismatch == NULL; at_end++)
		mismatch = judge(&subject, field, strlen(field), at_end, &taken);

	PG_RETURN_DATUM(make_row(
		fcinfo,
		(Datum[]){BoolGetDatum(taken), mismatch ? CStringGetTextDatum(mismatch) : (Datum) 0},
		(bool[]){false, mismatch == NULL}));
}

/*
 * convert_differential(type regtype, typmod int, kind text, seed bigint, n bigint,
 *		OUT taken bigint, OUT mismatches bigint, OUT first_mismatch text)
 */
Datum
convert_differential(PG_FUNCTION_ARGS)
{
	Run run = {.context = CurrentMemoryContext, .n = PG_GETARG_INT64(4)};
	char *first;

	init_subject(&run.subject, PG_GETARG_OID(0), PG_GETARG_INT32(1));
	run.kind = parse_kind(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	pg_prng_seed(&run.rng, PG_GETARG_INT64(3));
	initStringInfo(&run.text);
	run.scratch = AllocSetContextCreate(run.context, "texts", ALLOCSET_DEFAULT_SIZES);

	run_all(&run);

	MemoryContextDelete(run.scratch);
	first = run.first_mismatch;
	PG_RETURN_DATUM(make_row(fcinfo,
							 (Datum[]){Int64GetDatum(run.taken), Int64GetDatum(run.mismatches),
									   first ? CStringGetTextDatum(first) : (Datum) 0},
							 (bool[]){false, false, first == NULL}));
}
