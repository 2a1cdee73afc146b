/*
 * texts.h
 *		The statements of a definition: their texts, and what is known of them.
 */
#ifndef ETL_TEXTS_H
#define ETL_TEXTS_H

#include "access/tupdesc.h"
#include "nodes/bitmapset.h"
#include "pipeline/pipeline.h"

typedef struct EtlTexts
{
	char *
		transform; /* the query over the batch, with a boolean column for each condition; if partial, with ETL_LACKS_COLUMN */
	char *load;	   /* INSERT ... SELECT ... ON CONFLICT over what the query gave */
	char *insert;  /* the same for batches of new keys, without ON CONFLICT; or NULL */
	char *refresh; /* the same for batches most of whose rows are in the target already; or NULL */
	char *merge;   /* the same as MERGE, where that makes no other difference; or NULL */
} EtlTexts;

typedef struct EtlStatements
{
	const EtlPipeline *pipeline; /* the definition, or a further target of it */
	List *further;				 /* of EtlStatements *: those of its further targets */
	List *enrichments;			 /* of EtlEnrichmentCall * */
	TupleDesc batch;			 /* the source's columns, and */
	TupleDesc
		rows; /* how rows of the batch are kept: with ETL_LACKS_COLUMN behind them, if that matters */
	TupleDesc emitted; /* the query's, but for those that only delete_when needs */
	int nconditions; /* boolean columns behind these: the rules, and delete_when if there is one */
	int *passed;	 /* [natts of emitted] the batch's column that it is, unchanged; -1: none */
	Oid target;
	AttrNumber *attnums; /* [natts of emitted] the column of the target that each goes to, and */
	Bitmapset *given;	 /* all of these */
	List *references;	 /* of Oid: tables to which foreign keys of the target refer, and */
	List *
		references_now; /* those of them that must be there at once: the constraint is not deferrable */

	char *files;   /* the path or pattern of the source; NULL: none, or not known before a run */
	char *open;	   /* SELECT * FROM source */
	EtlTexts full; /* for rows whose records have all columns */
	EtlTexts
		partial; /* for rows some of whose records lack columns; without a transform, that is no matter */
	int *
		from; /* [natts of emitted] the column of batch that says, if a record lacks it, that this is not to be written; -1: none */
	Bitmapset *
		constrained; /* columns of the target that have constraints, as pull_varattnos() counts, and */
	bool lacks_constrained; /* whether any of "from" is one */
	char *
		remove; /* DELETE, or UPDATE that marks, of rows whose keys etl_emitted() has not; NULL: none is */
	char *unmark;	   /* UPDATE of those that are marked, and whose keys it has; or NULL */
	char *clear;	   /* of a replace without a key: the DELETE or TRUNCATE of all rows; or NULL */
	char *count;	   /* of the rows that these may delete */
	bool notes_places; /* "refresh" calls etl_differs(), and "remove" etl_kept() */
	double delete_limit; /* the part of these that may be deleted, 0 to 1 */
	TupleDesc key_desc;	 /* the keys for "remove": columns of emitted, in the order of the key */
	char *
		delete_within; /* of a further target: DELETE of rows of records of the batch that they have no more; or NULL */
	char *
		stale; /* the ordinals of records of the batch than which the first target has newer rows; or NULL */
	char *
		bury; /* DELETE of the rows with the keys of those in etl_emitted(); NULL: no delete_when */
	char *winners; /* the ordinals of the last row of each key; NULL: no upsert */

	int nkeys;
	int *keys; /* columns of emitted, from 0 */
	bool key_takes_null;
	bool key_has_defaults; /* its index has the equality that these columns have by default */
	bool key_is_plain; /* keys that are equal here are so in its index, and the other way round */
	int watermark;	   /* the same; -1: none */
	char *valid_from;  /* of a history: names of these columns, quoted; else NULL, and */
	char *valid_to;
	char *version_time;	 /* when the version of a row of etl_emitted(), e, begins */
	bool updates;		 /* load may update rows, and */
	bool tells_inserted; /* load returns a boolean for each row: whether it was inserted, or */
	bool tells_scope;	 /* whether delete_scope is true of it */
} EtlStatements;

#endif /* ETL_TEXTS_H */
