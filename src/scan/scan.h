/*
 * scan.h
 *		Functions in FROM as truly streaming scans.
 *
 * A FunctionScan collects all rows of a function in a tuplestore before it hands out the first.  So the
 * planner is given another node for our functions:
 *
 *		support.c	the planner's calls for row estimates; they also load the library, which installs
 *		plan.c		the hook that replaces the path of such a function by a CustomScan
 *		node.c		its execution: column pruning, conversion behind filters, EXPLAIN
 *		srf.c		the plain set-returning function, where the planner cannot use the node
 *		bulk.c		another node, by which an INSERT of such rows inserts many at once
 *
 * Both callers read through rows.h.
 */
#ifndef ETL_SCAN_H
#define ETL_SCAN_H

#include "etl.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "scan/rows.h"

extern void EtlPlanInit(void);
extern void EtlNodeInit(void);
extern void EtlBulkInit(void); /* bulk.c */

/* support.c */
extern void EtlScanAddKind(const EtlScanKind *kind);		   /* for kinds of later layers */
extern const EtlScanKind *EtlScanKindOf(const FuncExpr *call); /* NULL: not one of our functions */
extern const EtlScanKind *
EtlScanKindOfPlan(const FuncExpr *call); /* the same, of a call in a plan of ours */
/* The functions that can be the source of a pipeline, for people; word is what stands before the last. */
extern char *EtlScanSources(const char *word);
extern bool EtlScanEstimate(const FuncExpr *call, double *nrows, double *nbytes);

/* plan.c makes a plan, node.c executes it: what custom_private holds, in this order */
typedef enum EtlScanPrivate
{
	ETL_SCAN_ORDINALITY,	/* Boolean */
	ETL_SCAN_NCOLUMNS,		/* Integer: how many columns the function had for the plan */
	ETL_SCAN_COLNAMES,		/* List of String: all columns, if there is a column definition list */
	ETL_SCAN_COLTYPES,		/* OidList */
	ETL_SCAN_COLTYPMODS,	/* IntList */
	ETL_SCAN_COLCOLLATIONS, /* OidList */
	ETL_SCAN_ENOUGH,		/* Integer: as in EtlRows */
	ETL_SCAN_SERIAL			/* String: why it is no parallel scan; empty: it is one */
} EtlScanPrivate;

extern const CustomPathMethods EtlScanPathMethods;
extern const CustomScanMethods EtlScanMethods;

/* What a scan reads, of a node that may be one; NULL: it is none, or is not open. */
extern EtlRows *EtlScanRows(PlanState *node);

/*
 * What a scan whose node has been started would open; the results are in the current memory context.  A
 * pipeline opens it itself, to read it outside of any plan.
 */
extern void
EtlScanDetach(PlanState *node, const EtlScanKind **kind, EtlArgs **args, TupleDesc *desc);

/* srf.c */
extern Datum EtlScanFunction(FunctionCallInfo fcinfo, const EtlScanKind *kind);
pg_noreturn extern void EtlRefuseRowType(Oid type);

#endif /* ETL_SCAN_H */
