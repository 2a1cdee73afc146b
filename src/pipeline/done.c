/*
 * done.c
 *		Whether a pipeline may have something done with what it has loaded.
 */
#include "etl.h"

#include "pipeline/done.h"
#include "pipeline/evaluate.h"
#include "scan/stream.h"
#include "source/when_done.h"

bool
EtlDoesWhenDone(const EtlPipeline *pipeline)
{
	EtlWhenDone what;

	EtlWhenDoneRead(pipeline->when_done, &what);
	return what.deed != ETL_KEEP;
}

void
EtlCheckWhenDone(const EtlScanKind *kind, const EtlArgs *args)
{
	if (kind->watches == NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("when_done is not for sources of %s", kind->function),
						errdetail("Only objects of buckets can be deleted, tagged or moved.")));
	EtlStreamCheckDone(args);
}

void
EtlCheckWhenDoneOf(const EtlPipeline *pipeline)
{
	const EtlScanKind *kind;
	EtlArgs *args;
	TupleDesc desc;

	EtlEvaluateSource(psprintf("SELECT * FROM\n%s", pipeline->source), CurrentMemoryContext, &kind,
					  &args, &desc);
	EtlCheckWhenDone(kind, args);
}
