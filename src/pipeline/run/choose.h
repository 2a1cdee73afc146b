/*
 * choose.h
 *		The statement that takes a chunk to the target.
 */
#ifndef ETL_CHOOSE_H
#define ETL_CHOOSE_H

#include "pipeline/run/plan.h"
#include "pipeline/run/run.h"

/* In the order in which they are considered; the last one always works. */
typedef enum EtlTaking
{
	ETL_TAKE_INSERT,
	ETL_TAKE_REFRESH,
	ETL_TAKE_MERGE,
	ETL_TAKE_LOAD,
	ETL_TAKINGS
} EtlTaking;

typedef struct EtlChooser
{
	const EtlRun *run;
	EtlPlans full[ETL_TAKINGS];	   /* a text that is NULL: the definition has no such statement */
	EtlPlans partial[ETL_TAKINGS]; /* the same for chunks some of whose records lack columns */
	bool gave_up[ETL_TAKINGS];	   /* in this run */
	bool only_new;				   /* a key that is there already is an error */
	EtlTaking taken;			   /* for the last chunk */
	bool all_new;				   /* all keys of the last batch were new, or */
	bool mostly_unchanged;		   /* it hardly changed anything */
	bool target_is_small;		   /* when it last was asked, in this batch */
} EtlChooser;

extern void EtlChooserOpen(EtlChooser *chooser, const EtlRun *run);
/* The plan of the statement that suits the chunk best, and which one that is. */
extern SPIPlanPtr EtlChoose(EtlChooser *chooser, EtlSlice *slice, int nrows, bool partial);
/* After an error of the statement that was taken: whether another one is to be tried instead. */
extern bool EtlChooseOther(EtlChooser *chooser, int sqlstate);
/* What became of rows that went to the target, of a chunk of a whole source. */
extern void EtlChooserLearnUnchanged(EtlChooser *chooser, int64 emitted, int64 loaded);
/* A batch was committed: what it did to the target. */
extern void
EtlChooserLearn(EtlChooser *chooser, int64 emitted, int64 loaded, int64 inserted, bool skips);

#endif /* ETL_CHOOSE_H */
