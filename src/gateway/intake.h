/*
 * intake.h
 *		Requests that bring records, as the supervisor sees them.
 */
#ifndef ETL_INTAKE_H
#define ETL_INTAKE_H

#include "gateway/frames.h"

/* settings */
extern int EtlIngestMaxBody; /* kB */

/* A program has been started, which is answered by these frames; what another one has not brought yet is forgotten. */
extern void EtlIntakeBegin(EtlFrames *frames);
/* It says something about such a request. */
extern void EtlIntakeTake(const EtlFrame *frame, const char *data);
/* Passes on what runs have answered. */
extern void EtlIntakeTurn(void);

#endif /* ETL_INTAKE_H */
