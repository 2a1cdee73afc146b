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

#include "access/parallel.h"
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
#include "scan/rescan.h"
#include "scan/scan.h"
#include "scan/share.h"
#include "source/http/url.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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

	/* the scan tuple */
	int nfirst, nrest;
	EtlWanted *first;  /* columns of desc that the filter reads, and their places in the tuple */
	EtlWanted *rest;   /* the others that the query reads */
	Bitmapset *wanted; /* both, by their numbers in desc */
	int row_place;	   /* of the whole row, which is made of the entries before it; -1: none */
	int ordinal_place; /* of the ordinality column; -1: none */
	bool filter_reads_row;

	bool rewindable; /* it may be read again */
	int64 enough;	 /* as in EtlRows */
	EtlShare *share; /* of a parallel plan; or NULL */
	bool shared;	 /* there was one */
	EtlRows *rows;	 /* NULL: not open */
	int64 ordinal;
	EtlCounters counters;	/* of the scans that were closed */
	TupleTableSlot *marked; /* what the row mark holds; made when it is needed */
} EtlScanState;

/* ----------------------------------------------------------------
 *	Start and end
 * ---------------------------------------------------------------- */

/* The first n columns of desc, and room for others behind them. */
static TupleDesc
first_columns(TupleDesc desc, int n, int others)
{
	TupleDesc copy = CreateTemplateTupleDesc(n + others);

	for (int i = 1; i <= n; i++)
		TupleDescCopyEntry(copy, i, desc, i);
	return copy;
}

/*
 * What the function returns, as it is declared now.  If the row type was given more columns after the plan was
 * made, these are left out, and what is left is a record without a name.
 */
static TupleDesc
result_desc(const EtlScanState *state, List *private)
{
	List *names = list_nth(private, ETL_SCAN_COLNAMES);
	int ncolumns = intVal(list_nth(private, ETL_SCAN_NCOLUMNS));
	TupleDesc desc;
	Oid type;

	if (names == NIL)
	{
		if (get_expr_result_type((Node *) state->call, &type, &desc) != TYPEFUNC_COMPOSITE)
			EtlRefuseRowType(type);
		return desc->natts > ncolumns ? first_columns(desc, ncolumns, 0) : desc;
	}
	return BlessTupleDesc(BuildDescFromLists(names, list_nth(private, ETL_SCAN_COLTYPES),
											 list_nth(private, ETL_SCAN_COLTYPMODS),
											 list_nth(private, ETL_SCAN_COLCOLLATIONS)));
}

static TupleDesc
add_ordinality(TupleDesc desc)
{
	TupleDesc whole = first_columns(desc, desc->natts, 1);

	TupleDescInitEntry(whole, desc->natts + 1, "ordinality", INT8OID, -1, 0);
	return BlessTupleDesc(whole);
}

/* A plan may be older than the row type it was made for. */
static void
check_entry(const EtlScanState *state, const Var *var)
{
	Form_pg_attribute attr;

	if (var->varattno == 0 && var->vartype == state->whole->tdtypeid)
		return;
	if (var->varattno > 0 && var->varattno <= state->whole->natts)
	{
		attr = TupleDescAttr(state->whole, var->varattno - 1);
		if (!attr->attisdropped && attr->atttypid == var->vartype)
			return;
	}
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("row type of function %s changed", state->kind->function),
					errhint("Run DISCARD PLANS, then the statement again.")));
}

/* Which entries of the scan tuple, from 0, the filter reads; all, if it reads whole rows. */
static Bitmapset *
entries_in_filter(EtlScanState *state, CustomScan *scan)
{
	Bitmapset *attrs = NULL;
	Bitmapset *entries = NULL;
	int n = list_length(scan->custom_scan_tlist);

	pull_varattnos((Node *) scan->scan.plan.qual, INDEX_VAR, &attrs);
	for (int i = 0; i < n; i++)
		if (bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, attrs))
			entries = bms_add_member(entries, i);
	state->filter_reads_row = state->row_place >= 0 && bms_is_member(state->row_place, entries);
	return state->filter_reads_row ? bms_add_range(entries, 0, n - 1) : entries;
}

