/*
 * aside.c
 *		Parts of the source that cannot be read, set aside so that the others load.
 *
 *		error while reading -> is it the part's? -> mark and leave the part -> the batch is committed -> the next part
 *
 * The mark commits with the records that came before the error, so these are loaded once, whenever the part is read on.  An
 * error is the part's if it arises while the part is opened or read, and if another part need not meet it as well.
 */
#include "etl.h"

#include "access/xact.h"
#include "pipeline/run/aside.h"
#include "pipeline/run/transaction.h"

/*
 * Not: connections and servers that fail, which may pass and meet all parts alike; resources; what ends the run from outside;
 * what is wrong with servers and credentials; internal errors.  A server that does not keep to its protocol, and a file
 * that cannot be read, are of the part.
 */
static bool
is_of_part(int sqlstate, bool of_files)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_TO_CATEGORY(ERRCODE_CONNECTION_EXCEPTION):
			return sqlstate == ERRCODE_PROTOCOL_VIOLATION;
		case ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR):
			return of_files || sqlstate == ERRCODE_UNDEFINED_FILE;
		case ERRCODE_TO_CATEGORY(ERRCODE_INVALID_TRANSACTION_STATE):
		case ERRCODE_TO_CATEGORY(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION):
		case ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK):
		case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
		case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):
		case ERRCODE_TO_CATEGORY(ERRCODE_FDW_ERROR):
		case ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR):
			return false;
		default:
			return true;
	}
}

bool
EtlSetPartAside(EtlReading *reading, const ErrorData *error, const char *reason)
{
	const EtlRun *run = reading->run;
	volatile bool left = false;

	if (run->pipeline->on_bad_part != ETL_BAD_PART_SET_ASIDE ||
		!is_of_part(error->sqlerrcode, reading->watched != NULL))
		return false;
	PG_TRY();
	{
		left = EtlReadingLeave(reading, unpack_sql_state(error->sqlerrcode), reason);
	}
	PG_CATCH();
	{
		(void) EtlAbort(run, reading->batch.loading);
	}
	PG_END_TRY();
	return left;
}
