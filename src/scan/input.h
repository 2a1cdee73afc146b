/*
 * input.h
 *		Type input functions whose errors are values.
 */
#ifndef ETL_INPUT_H
#define ETL_INPUT_H

#include "scan/rows.h"

/* Whether an input function can be left by an error without a subtransaction. */
extern bool EtlInputIsPure(Oid function);

/* Whether an error lies in the row, so that another row may fare better. */
extern bool EtlIsRowFault(int sqlstate);

/*
 * Calls the input function of a column.  An error that lies in the value is stored in *fault, in the
 * current memory context, and false returned; any other is raised.
 */
extern bool EtlInputTry(EtlColumn *column, char *text, Datum *value, EtlFault *fault);

#endif /* ETL_INPUT_H */