/* Works out where in the scan tuple each column goes, and which are converted before the filter. */
static void
set_up_columns(EtlScanState *state, CustomScan *scan)
{
	int n = list_length(scan->custom_scan_tlist);
	Bitmapset *in_filter;
	ListCell *lc;

	state->first = palloc(sizeof(EtlWanted) * (n + 1));
	state->rest = palloc(sizeof(EtlWanted) * (n + 1));
	state->row_place =
		n > 0 && ((Var *) llast_node(TargetEntry, scan->custom_scan_tlist)->expr)->varattno == 0
			? n - 1
			: -1;
	state->ordinal_place = -1;
	in_filter = entries_in_filter(state, scan);
	foreach (lc, scan->custom_scan_tlist)
	{
		Var *var = (Var *) lfirst_node(TargetEntry, lc)->expr;
		int place = foreach_current_index(lc);
		EtlWanted target = {var->varattno - 1, place};

		if (!IsA(var, Var))
			continue; /* a dropped column */
		check_entry(state, var);
		if (var->varattno > state->desc->natts)
			state->ordinal_place = place;
		else if (var->varattno > 0)
		{
			state->wanted = bms_add_member(state->wanted, target.column);
			if (bms_is_member(place, in_filter))
				state->first[state->nfirst++] = target;
			else
				state->rest[state->nrest++] = target;
		}
	}
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
	state->kind = EtlScanKindOfPlan(state->call);
	if (state->kind == NULL)
		elog(ERROR, "function %u is not a streaming scan", state->call->funcid);
	check_may_execute(state);
	state->rewindable =
		(eflags & EXEC_FLAG_REWIND) != 0 || EtlMayRescan(estate->es_plannedstmt, &scan->scan.plan);
	state->enough = intVal(list_nth(scan->custom_private, ETL_SCAN_ENOUGH));
	state->rti = bms_singleton_member(scan->custom_relids);
	state->args = ExecInitExprList(state->call->args, &node->ss.ps);
	state->arg_params = pull_paramids((Expr *) state->call);
	state->desc = result_desc(state, scan->custom_private);
	state->whole = ordinality ? add_ordinality(state->desc) : state->desc;
	set_up_columns(state, scan);
	memset(node->ss.ss_ScanTupleSlot->tts_isnull, true,
		   sizeof(bool) * list_length(scan->custom_scan_tlist));
}

static EtlArgs *
evaluate_args(EtlScanState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	EtlArgs *args = EtlArgsFor(state->call->funcid, state->call->args);
	ListCell *lc;

	foreach (lc, state->args)
	{
		EtlArg *arg = &args->arg[foreach_current_index(lc)];

		arg->value = ExecEvalExpr((ExprState *) lfirst(lc), econtext, &arg->isnull);
	}
	return args;
}

/* Evaluates the arguments and opens the source. */
static void
open_scan(EtlScanState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	EtlArgs *args = evaluate_args(state);

	MemoryContextSwitchTo(state->css.ss.ps.state->es_query_cxt);
	state->rows = EtlRowsOpen(state->kind, args, state->desc, state->wanted, state->rewindable,
							  state->enough, state->share);
	state->ordinal = 0;
	MemoryContextSwitchTo(old);
}

static void
close_scan(EtlScanState *state)
{
	EtlRows *rows = state->rows;

	state->rows = NULL;
	if (rows == NULL)
		return;
	EtlCountersAdd(&state->counters, &rows->counters);
	if (rows->share != NULL)
		state->kind->give(rows);
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

	if (state->share != NULL ||
		(state->rows != NULL && bms_overlap(node->ss.ps.chgParam, state->arg_params)))
		close_scan(state);
	if (state->rows != NULL)
		EtlRowsRewind(state->rows);
	state->ordinal = 0;
	ExecScanReScan(&node->ss);
}

/* ----------------------------------------------------------------
 *	Rows
 * ---------------------------------------------------------------- */

/* Makes the whole row of the columns before it. */
static void
form_whole_row(EtlScanState *state, TupleTableSlot *slot)
{
	HeapTuple tuple = heap_form_tuple(state->whole, slot->tts_values, slot->tts_isnull);

	slot->tts_values[state->row_place] = HeapTupleGetDatum(tuple);
	slot->tts_isnull[state->row_place] = false;
}

/* Goes to the next row, with an empty slot to be filled; false when there is none. */
static bool
next_row(EtlScanState *state, TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	if (unlikely(state->rows == NULL))
		open_scan(state);
	if (!EtlRowsNext(state->rows))
		return false;
	state->ordinal++;
	if (state->ordinal_place >= 0)
	{
		slot->tts_values[state->ordinal_place] = Int64GetDatum(state->ordinal);
		slot->tts_isnull[state->ordinal_place] = false;
	}
	return true;
}

static inline void
fetch(EtlScanState *state, const EtlWanted *targets, int n, TupleTableSlot *slot)
{
	if (n > 0)
		EtlRowsFetch(state->rows, targets, n, slot->tts_values, slot->tts_isnull);
}

