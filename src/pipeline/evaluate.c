/*
 * evaluate.c
 *		The call of a source, evaluated and not executed.
 */
#include "etl.h"

#include "executor/executor.h"
#include "jit/jit.h"
#include "nodes/plannodes.h"
#include "pipeline/evaluate.h"
#include "scan/scan.h"
#include "tcop/tcopprot.h"
#include "utils/snapmgr.h"

void
EtlEvaluateSource(const char *statement, MemoryContext context, const EtlScanKind **kind,
				  EtlArgs **args, TupleDesc *desc)
{
	List *parsed = pg_parse_query(statement);
	List *queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, parsed), statement,
													   NULL, 0, NULL);
	PlannedStmt *plan =
		pg_plan_query(linitial_node(Query, queries), statement, CURSOR_OPT_NO_SCROLL, NULL);
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
