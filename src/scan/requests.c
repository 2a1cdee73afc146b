/*
 * requests.c
 *		What etl_api_many asks for: the elements of an array, or the rows of a query.
 *
 * Rows of a query go to a temporary file, so that memory stays the same however many there are, and no portal has to
 * outlive the call in which it was opened.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "scan/requests.h"
#include "source/temp_file.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define ROWS_AT_ONCE 1000

struct EtlRequests
{
	ArrayIterator array; /* NULL: they are in the file */
	EtlTempFile *file;	 /* of each request its size, 0 if it is null, and its bytes */
	int64 nleft;
	uint64 at;
};

static void
keep_request(EtlRequests *requests, bool isnull, Datum value)
{
	Jsonb *request = isnull ? NULL : DatumGetJsonbP(value);
	uint32 size = isnull ? 0 : VARSIZE(request);

	EtlTempFileAppend(requests->file, &size, sizeof(size));
	if (size > 0)
		EtlTempFileAppend(requests->file, request, size);
	requests->nleft++;
}

static Portal
open_query(const char *query)
{
	SPIPlanPtr plan = SPI_prepare(query, 0, NULL);
	Portal portal;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (!SPI_is_cursor_plan(plan))
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg("argument \"query\" must be one statement that returns rows")));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	if (portal->tupDesc->natts != 1 || TupleDescAttr(portal->tupDesc, 0)->atttypid != JSONBOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("argument \"query\" must return one column of type jsonb"),
				 errhint("As in SELECT jsonb_build_object('params', jsonb_build_object('q', city)) "
						 "FROM cities.")));
	return portal;
}

static void
run_query(EtlRequests *requests, const char *query)
{
	MemoryContext context = CurrentMemoryContext;
	Portal portal;

	requests->file = EtlTempFileCreate();
	SPI_connect();
	portal = open_query(query);
	do
	{
		SPI_cursor_fetch(portal, true, ROWS_AT_ONCE);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool isnull;
			Datum value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

			CHECK_FOR_INTERRUPTS();
			keep_request(requests, isnull, value);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	MemoryContextSwitchTo(context);
}

EtlRequests *
EtlRequestsOpen(const EtlArgs *args)
{
	EtlRequests *requests = palloc0(sizeof(EtlRequests));
	const EtlArg *array = EtlArgFind(args, "requests");
	char *query = EtlArgText(args, "query");

	if ((array == NULL) == (query == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("either \"requests\" or \"query\" must be given"),
				 errhint("requests is an array of jsonb objects; query is a statement that returns "
						 "one for each row.")));
	if (query != NULL)
		run_query(requests, query);
	else
		requests->array = array_create_iterator(DatumGetArrayTypePCopy(array->value), 0, NULL);
	return requests;
}

static bool
next_of_file(EtlRequests *requests, Jsonb **request)
{
	uint32 size;

	if (requests->nleft == 0)
		return false;
	EtlTempFileRead(requests->file, requests->at, &size, sizeof(size));
	*request = size == 0 ? NULL : palloc(size);
	if (size > 0)
		EtlTempFileRead(requests->file, requests->at + sizeof(size), *request, size);
	requests->at += sizeof(size) + size;
	requests->nleft--;
	return true;
}

bool
EtlRequestsNext(EtlRequests *requests, Jsonb **request)
{
	Datum value;
	bool isnull;

	if (requests->array == NULL)
		return next_of_file(requests, request);
	if (!array_iterate(requests->array, &value, &isnull))
		return false;
	*request = isnull ? NULL : DatumGetJsonbPCopy(value);
	return true;
}
