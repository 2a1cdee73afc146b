/*
 * args.c
 *		The arguments of an SQL call, by name.
 */
#include "etl.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "scan/args.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static void
set_names(EtlArgs *args, Oid funcid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Datum names, modes;
	bool no_names, no_modes;
	char **name = NULL;
	int n = 0;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	names = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargnames, &no_names);
	modes = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargmodes, &no_modes);
	if (!no_names)
		n = get_func_input_arg_names(names, no_modes ? PointerGetDatum(NULL) : modes, &name);
	for (int i = 0; i < args->n; i++)
		args->arg[i].name = (i < n && name[i] != NULL) ? name[i] : "";
	ReleaseSysCache(tuple);
}

EtlArgs *
EtlArgsFor(Oid funcid, List *exprs)
{
	int n = list_length(exprs);
	EtlArgs *args = palloc0(offsetof(EtlArgs, arg) + n * sizeof(EtlArg));

	args->n = n;
	set_names(args, funcid);
	for (int i = 0; i < n; i++)
	{
		args->arg[i].type = exprType(list_nth(exprs, i));
		args->arg[i].isnull = true;
	}
	return args;
}

EtlArgs *
EtlArgsOfCall(FunctionCallInfo fcinfo)
{
	int n = fcinfo->nargs;
	EtlArgs *args = palloc0(offsetof(EtlArgs, arg) + n * sizeof(EtlArg));

	args->n = n;
	set_names(args, fcinfo->flinfo->fn_oid);
	for (int i = 0; i < n; i++)
	{
		args->arg[i].type = get_fn_expr_argtype(fcinfo->flinfo, i);
		args->arg[i].isnull = fcinfo->args[i].isnull;
		args->arg[i].value = fcinfo->args[i].value;
	}
	return args;
}

EtlArgs *
EtlArgsOfExpr(const FuncExpr *call)
{
	EtlArgs *args = EtlArgsFor(call->funcid, call->args);

	for (int i = 0; i < args->n; i++)
	{
		Node *expr = list_nth(call->args, i);

		if (!IsA(expr, Const))
			continue;
		args->arg[i].isnull = castNode(Const, expr)->constisnull;
		args->arg[i].value = castNode(Const, expr)->constvalue;
	}
	return args;
}

bool
EtlArgIsDeclared(const EtlArgs *args, const char *name)
{
	for (int i = 0; i < args->n; i++)
		if (strcmp(args->arg[i].name, name) == 0)
			return true;
	return false;
}

const EtlArg *
EtlArgFind(const EtlArgs *args, const char *name)
{
	for (int i = 0; i < args->n; i++)
		if (strcmp(args->arg[i].name, name) == 0)
			return args->arg[i].isnull ? NULL : &args->arg[i];
	return NULL;
}

char *
EtlArgText(const EtlArgs *args, const char *name)
{
	const EtlArg *arg = EtlArgFind(args, name);

	return arg != NULL ? TextDatumGetCString(arg->value) : NULL;
}

char *
EtlArgAsText(const EtlArgs *args, const char *name)
{
	const EtlArg *arg = EtlArgFind(args, name);
	Oid output;
	bool varlena;

	if (arg == NULL)
		return NULL;
	getTypeOutputInfo(arg->type, &output, &varlena);
	return OidOutputFunctionCall(output, arg->value);
}

bool
EtlArgBool(const EtlArgs *args, const char *name, bool otherwise)
{
	const EtlArg *arg = EtlArgFind(args, name);

	return arg != NULL ? DatumGetBool(arg->value) : otherwise;
}

int64
EtlArgInt(const EtlArgs *args, const char *name, int64 otherwise)
{
	const EtlArg *arg = EtlArgFind(args, name);

	if (arg == NULL)
		return otherwise;
	return arg->type == INT8OID ? DatumGetInt64(arg->value) : DatumGetInt32(arg->value);
}

/* Whether a character is a control character: one of ASCII, or in UTF-8 one of U+0080 to U+009F. */
static bool
is_control(const char *c)
{
	if ((unsigned char) *c < ' ' || *c == 0x7f)
		return true;
	return GetDatabaseEncoding() == PG_UTF8 && (unsigned char) c[0] == 0xc2 &&
		   (unsigned char) c[1] < 0xa0;
}

void
EtlCheckName(const char *what, const char *name)
{
	size_t len = strlen(name);

	if (len >= NAMEDATALEN)
		ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG), errmsg("the %s is too long", what),
						errdetail("It begins \"%s\", and has %zu bytes. It can have at most %d.",
								  pnstrdup(name, pg_mbcliplen(name, (int) len, 32)), len,
								  NAMEDATALEN - 1)));
	for (const char *c = name; *c != '\0'; c += pg_mblen(c))
		if (is_control(c))
			ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
							errmsg("the %s must not have control characters", what),
							errdetail("There is one behind %d bytes.", (int) (c - name))));
}

int
EtlChoice(const char *name, const char *value, const char *const *choices, int n)
{
	StringInfoData list;

	for (int i = 0; i < n; i++)
		if (strcmp(value, choices[i]) == 0)
			return i;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s\"%s\"", i == 0 ? "" : i == n - 1 ? " and " : ", ", choices[i]);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid value for argument \"%s\": \"%s\"", name, value),
					errhint("Valid values are %s.", list.data)));
}

int
EtlArgChoice(const EtlArgs *args, const char *name, const char *const *choices, int n)
{
	char *value = EtlArgText(args, name);

	return value != NULL ? EtlChoice(name, value, choices, n) : 0;
}
