/*
 * chunk.h
 *		Rows that the query gave and that go to the target together, in the order of their keys.
 */
#ifndef ETL_CHUNK_H
#define ETL_CHUNK_H

#include "access/htup_details.h"
#include "pipeline/define/statements.h"
#include "utils/sortsupport.h"

typedef struct EtlChunk
{
	const EtlStatements *statements;
	MemoryContext context; /* of the rows */
	SortSupport by;		   /* [nkeys of statements]; NULL: rows stay as they come */
	int n;
	int max;
	MinimalTuple *tuples; /* [max] */
	int *records;		  /* the record of each; -1: it is not known */
	bool *superseded;	  /* rows that are not to be loaded */
	bool *tombstones;	  /* rows that delete those with their keys, */
	bool buries;		  /* there may be some */
	bool *left_out;		  /* for the statement in hand: rows that are not for it */
	bytea **lacks;		  /* the columns that the record of each lacks; NULL: none that matters */
	bool partial;		  /* some lacks are not NULL */
	int loaded; /* rows of the last one, which are still there while the attempt is not over */

	/* the keys, once the chunk is in their order: [nkeys] of each row, by the place that it had before */
	Datum *values;
	bool *isnull;
	int *order;
	SortSupport
		by_version; /* of a history with a watermark: the order of rows of one key; else NULL, and */
	Datum *versions; /* [n] by the place before */
} EtlChunk;

extern void EtlChunkOpen(EtlChunk *chunk, const EtlStatements *statements, MemoryContext context);
extern void EtlChunkReset(EtlChunk *chunk);
/* Takes a tuple and, if not NULL, lacks, which are in the chunk's context. */
extern void
EtlChunkAdd(EtlChunk *chunk, int record, MinimalTuple tuple, bytea *lacks, bool tombstone);
/* Moves a row to an earlier place. */
extern void EtlChunkMove(EtlChunk *chunk, int from, int to);
/* Puts the chunk into the order of its keys; whether one comes twice. */
extern bool EtlChunkSort(EtlChunk *chunk);
/*
 * Of a sorted chunk, the end of the rows behind "begin" among which no key comes twice.  Where keys cannot be compared, that
 * is one row.
 */
extern int EtlChunkDistinct(const EtlChunk *chunk, int begin);
/* The first row of a key in a sorted chunk; *end is behind the last one. */
extern int EtlChunkFind(const EtlChunk *chunk, const Datum *values, const bool *isnull, int *end);

/* A column of a row. */
static inline Datum
EtlChunkColumn(const EtlChunk *chunk, int row, int column, bool *isnull)
{
	MinimalTuple minimal = chunk->tuples[row];
	HeapTupleData tuple;

	tuple.t_len = minimal->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) minimal - MINIMAL_TUPLE_OFFSET);
	return heap_getattr(&tuple, column + 1, chunk->statements->emitted, isnull);
}

/* A column of a key of a row. */
static inline Datum
EtlChunkKey(const EtlChunk *chunk, int row, int k, bool *isnull)
{
	return EtlChunkColumn(chunk, row, chunk->statements->keys[k], isnull);
}

#endif /* ETL_CHUNK_H */
