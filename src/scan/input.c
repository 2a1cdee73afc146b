/*
 * input.c
 *		Type input functions whose errors are values.
 *
 * In general an error can only be caught around a subtransaction, which gives back the locks, pins and
 * cache references of whatever failed.  The input functions listed here hold none: they look at their
 * text and at nothing else, so that PG_TRY is enough, costs nothing, and works in parallel mode, where
 * PostgreSQL starts no subtransactions.  Domains, enums, arrays, reg* and all that extensions define are
 * not among them.
 */
#include "etl.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "scan/input.h"
#include "source/subtransaction.h"
#include "source/hidden.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

bool
EtlInputIsPure(Oid function)
{
	static const Oid pure[] = {
		F_BOOLIN,	   F_INT2IN,	F_INT4IN,	F_INT8IN,	 F_FLOAT4IN,	 F_FLOAT8IN,
		F_NUMERIC_IN,  F_TEXTIN,	F_BPCHARIN, F_VARCHARIN, F_BYTEAIN,		 F_DATE_IN,
		F_TIME_IN,	   F_TIMETZ_IN, F_UUID_IN,	F_JSON_IN,	 F_TIMESTAMP_IN, F_TIMESTAMPTZ_IN,
		F_INTERVAL_IN, F_JSONB_IN,	F_INET_IN,	F_CIDR_IN,	 F_MACADDR_IN,
	};

	for (int i = 0; i < lengthof(pure); i++)
		if (pure[i] == function)
			return true;
	return false;
}

/*
 * Not: a broken connection (08), cancelled (57), out of memory or disk (53), deadlock and serialization (40), lock
 * timeout (55), broken transaction state (25), I/O (58) and internal errors (XX).  Another try may succeed
 * there, and the row is not to blame.
 */
bool
EtlIsRowFault(int sqlstate)
{
	static const int not_the_row[] = {
		ERRCODE_CONNECTION_EXCEPTION,
		ERRCODE_OPERATOR_INTERVENTION,
		ERRCODE_INSUFFICIENT_RESOURCES,
		ERRCODE_TRANSACTION_ROLLBACK,
		ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		ERRCODE_INVALID_TRANSACTION_STATE,
		ERRCODE_SYSTEM_ERROR,
		ERRCODE_INTERNAL_ERROR,
	};

	for (int i = 0; i < lengthof(not_the_row); i++)
		if (ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(not_the_row[i]))
			return false;
	return true;
}

/* Within PG_CATCH: ends the error state; the error is now the caller's. */
static ErrorData *
catch_error(MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	return error;
}

/* Takes a caught error as a fault of the row, or lets it go on. */
static void
error_to_fault(ErrorData *error, EtlFault *fault)
{
	if (!EtlIsRowFault(error->sqlerrcode))
		ReThrowError(error);
	fault->sqlstate = error->sqlerrcode;
	fault->message = unconstify(char *, EtlVisible(error->message));
	fault->detail = error->detail;
	fault->hint = error->hint;
}

static bool
try_pure(EtlColumn *column, char *text, Datum *value, EtlFault *fault)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		*value = InputFunctionCall(&column->input, text, column->ioparam, column->typmod);
	}
	PG_CATCH();
	{
		error_to_fault(catch_error(context), fault);
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

/*
 * In parallel mode, where there are no subtransactions: good values are read as ever, and a faulty one ends
 * the query.
 */
static void
input_in_parallel_mode(EtlColumn *column, char *text, Datum *value)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		*value = InputFunctionCall(&column->input, text, column->ioparam, column->typmod);
	}
	PG_CATCH();
	{
		ErrorData *error = catch_error(context);

		if (!EtlIsRowFault(error->sqlerrcode))
			ReThrowError(error);
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot skip faulty values of type %s in a parallel query",
						format_type_be(column->type)),
				 errdetail_internal("%s", error->message),
				 errhint("Set \"max_parallel_workers_per_gather\" to 0 for this query, or read the "
						 "column as text.")));
	}
	PG_END_TRY();
}

/* A call of the input function of a column. */
typedef struct InputCall
{
	EtlColumn *column;
	char *text;
	Datum *value;
} InputCall;

static void
call_input(void *arg)
{
	InputCall *call = arg;

	*call->value = InputFunctionCall(&call->column->input, call->text, call->column->ioparam,
									 call->column->typmod);
}

static bool
try_in_subtransaction(EtlColumn *column, char *text, Datum *value, EtlFault *fault)
{
	InputCall call = {column, text, value};
	ErrorData *error = EtlInSubtransaction(call_input, &call, CurrentMemoryContext);

	if (error != NULL)
		error_to_fault(error, fault);
	return error == NULL;
}

bool
EtlInputTry(EtlColumn *column, char *text, Datum *value, EtlFault *fault)
{
	if (column->pure)
		return try_pure(column, text, value, fault);
	if (!IsInParallelMode())
		return try_in_subtransaction(column, text, value, fault);
	input_in_parallel_mode(column, text, value);
	return true;
}
