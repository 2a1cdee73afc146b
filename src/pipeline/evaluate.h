/*
 * evaluate.h
 *		The call of a source, evaluated and not executed.
 */
#ifndef ETL_EVALUATE_H
#define ETL_EVALUATE_H

#include "scan/rows.h"

/*
 * Plans and starts the statement that reads a source, which checks rights and evaluates arguments.  Those go, with the
 * columns, into a memory context.
 */
extern void EtlEvaluateSource(const char *statement, MemoryContext context,
							  const EtlScanKind **kind, EtlArgs **args, TupleDesc *desc);

#endif /* ETL_EVALUATE_H */
