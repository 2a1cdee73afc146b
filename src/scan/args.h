/*
 * args.h
 *		The arguments of an SQL call, by name.
 *
 * Names come from the function's declaration (pg_proc), so the same code serves both overloads of a
 * function, and a library that is newer than the installed SQL objects finds an option absent rather
 * than another one in its place.
 */
#ifndef ETL_ARGS_H
#define ETL_ARGS_H

#include "etl.h"
#include "fmgr.h"
#include "nodes/primnodes.h"

typedef struct EtlArg
{
	const char *name;
	Oid type;
	bool isnull;
	Datum value;
} EtlArg;

typedef struct EtlArgs
{
	int n;
	EtlArg arg[FLEXIBLE_ARRAY_MEMBER];
} EtlArgs;

/* Names and types of a call, with all values NULL; the caller fills those in. */
extern EtlArgs *EtlArgsFor(Oid funcid, List *exprs);
/* The arguments with which an SQL-callable function was called. */
extern EtlArgs *EtlArgsOfCall(FunctionCallInfo fcinfo);
/* The arguments of a call that are constants at plan time; the others are NULL. */
extern EtlArgs *EtlArgsOfExpr(const FuncExpr *call);

/* Whether the function declares such an argument. */
extern bool EtlArgIsDeclared(const EtlArgs *args, const char *name);
/* An absent argument reads like one that is NULL. */
extern const EtlArg *EtlArgFind(const EtlArgs *args, const char *name);
extern char *EtlArgText(const EtlArgs *args, const char *name); /* palloc'd; NULL if it is null */
/* The same of any type, as its output function has it. */
extern char *EtlArgAsText(const EtlArgs *args, const char *name);
extern bool EtlArgBool(const EtlArgs *args, const char *name, bool otherwise);
extern int64
EtlArgInt(const EtlArgs *args, const char *name, int64 otherwise); /* of int or bigint */

/* The number of the choice that a text is; anything else is an error that lists the choices (22023). */
extern int EtlChoice(const char *name, const char *value, const char *const *choices, int n);
/* The same of a text argument; if it is absent, the first. */
extern int EtlArgChoice(const EtlArgs *args, const char *name, const char *const *choices, int n);

/*
 * An error if something cannot be a name: it is longer than an identifier may be (42622), or has control characters,
 * which would reach logs and terminals (42602).  "what" is for the message, as in: name of a pipeline.
 */
extern void EtlCheckName(const char *what, const char *name);

#endif /* ETL_ARGS_H */
