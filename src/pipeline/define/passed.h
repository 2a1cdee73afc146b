/*
 * passed.h
 *		The columns of the batch that a query passes on unchanged.
 */
#ifndef ETL_PASSED_H
#define ETL_PASSED_H

#include "nodes/parsenodes.h"

/*
 * The column of the batch, from 0, that a column of an analyzed query is, whatever joins and filters are around it; -1: it
 * is none, or is computed.
 */
extern int EtlPassedColumn(const Query *query, AttrNumber column);

#endif /* ETL_PASSED_H */
