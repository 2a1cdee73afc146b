/*
 * node.c
 *		The executor's side of a streaming scan.
 *
 *		EtlRowsNext		the next record
 *		first			the columns that the filter reads are converted
 *		ExecQual		...
 *		rest			the other columns are, of a row that passed
 *
 * A scan is opened when its first row is asked for, not when the node is initialised: the parameters of a
 * LATERAL call are not known before, EXPLAIN must read nothing, and EvalPlanQual makes a second copy of the
 * node that never reads at all.
 */
#include "etl.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "scan/scan.h"
#include "source/url.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

typedef struct EtlScanState
{
	CustomScanState css;
	FuncExpr *call;
	const EtlScanKind *kind;
	Index rti;			   /* of the function, in the range table */
	List *args;			   /* ExprStates of the call's arguments */
	Bitmapset *arg_params; /* the executor parameters in them */
	TupleDesc desc;		   /* what the function returns */
	TupleDesc whole;	   /* the same with the ordinality column, if there is one */

	/* the scan tuple: entry i is attribute attnos[i] of "whole", or all of it where that is 0 */
	int nentries;
	AttrNumber *attnos;
	Bitmapset *wanted; /* columns of desc, from 0, that any entry needs */
	int nfirst, nrest;
	int *first;			   /* columns of desc that the filter reads */
	int *rest;			   /* the other wanted ones */
	bool filter_reads_row; /* the whole of it */
	Datum *values;		   /* [whole->natts] of the current row */
	bool *isnull;

	EtlRows *rows; /* NULL: not open */
	int64 ordinal;
} EtlScanState;

/* ----------------------------------------------------------------
 *	Start and end
 * ---------------------------------------------------------------- */

/* What the function returns, as it is declared now. */
static TupleDesc
result_desc(const EtlScanState *state, List *private)
{
	List *names = list_nth(private, ETL_SCAN_COLNAMES);
	TupleDesc desc;
	Oid type;

	if (names == NIL)
	{
		if (get_expr_result_type((Node *) state->call, &type, &desc) != TYPEFUNC_COMPOSITE)
			EtlRefuseRowType(type);
		return desc;
	}
	return BlessTupleDesc(BuildDescFromLists(names, list_nth(private, ETL_SCAN_COLTYPES),
											 list_nth(private, ETL_SCAN_COLTYPMODS),
											 list_nth(private, ETL_SCAN_COLCOLLATIONS)));
}

static TupleDesc
add_ordinality(TupleDesc desc)
{
	TupleDesc whole = CreateTemplateTupleDesc(desc->natts + 1);

	for (int i = 1; i <= desc->natts; i++)
		TupleDescCopyEntry(whole, i, desc, i);
	TupleDescInitEntry(whole, desc->natts + 1, "ordinality", INT8OID, -1, 0);
	return BlessTupleDesc(whole);
}

/* A plan may be older than the row type it was made for. */
static void
check_entry_type(const EtlScanState *state, const Var *var)
{
	Form_pg_attribute attr;

	if (var->varattno > 0 && var->varattno <= state->whole->natts)
	{
		attr = TupleDescAttr(state->whole, var->varattno - 1);
		if (!attr->attisdropped && attr->atttypid == var->vartype)
			return;
	}
	else if (var->varattno == 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("row type of function %s changed", state->kind->function),
					errhint("Run the statement again.")));
}

/* Adds the columns of desc that an entry of the scan tuple needs. */
static Bitmapset *
add_columns_of_entry(const EtlScanState *state, Bitmapset *columns, int entry)
{
	AttrNumber attno = state->attnos[entry];

	if (attno == 0)
		return bms_add_range(columns, 0, state->desc->natts - 1);
	if (attno <= state->desc->natts)
		return bms_add_member(columns, attno - 1);
	return columns;
}

static int *
members(const Bitmapset *set, int *n)
{
	int *list = palloc(sizeof(int) * (bms_num_members(set) + 1));
	int i = -1;

	*n = 0;
	while ((i = bms_next_member(set, i)) >= 0)
		list[(*n)++] = i;
	return list;
}

/* Works out which columns are converted, and which of them before the filter. */
static void
set_up_columns(EtlScanState *state, CustomScan *scan)
{
	Bitmapset *attrs = NULL;
	Bitmapset *first = NULL;
	ListCell *lc;

	state->attnos = palloc(sizeof(AttrNumber) * (list_length(scan->custom_scan_tlist) + 1));
	foreach (lc, scan->custom_scan_tlist)
	{
		Var *var = castNode(Var, lfirst_node(TargetEntry, lc)->expr);

		check_entry_type(state, var);
		state->attnos[state->nentries] = var->varattno;
		state->wanted = add_columns_of_entry(state, state->wanted, state->nentries++);
	}

	pull_varattnos((Node *) scan->scan.plan.qual, INDEX_VAR, &attrs);
	for (int i = 0; i < state->nentries; i++)
		if (bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, attrs))
		{
			first = add_columns_of_entry(state, first, i);
			state->filter_reads_row |= state->attnos[i] == 0;
		}
	state->first = members(first, &state->nfirst);
	state->rest = members(bms_difference(state->wanted, first), &state->nrest);
}

