/*
 * intake.h
 *		Requests that bring records, as the supervisor sees them.
 */
#ifndef ETL_INTAKE_H
#define ETL_INTAKE_H

#include "gateway/frames.h"
#include "lib/stringinfo.h"
#include "pipeline/catalog/catalog.h"

/* settings */
extern int EtlIngestMaxBody; /* kB */

/* A program has been started, which is answered by these frames; what another one has not brought yet is forgotten. */
extern void EtlIntakeBegin(EtlFrames *frames);
/* It says something about such a request. */
extern void EtlIntakeTake(const EtlFrame *frame, const char *data);
/* Passes on what runs have answered. */
extern void EtlIntakeTurn(void);

/* Whether more than 80 % of a pipeline's buffer wait to be loaded. */
extern bool EtlIntakeIsFull(void);
/* Appends how full the buffers are, as etl_metrics() would. */
extern void EtlIntakeMetrics(StringInfo text);
/* How long it takes does not depend on what is the same. */
extern bool EtlIsSameHash(const uint8 *a, const uint8 *b);

#endif /* ETL_INTAKE_H */