/* Reads the next row, all of it; false when there is none. */
static bool
read_row(EtlScanState *state, TupleTableSlot *slot)
{
	MemoryContext old =
		MemoryContextSwitchTo(state->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	bool found = next_row(state, slot);

	if (found)
	{
		fetch(state, state->first, state->nfirst, slot);
		fetch(state, state->rest, state->nrest, slot);
		if (state->row_place >= 0)
			form_whole_row(state, slot);
		ExecStoreVirtualTuple(slot);
	}
	MemoryContextSwitchTo(old);
	return found;
}

/* Makes the scan tuple of a row of ours that was kept whole. */
static void
store_kept_row(const EtlScanState *state, TupleTableSlot *row, TupleTableSlot *slot)
{
	CustomScan *scan = (CustomScan *) state->css.ss.ps.plan;
	ListCell *lc;

	ExecClearTuple(slot);
	foreach (lc, scan->custom_scan_tlist)
	{
		Var *var = (Var *) lfirst_node(TargetEntry, lc)->expr;
		int place = foreach_current_index(lc);

		if (!IsA(var, Var))
			continue;
		if (var->varattno == 0)
			slot->tts_values[place] = ExecFetchSlotHeapTupleDatum(row);
		else
			slot->tts_values[place] = row->tts_values[var->varattno - 1];
		slot->tts_isnull[place] = var->varattno > 0 && row->tts_isnull[var->varattno - 1];
	}
	ExecStoreVirtualTuple(slot);
}

/*
 * Within EvalPlanQual a scan of the joined relations gives one row only: the one that was joined to the row
 * being checked again, which its row mark holds.  A scan that has no row mark belongs to a subquery, and
 * is read as ever.  PostgreSQL calls recheck for the former and, by its version, next_slot or recheck for the
 * latter.
 */
static bool
recheck(ScanState *node, TupleTableSlot *slot)
{
	EtlScanState *state = (EtlScanState *) node;
	EPQState *epq = node->ps.state->es_epq_active;
	MemoryContext old;

	if (epq->relsubs_rowmark[state->rti - 1] == NULL)
		return read_row(state, slot);
	if (epq->relsubs_done[state->rti - 1])
		return false;
	epq->relsubs_done[state->rti - 1] = true;

	if (state->marked == NULL)
		state->marked =
			ExecAllocTableSlot(&node->ps.state->es_tupleTable, state->whole, &TTSOpsVirtual);
	if (!EvalPlanQualFetchRowMark(epq, state->rti, state->marked))
		return false;
	slot_getallattrs(state->marked);
	old = MemoryContextSwitchTo(node->ps.ps_ExprContext->ecxt_per_tuple_memory);
	store_kept_row(state, state->marked, slot);
	MemoryContextSwitchTo(old);
	return true;
}

static TupleTableSlot *
next_slot(ScanState *node)
{
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	return read_row((EtlScanState *) node, slot) ? slot : ExecClearTuple(slot);
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
		return ExecScan(&node->ss, next_slot, recheck);

	old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
	econtext->ecxt_scantuple = slot;
	for (;;)
	{
		ResetExprContext(econtext);
		if (!next_row(state, slot))
		{
			MemoryContextSwitchTo(old);
			return projection != NULL ? ExecClearTuple(projection->pi_state.resultslot) : slot;
		}
		fetch(state, state->first, state->nfirst, slot);
		if (state->filter_reads_row)
			form_whole_row(state, slot);
		ExecStoreVirtualTuple(slot);
		if (qual == NULL || ExecQual(qual, econtext))
			break;
		InstrCountFiltered1(node, 1);
	}
	fetch(state, state->rest, state->nrest, slot);
	if (state->row_place >= 0 && !state->filter_reads_row)
		form_whole_row(state, slot);
	MemoryContextSwitchTo(old);
	return projection != NULL ? ExecProject(projection) : slot;
}

/* ----------------------------------------------------------------
 *	Parallel plans
 * ---------------------------------------------------------------- */

static Size
estimate_share(CustomScanState *node, ParallelContext *pcxt)
{
	return sizeof(EtlShare);
}

static void
begin_share(CustomScanState *node, ParallelContext *pcxt, void *share)
{
	EtlScanState *state = (EtlScanState *) node;

	EtlShareInit(share);
	state->share = share;
	state->shared = true;
}

static void
begin_share_again(CustomScanState *node, ParallelContext *pcxt, void *share)
{
	EtlShareInit(share);
}

static void
join_share(CustomScanState *node, shm_toc *toc, void *share)
{
	((EtlScanState *) node)->share = share;
}

/* No more rows are wanted of this process.  In the leader the others have come to their end, too, if all rows were. */
static void
shut_down_scan(CustomScanState *node)
{
	EtlScanState *state = (EtlScanState *) node;
	EtlShare *share = state->share;

	if (share == NULL)
		return;
	close_scan(state);
	state->share = NULL; /* soon gone */
	if (IsParallelWorker())
	{
		EtlShareGive(share, &state->counters);
		return;
	}
	EtlCountersAdd(&state->counters, &share->counters);
	state->kind->report_all(share);
}

/* ----------------------------------------------------------------
 *	EXPLAIN
 * ---------------------------------------------------------------- */

/* A URL holds secrets; of an expression that makes one, any string that is written in it may be a part of one. */
static char *
hide_strings(const char *expression)
{
	StringInfoData shown;
	char quote = '\0'; /* that is open; a doubled one closes it and opens it again */

	initStringInfo(&shown);
	for (const char *p = expression; *p; p++)
	{
		if (quote != '\'' || *p == '\'')
			appendStringInfoChar(&shown, *p);
		if (quote == '\0' && (*p == '\'' || *p == '"'))
		{
			quote = *p;
			if (quote == '\'')
				appendStringInfoString(&shown, "***");
		}
		else if (*p == quote)
			quote = '\0';
	}
	return shown.data;
}

/* A path has no sign by which it could be told from a file's name, which is shown as it is. */
static void
explain_constant(const char *label, bool is_path, const char *text, ExplainState *es)
{
	ExplainPropertyText(label, is_path || EtlIsUrl(text) ? EtlUrlRedact(text) : text, es);
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
			explain_constant(label, is_path, TextDatumGetCString(castNode(Const, expr)->constvalue),
							 es);
		else if (!is_path || !IsA(expr, Const))
		{
			context = set_deparse_context_plan(es->deparse_cxt, state->css.ss.ps.plan, ancestors);
			ExplainPropertyText(
				label, hide_strings(deparse_expression(expr, context, es->verbose, false)), es);
		}
	}
}