/* As ExecInitFunc does for a function that is called as one. */
static void
check_may_execute(const EtlScanState *state)
{
	Oid funcid = state->call->funcid;
	AclResult result = object_aclcheck(ProcedureRelationId, funcid, GetUserId(), ACL_EXECUTE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, get_func_name(funcid));
	InvokeFunctionExecuteHook(funcid);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	EtlScanState *state = (EtlScanState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	bool ordinality = boolVal(list_nth(scan->custom_private, ETL_SCAN_ORDINALITY));

	state->call = linitial_node(FuncExpr, scan->custom_exprs);
	state->kind = EtlScanKindOf(state->call);
	if (state->kind == NULL)
		elog(ERROR, "function %u is not a streaming scan", state->call->funcid);
	check_may_execute(state);
	state->rti = bms_singleton_member(scan->custom_relids);
	state->args = ExecInitExprList(state->call->args, &node->ss.ps);
	state->arg_params = pull_paramids((Expr *) state->call);
	state->desc = result_desc(state, scan->custom_private);
	state->whole = ordinality ? add_ordinality(state->desc) : state->desc;
	state->values = palloc0(sizeof(Datum) * state->whole->natts);
	state->isnull = palloc(sizeof(bool) * state->whole->natts);
	memset(state->isnull, true, sizeof(bool) * state->whole->natts);
	set_up_columns(state, scan);
}

/* Evaluates the arguments and opens the source. */
static void
open_scan(EtlScanState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	EtlArgs *args = EtlArgsFor(state->call->funcid, state->call->args);
	ListCell *lc;

	foreach (lc, state->args)
	{
		EtlArg *arg = &args->arg[foreach_current_index(lc)];

		arg->value = ExecEvalExpr((ExprState *) lfirst(lc), econtext, &arg->isnull);
	}
	MemoryContextSwitchTo(state->css.ss.ps.state->es_query_cxt);
	state->rows = EtlRowsOpen(state->kind, args, state->desc, state->wanted, true);
	state->ordinal = 0;
	MemoryContextSwitchTo(old);
}

static void
close_scan(EtlScanState *state)
{
	EtlRows *rows = state->rows;

	state->rows = NULL;
	if (rows != NULL)
		EtlRowsClose(rows);
}

static void
end_scan(CustomScanState *node)
{
	close_scan((EtlScanState *) node);
}

static void
rescan(CustomScanState *node)
{
	EtlScanState *state = (EtlScanState *) node;

	if (state->rows != NULL && bms_overlap(node->ss.ps.chgParam, state->arg_params))
		close_scan(state);
	if (state->rows != NULL)
		EtlRowsRewind(state->rows);
	state->ordinal = 0;
	ExecScanReScan(&node->ss);
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

static Datum
whole_row(const EtlScanState *state)
{
	return HeapTupleGetDatum(heap_form_tuple(state->whole, state->values, state->isnull));
}

/* Makes the scan tuple of the values there are; a whole row only once all of it is there. */
static void
store_scan_tuple(EtlScanState *state, TupleTableSlot *slot, bool complete)
{
	ExecClearTuple(slot);
	for (int i = 0; i < state->nentries; i++)
	{
		AttrNumber attno = state->attnos[i];

		slot->tts_isnull[i] = attno == 0 ? !complete : state->isnull[attno - 1];
		if (attno == 0 && complete)
			slot->tts_values[i] = whole_row(state);
		else if (attno != 0)
			slot->tts_values[i] = state->values[attno - 1];
	}
	ExecStoreVirtualTuple(slot);
}

static bool
next_row(EtlScanState *state)
{
	if (unlikely(state->rows == NULL))
		open_scan(state);
	if (!EtlRowsNext(state->rows))
		return false;
	state->ordinal++;
	if (state->whole != state->desc)
	{
		state->values[state->desc->natts] = Int64GetDatum(state->ordinal);
		state->isnull[state->desc->natts] = false;
	}
	return true;
}

static void
fetch(EtlScanState *state, const int *columns, int n)
{
	EtlRowsFetch(state->rows, columns, n, state->values, state->isnull);
}

/*
 * Within EvalPlanQual: gives the row of ours that was joined to the row being checked again, once.  A
 * scan that has no row mark belongs to a subquery, and is read as ever.
 */
static bool
recheck(ScanState *node, TupleTableSlot *slot)
{
	EtlScanState *state = (EtlScanState *) node;
	EPQState *epq = node->ps.state->es_epq_active;
	TupleTableSlot *row;

	if (epq->relsubs_rowmark[state->rti - 1] == NULL)
	{
		MemoryContext old;

		if (!next_row(state))
			return false;
		old = MemoryContextSwitchTo(node->ps.ps_ExprContext->ecxt_per_tuple_memory);
		fetch(state, state->first, state->nfirst);
		fetch(state, state->rest, state->nrest);
		store_scan_tuple(state, slot, true);
		MemoryContextSwitchTo(old);
		return true;
	}
	if (epq->relsubs_done[state->rti - 1])
		return false;
	epq->relsubs_done[state->rti - 1] = true;

	row = MakeSingleTupleTableSlot(state->whole, &TTSOpsVirtual);
	if (!EvalPlanQualFetchRowMark(epq, state->rti, row))
		return false;
	slot_getallattrs(row);
	memcpy(state->values, row->tts_values, sizeof(Datum) * state->whole->natts);
	memcpy(state->isnull, row->tts_isnull, sizeof(bool) * state->whole->natts);
	store_scan_tuple(state, slot, true);
	return true;
}

static TupleTableSlot *
no_access(ScanState *node)
{
	elog(ERROR, "EvalPlanQual reads a streaming scan through its row mark");
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	EtlScanState *state = (EtlScanState *) node;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	ExprState *qual = node->ss.ps.qual;
	ProjectionInfo *projection = node->ss.ps.ps_ProjInfo;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	MemoryContext old;

	if (node->ss.ps.state->es_epq_active != NULL)
		return ExecScan(&node->ss, no_access, recheck);

	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	econtext->ecxt_scantuple = slot;
	for (;;)
	{
		ResetExprContext(econtext);
		if (!next_row(state))
		{
			MemoryContextSwitchTo(old);
			return ExecClearTuple(projection != NULL ? projection->pi_state.resultslot : slot);
		}
		fetch(state, state->first, state->nfirst);
		if (qual != NULL)
		{
			store_scan_tuple(state, slot, state->filter_reads_row);
			if (!ExecQual(qual, econtext))
			{
				InstrCountFiltered1(node, 1);
				continue;
			}
		}
		fetch(state, state->rest, state->nrest);
		store_scan_tuple(state, slot, true);
		MemoryContextSwitchTo(old);
		return projection != NULL ? ExecProject(projection) : slot;
	}
}

/* ----------------------------------------------------------------
 *	EXPLAIN
 * ---------------------------------------------------------------- */

/* URLs hold secrets, written out or as parts of an expression. */
static void
explain_argument(const char *label, const char *text, ExplainState *es)
{
	bool is_path = strcmp(label, "Path") == 0;

	ExplainPropertyText(label, is_path || strstr(text, "://") ? EtlUrlRedact(text) : text, es);
}

/* Source, and path if there is one, as the call has them: the text of a constant, or the expression. */
static void
explain_source(const EtlScanState *state, List *ancestors, ExplainState *es)
{
	EtlArgs *args = EtlArgsFor(state->call->funcid, state->call->args);
	List *context;

	for (int i = 0; i < args->n; i++)
	{
		Node *expr = list_nth(state->call->args, i);
		bool is_path = strcmp(args->arg[i].name, "path") == 0;
		const char *label = is_path ? "Path" : "Source";

		if (!is_path && strcmp(args->arg[i].name, "source") != 0)
			continue;
		if (IsA(expr, Const) && !castNode(Const, expr)->constisnull)
			explain_argument(label, TextDatumGetCString(castNode(Const, expr)->constvalue), es);
		else if (!is_path || !IsA(expr, Const))
		{
			context = set_deparse_context_plan(es->deparse_cxt, state->css.ss.ps.plan, ancestors);
			explain_argument(label, deparse_expression(expr, context, es->verbose, false), es);
		}
	}
}

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	EtlScanState *state = (EtlScanState *) node;
	RangeTblEntry *rte = rt_fetch(state->rti, es->rtable);
	List *columns = NIL;
	int i = -1;

	ExplainPropertyText("Function",
						strcmp(rte->eref->aliasname, state->kind->function) == 0
							? state->kind->function
							: psprintf("%s %s", state->kind->function, rte->eref->aliasname),
						es);
	explain_source(state, ancestors, es);
	while ((i = bms_next_member(state->wanted, i)) >= 0)
		columns = lappend(columns, NameStr(TupleDescAttr(state->desc, i)->attname));
	if (columns != NIL)
		ExplainPropertyList("Columns", columns, es);
	if (es->analyze && state->rows != NULL)
	{
		ExplainPropertyUInteger("Records Read", NULL, state->rows->nread, es);
		if (state->rows->nrejected > 0)
			ExplainPropertyUInteger("Records Rejected", NULL, state->rows->nrejected, es);
		state->kind->explain(state->rows, es);
	}
}

static const CustomExecMethods exec_methods = {
	.CustomName = "EtlScan",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain_scan,
};

Node *
EtlScanCreateState(CustomScan *scan)
{
	EtlScanState *state = (EtlScanState *) newNode(sizeof(EtlScanState), T_CustomScanState);

	state->css.methods = &exec_methods;
	state->css.flags = scan->flags;
	return (Node *) state;
}

const CustomScanMethods EtlScanMethods = {
	.CustomName = "EtlScan",
	.CreateCustomScanState = EtlScanCreateState,
};

void
EtlNodeInit(void)
{
	RegisterCustomScanMethods(&EtlScanMethods);
}
