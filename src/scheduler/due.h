/*
 * due.h
 *		One look of a scheduler at its database: which pipelines are due, and workers for them.
 */
#ifndef ETL_DUE_H
#define ETL_DUE_H

#include "scheduler/shared.h"

/* Orders workers for what is due, in transactions of its own, and says when to look again. */
extern void EtlRunDue(const char *database, EtlReport *report);

#endif /* ETL_DUE_H */