static void
explain_counters(const EtlScanState *state, ExplainState *es)
{
	EtlCounters sum = state->counters;

	if (state->rows != NULL)
		EtlCountersAdd(&sum, &state->rows->counters);
	ExplainPropertyUInteger("Records Read", NULL, sum.records, es);
	if (sum.rejected > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyUInteger("Records Rejected", NULL, sum.rejected, es);
	ExplainPropertyUInteger("Bytes Read", NULL, sum.bytes, es);
	if (sum.stray > 0)
		ExplainPropertyUInteger("Records with Stray Quotes", NULL, sum.stray, es);
}

/* Why it is no parallel scan. */
static void
explain_serial(const CustomScanState *node, ExplainState *es)
{
	const CustomScan *scan = castNode(CustomScan, node->ss.ps.plan);
	const char *reason = strVal(list_nth(scan->custom_private, ETL_SCAN_SERIAL));

	if (es->verbose && reason[0] != '\0')
		ExplainPropertyText("Serial", reason, es);
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
	explain_serial(node, es);
	if (!es->analyze || (state->rows == NULL && !state->shared))
		return;
	explain_counters(state, es);
	if (state->rows != NULL && state->kind->explain != NULL)
		state->kind->explain(state->rows, es);
}

static const CustomExecMethods exec_methods = {
	.CustomName = "EtlScan",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_share,
	.InitializeDSMCustomScan = begin_share,
	.ReInitializeDSMCustomScan = begin_share_again,
	.InitializeWorkerCustomScan = join_share,
	.ShutdownCustomScan = shut_down_scan,
	.ExplainCustomScan = explain_scan,
};

static Node *
create_state(CustomScan *scan)
{
	EtlScanState *state = (EtlScanState *) newNode(sizeof(EtlScanState), T_CustomScanState);

	state->css.methods = &exec_methods;
	state->css.flags = scan->flags;
	return (Node *) state;
}

EtlRows *
EtlScanRows(PlanState *node)
{
	EtlScanState *state = (EtlScanState *) node;

	if (!IsA(node, CustomScanState) || state->css.methods != &exec_methods)
		return NULL;
	return state->rows;
}

void
EtlScanDetach(PlanState *node, const EtlScanKind **kind, EtlArgs **args, TupleDesc *desc)
{
	EtlScanState *state = (EtlScanState *) node;

	if (!IsA(node, CustomScanState) || state->css.methods != &exec_methods)
		elog(ERROR, "the plan of a source is no streaming scan");
	*kind = state->kind;
	*desc = CreateTupleDescCopy(state->desc);
	*args = evaluate_args(state);
	for (int i = 0; i < (*args)->n; i++)
	{
		EtlArg *arg = &(*args)->arg[i];
		int16 len;
		bool byval;

		arg->name = pstrdup(arg->name);
		get_typlenbyval(arg->type, &len, &byval);
		if (!arg->isnull)
			arg->value = datumCopy(arg->value, byval, len);
	}
}

const CustomScanMethods EtlScanMethods = {
	.CustomName = "EtlScan",
	.CreateCustomScanState = create_state,
};

void
EtlNodeInit(void)
{
	RegisterCustomScanMethods(&EtlScanMethods);
}
