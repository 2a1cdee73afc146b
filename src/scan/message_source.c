/*
 * message_source.c
 *		What etl gives to extensions that bring a source (etl_source.h), and which of them there are.
 */
#include "etl.h"

#include "scan/message_rows.h"
#include "scan/scan.h"
#include "source/closest.h"
#include "source/http/address.h"
#include "source/http/secret_file.h"
#include "source/loop.h"
#include "utils/memutils.h"

static List *kinds = NIL; /* of EtlMessageKind * */

static const EtlMessageKind *
kind_of(const EtlSourceKind *source)
{
	ListCell *lc;

	foreach (lc, kinds)
		if (((EtlMessageKind *) lfirst(lc))->source == source)
			return lfirst(lc);
	elog(ERROR, "source %s was not added", source->function);
}

static void
add(const EtlSourceKind *source)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	EtlMessageKind *kind = palloc(sizeof(EtlMessageKind));

	EtlMessageKindInit(kind, source);
	kinds = lappend(kinds, kind);
	EtlScanAddKind(&kind->scan);
	MemoryContextSwitchTo(old);
}

static Datum
rows(FunctionCallInfo fcinfo, const EtlSourceKind *source)
{
	return EtlScanFunction(fcinfo, &kind_of(source)->scan);
}

static const char *
closest_of(const char *written, const char *const *names, int n)
{
	EtlClosest closest = {written};

	for (int i = 0; i < n; i++)
		EtlClosestSee(&closest, names[i]);
	return closest.name;
}

static void
sleep_for(int ms)
{
	(void) EtlLoopSleep(EtlClock() + ms, ETL_FOREVER);
}

const EtlSourceApi *
EtlSourceApiOfVersion(int version)
{
	static const EtlSourceApi api = {
		.version = ETL_SOURCE_VERSION,
		.add = add,
		.rows = rows,
		.argument = EtlMessageArgument,
		.choice = EtlMessageChoice,
		.find = EtlMessageFind,
		.begin = EtlMessageBegin,
		.address_purpose = EtlAddressPurpose,
		.secret_file = EtlSecretFileRead,
		.closest = closest_of,
		.sleep = sleep_for,
	};

	if (version != ETL_SOURCE_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the extension was built for another version of etl"),
				 errdetail("It expects version %d of etl_source.h, and etl has version %d.",
						   version, ETL_SOURCE_VERSION),
				 errhint("Build and install the extension again, then start a new session.")));
	return &api;
}
