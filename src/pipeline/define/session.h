/*
 * session.h
 *		The settings with which the texts of a definition are read, and a run works.
 */
#ifndef ETL_SESSION_H
#define ETL_SESSION_H

#include "pipeline/pipeline.h"

/* Keeps the session's settings with a definition whose texts are given in it. */
extern void EtlTakeSession(EtlPipeline *pipeline);

/* The settings of a definition, or those of canonical forms, until the nest level of the caller ends. */
extern void EtlPinForNow(const EtlPipeline *pipeline);
extern void EtlPinCanonicalForNow(void);

/* In a worker: what each run depends on, and the settings of its definition, as the defaults of the session. */
extern void EtlPinForRun(void);
extern void EtlPinDefinition(const EtlPipeline *pipeline);

/* Behind a transaction: takes back what the owner's code has SET in it. */
extern void EtlResetSettings(void);

/* In a transaction: the same for SET ROLE and SET SESSION AUTHORIZATION. */
extern void EtlBecomeOwner(void);

#endif /* ETL_SESSION_H */
