/*
 * api_call.h
 *		The arguments of etl_api: what is asked for, and in which dialect.
 */
#ifndef ETL_API_CALL_H
#define ETL_API_CALL_H

#include "api/dialect.h"
#include "api/request.h"
#include "etl.h"
#include "scan/args.h"
#include "utils/jsonb.h"

typedef struct EtlApiCall
{
	EtlApiBase base;
	EtlDialect dialect;
	const char *preset; /* name of the row of etl_dialects that it begins with; NULL: none */
	bool given[ETL_DIALECT_OPTIONS]; /* options that the call itself says something of */
} EtlApiCall;

/*
 * Reads and checks the arguments for the current user.  What the arguments say, and the members of the
 * argument "options", goes before what the preset says, which "pagination" names, or else the server's option "dialect".
 */
extern EtlApiCall *EtlApiCallRead(const EtlArgs *args);

/*
 * The call of one request among many: a copy of what is common to them, and what the request, an object, says: path and body
 * take the place of the common ones, params and headers come beside them.  The members are checked as the arguments are.
 */
extern EtlApiCall *EtlApiCallOfRequest(const EtlApiCall *common, Jsonb *request);

/* The same for items that were read before: only what says how to understand them is looked at. */
extern EtlApiCall *EtlApiCallReadDialect(const EtlArgs *args);

/* Sets the options that a row of etl_dialects has; an error if they are wrong. */
extern void EtlApiCallSetOptions(EtlDialect *dialect, Jsonb *options);

/* The options of a row of etl_dialects; NULL if there is no such row. */
extern Jsonb *EtlDialectLookUp(const char *name);

#endif /* ETL_API_CALL_H */
