/*
 * json_body.h
 *		What all readers of JSON bodies share: limits, which are settings, faults as errors, and encodings.
 */
#ifndef ETL_JSON_BODY_H
#define ETL_JSON_BODY_H

#include "etl.h"
#include "format/json.h"

extern void EtlJsonBodyInit(void);

/* Sets the limits in options to what the settings say. */
extern void EtlJsonSetLimits(EtlJsonOptions *options);

/* Parses the value of an argument that is a path; NULL stays NULL. */
extern EtlJsonPath *EtlJsonPathOfArg(const char *name, const char *text);

/* Raises what a reader found wrong as the error that it is; kind is what the body is ("file", "page"). */
pg_noreturn extern void EtlJsonRaiseFault(const EtlJsonFault *fault, const char *kind);

/*
 * Bodies are UTF-8, and so are the paths into them, dialects and what is said about both; the server may not be.
 * To show a text, what the server has no character for becomes "?".
 */
extern const char *EtlUtf8OfServer(const char *text);
extern const char *EtlShowUtf8(const char *text);
extern const char *EtlShowUtf8Len(const char *text, size_t len);

/* What an item is: "a number", "an array", ... */
extern const char *EtlJsonTypeName(EtlJsonType type);

#endif /* ETL_JSON_BODY_H */
