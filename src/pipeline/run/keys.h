/*
 * keys.h
 *		Keys of rows that are loaded, and of dead letters: a later row of the same key resolves an open one.
 */
#ifndef ETL_KEYS_H
#define ETL_KEYS_H

#include "lib/bloomfilter.h"
#include "nodes/execnodes.h"
#include "pipeline/catalog/catalog.h"
#include "pipeline/run/chunk.h"
#include "pipeline/run/read.h"
#include "pipeline/run/watermark.h"

/* The key of a row, as its values are in the target, and its place in the order of the rows of that key. */
typedef struct EtlKey
{
	int64 hash;
	Datum *values;
	bool has_order; /* it has a watermark: */
	Datum order;
} EtlKey;

/* The key of a row that was taken to the target. */
typedef struct EtlLoadedKey
{
	EtlKey key;
	int first;	  /* the record of the batch that it is of, or, where that is not known, */
	int last;	  /* one from the first to this one */
	bool partial; /* it lacks columns, which a letter may have */
} EtlLoadedKey;

/* A dead letter that the transaction under way has written. */
typedef struct EtlWrittenLetter
{
	int64 id;
	int record;
} EtlWrittenLetter;

typedef struct EtlKeyColumn
{
	int column;		 /* of what the query gives */
	int passed;		 /* of the batch, if the query passes it on unchanged; else -1 */
	ExprState *cast; /* to the target's type; NULL: it is that */
	Oid type;		 /* that one, and its */
	Oid collation;
	int16 len;
	bool by_value;
	FmgrInfo hash;
	FmgrInfo equal;
} EtlKeyColumn;

typedef struct EtlKeys
{
	const EtlRun *run;
	const EtlBatch *batch;
	const EtlWatermark *watermark;
	int n;				   /* of columns; 0: keys are not known, so no letter has one */
	EtlKeyColumn *columns; /* in the order of the pipeline's key */
	char *type;			   /* their names and types, and those of the watermark */
	bool all_passed;	   /* the query passes on all of these from the batch */
	int watermark_passed;  /* the watermark's column in the batch; -1: there is none */
	bool can_fail;		   /* a cast may be an error */
	ExprContext *econtext;
	TupleTableSlot *slot;
	bool looked;		/* for open letters, before the first row was loaded */
	bloom_filter *open; /* hashes of the keys of open letters; NULL: there are none */

	/* of the transaction under way, in batch->loading */
	List *loaded;  /* of EtlLoadedKey *: rows whose keys open letters may have, */
	int certain;   /* as many of them in attempts that have succeeded */
	List *written; /* of EtlWrittenLetter *, in the order of both members */
} EtlKeys;

/* In a transaction, once the statements are made and the watermark is opened. */
extern void EtlKeysOpen(EtlKeys *keys, const EtlReading *reading, const EtlWatermark *watermark);
/* Called for each transaction, and before and behind each attempt in it. */
extern void EtlKeysBeginTransaction(EtlKeys *keys);
extern void EtlKeysBegin(EtlKeys *keys);
extern void EtlKeysSucceeded(EtlKeys *keys);

/* Looks for open letters, which have to be known of before a row is loaded or a letter is tried again. */
extern void EtlKeysLook(EtlKeys *keys);

/*
 * The key of a row, palloc'd, by what the query has given for it, or by the columns of the batch that the query passes on;
 * NULL: it is not known.
 */
extern EtlKey *EtlKeyOfEmitted(EtlKeys *keys, const Datum *values, const bool *isnull);
extern EtlKey *EtlKeyOfPassed(EtlKeys *keys, const Datum *values, const bool *isnull);
/* The same of a row of a chunk. */
extern EtlKey *EtlKeyOfRow(EtlKeys *keys, const EtlChunk *chunk, int row);
/* The same of a record that could not be converted as a whole. */
extern EtlKey *EtlKeyOfRecord(EtlKeys *keys, EtlRows *rows, const EtlKept *kept);

/* Whether a key is one that was stored; and whether its row is older than one with a watermark that was stored. */
extern bool EtlKeyIsStored(EtlKeys *keys, const EtlKey *key, List *stored, const char *type);
extern bool EtlKeyIsOlder(const EtlKeys *keys, const EtlKey *key, const char *order);

/* A letter of such a key is going to be written. */
extern void EtlKeysExpect(EtlKeys *keys, const EtlKey *key);
extern void EtlKeysDescribe(const EtlKeys *keys, const EtlKey *key, EtlDeadLetter *letter);
/* It was written, for a record of the batch behind those of the letters before. */
extern void EtlKeysWrote(EtlKeys *keys, int64 letter, int record);

/* The rows of the chunk, which are of records from the first to the last one, were taken to the target. */
extern void EtlKeysLoaded(EtlKeys *keys, const EtlChunk *chunk, int first, int last);
/*
 * Resolves the open letters that were superseded by rows of this transaction; returns how many of them are of rows of this
 * run that waited for what they refer to.
 */
extern int64 EtlKeysSettle(EtlKeys *keys);

#endif /* ETL_KEYS_H */
