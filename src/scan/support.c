/*
 * support.c
 *		What the planner asks about our functions: the SUPPORT function of each of them.
 *
 * The first question of a session loads the library, and so installs the planner hook in time for the very
 * query that asked.  It also tells us the OID of the support function, by which the hook knows our functions
 * from others without looking into them.
 *
 * An estimate looks at the file only for a role that may read it and may call the function; EXPLAIN
 * reveals nothing to others.
 */
#include "etl.h"

#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/supportnodes.h"
#include "scan/api_many.h"
#include "scan/api_rows.h"
#include "scan/csv_rows.h"
#include "scan/json_rows.h"
#include "scan/lines_rows.h"
#include "scan/scan.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#define MAX_KINDS 32 /* of a session: ours, and those of other extensions */

static const EtlScanKind *kinds[MAX_KINDS] = {&EtlCsvKind,	 &EtlJsonKind, &EtlLinesKind,
											  &EtlFixedKind, &EtlApiKind,  &EtlApiManyKind};
static int nkinds = 6;

static Oid support_oid = InvalidOid;

/* A later layer, or another extension, adds a kind of its own. */
void
EtlScanAddKind(const EtlScanKind *kind)
{
	if (nkinds == MAX_KINDS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many kinds of scans")));
	kinds[nkinds++] = kind;
}

/*
 * The kind behind a call.  fmgr puts its own function in front of one that is SECURITY DEFINER or has SET
 * clauses; those are not recognised here, and run as ordinary functions.
 */
const EtlScanKind *
EtlScanKindOf(const FuncExpr *call)
{
	if (!OidIsValid(support_oid) || get_func_support(call->funcid) != support_oid)
		return NULL;
	return EtlScanKindOfPlan(call);
}

/* A worker of a parallel plan executes what another process has planned, and nobody has asked it anything. */
const EtlScanKind *
EtlScanKindOfPlan(const FuncExpr *call)
{
	FmgrInfo function;

	fmgr_info(call->funcid, &function);
	for (int i = 0; i < nkinds; i++)
		if (function.fn_addr == kinds[i]->entry)
			return kinds[i];
	return NULL;
}

char *
EtlScanSources(const char *word)
{
	const char *last = NULL;
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < nkinds; i++)
	{
		if (kinds[i]->keep == NULL)
			continue;
		if (last != NULL)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", last);
		last = kinds[i]->function;
	}
	appendStringInfo(&list, " %s %s", word, last);
	return list.data;
}

bool
EtlScanEstimate(const FuncExpr *call, double *nrows, double *nbytes)
{
	const EtlScanKind *kind = EtlScanKindOf(call);

	if (kind == NULL ||
		object_aclcheck(ProcedureRelationId, call->funcid, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		return false;
	return kind->estimate(EtlArgsOfExpr(call), nrows, nbytes);
}

PG_FUNCTION_INFO_V1(etl_scan_support);

/*
 * etl_scan_support(internal) returns internal: the planner support function of etl_csv and its kin.
 * Answers requests for the number of rows; to all others it has nothing to say.
 */
Datum
etl_scan_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	double nbytes;

	support_oid = fcinfo->flinfo->fn_oid;
	if (IsA(request, SupportRequestRows))
	{
		SupportRequestRows *rows = (SupportRequestRows *) request;

		if (rows->node != NULL && IsA(rows->node, FuncExpr) &&
			EtlScanEstimate((FuncExpr *) rows->node, &rows->rows, &nbytes))
			PG_RETURN_POINTER(rows);
	}
	PG_RETURN_POINTER(NULL);
}
