/*
 * watermark.h
 *		How far the data goes: the highest value of a column that grows.
 */
#ifndef ETL_WATERMARK_H
#define ETL_WATERMARK_H

#include "fmgr.h"
#include "pipeline/run/run.h"

/* The highest of some values; a value by reference is in a memory context that each use states. */
typedef struct EtlHighest
{
	bool known;
	Datum value;
} EtlHighest;

typedef struct EtlWatermark
{
	const EtlRun *run;
	Form_pg_attribute attr; /* the query's column; NULL: there is no watermark */
	FmgrInfo compare;
	EtlHighest highest; /* of this scan and those before it, as committed; in run->context */
	EtlHighest max;		/* a higher value is a fault of its row */
} EtlWatermark;

extern void EtlWatermarkOpen(EtlWatermark *w, const EtlRun *run);
extern bool EtlWatermarkIsHigher(const EtlWatermark *w, Datum a, Datum b);
extern bool EtlWatermarkBeyondMax(const EtlWatermark *w, Datum value);
extern void
EtlWatermarkRaise(const EtlWatermark *w, EtlHighest *highest, Datum value, MemoryContext context);
/* Writes what rows have raised it to, if they did; it is published when the scan is complete. */
extern void EtlWatermarkSave(const EtlWatermark *w, const EtlHighest *raised);

#endif /* ETL_WATERMARK_H */
