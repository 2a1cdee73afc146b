/*
 * evaluate.c
 *		The call of a source, evaluated and not executed.
 */
#include "etl.h"

#include "executor/executor.h"
#include "jit/jit.h"
#include "nodes/plannodes.h"
#include "pipeline/evaluate.h"
#include "pipeline/source_call.h"
#include "scan/scan.h"
#include "utils/snapmgr.h"

void
EtlEvaluateSource(const char *statement, MemoryContext context, const EtlScanKind **kind,
				  EtlArgs **args, TupleDesc *desc)
{
	PlannedStmt *plan = EtlPlanSource(EtlAnalyzeSource(statement), statement);
	QueryDesc *query = CreateQueryDesc(plan, statement, GetActiveSnapshot(), InvalidSnapshot,
									   None_Receiver, NULL, NULL, 0);
	MemoryContext old;

	plan->jitFlags = PGJIT_NONE; /* it is not executed, however much there may be to read */
	ExecutorStart(query, 0);
	old = MemoryContextSwitchTo(context);
	EtlScanDetach(query->planstate, kind, args, desc);
	MemoryContextSwitchTo(old);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
}
