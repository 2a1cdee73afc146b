/*
 * json_body.h
 *		What all readers of JSON bodies share: limits, which are settings, and faults as errors.
 */
#ifndef ETL_JSON_BODY_H
#define ETL_JSON_BODY_H

#include "etl.h"
#include "format/json.h"
#include "source/content.h"

extern void EtlJsonBodyInit(void);

/* Sets the limits in options to what the settings say. */
extern void EtlJsonSetLimits(EtlJsonOptions *options);

/* Parses the value of an argument that is a path; NULL stays NULL. */
extern EtlJsonPath *EtlJsonPathOfArg(const char *name, const char *text);

/*
 * Raises what a reader of JSON (EtlJsonFormat) found wrong as the error that it is; kind is what the body is ("file",
 * "page"), and beginning how it begins.
 */
pg_noreturn extern void
EtlJsonRaiseFault(const EtlReader *reader, const char *kind, const EtlBeginning *beginning);

/* What is wrong with an item that has a fault, as text.  The message is palloc'd. */
typedef struct EtlJsonError
{
	int sqlstate;
	const char *message;
	const char *detail; /* or NULL */
	const char *hint;	/* or NULL */
} EtlJsonError;

extern EtlJsonError EtlJsonErrorOfItem(const EtlJsonItem *item);

/* What an item is: "a number", "an array", ... */
extern const char *EtlJsonTypeName(EtlJsonType type);

#endif /* ETL_JSON_BODY_H */
