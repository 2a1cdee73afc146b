/*
 * json_kept.h
 *		JSON items for pipelines: kept across transactions, and read again when they were dead letters.
 */
#ifndef ETL_JSON_KEPT_H
#define ETL_JSON_KEPT_H

#include "scan/json_columns.h"

/*
 * Reads the one item that a text is, with all its members; valid until the next call.  False if it is none (any more, the
 * limits being settings), or more than that.
 */
extern bool EtlJsonReadItem(EtlJsonRows *json, const char *text, size_t len, EtlJsonItem *item);

extern void EtlJsonKeep(EtlRows *rows, EtlKept *kept);
extern void EtlJsonUse(EtlRows *rows, const EtlKept *kept);
extern void EtlJsonLookFor(EtlRows *rows, const EtlKept *kept);
extern void EtlJsonRevive(EtlRows *rows, EtlKept *kept);
extern char *EtlJsonRedact(EtlRows *rows, const EtlKept *kept, const Bitmapset *columns);
extern char *EtlJsonKeptText(EtlRows *rows, const EtlKept *kept);

#endif /* ETL_JSON_KEPT_H */
