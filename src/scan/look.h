/*
 * look.h
 *		A look at a source before anybody has named a column: which format it has, its first records, its columns.
 *
 * A format that can be looked at has an EtlLookKind, and look.c a list of them.  etl_peek, etl_csv_columns,
 * etl_json_columns and etl_import know no format besides.
 */
#ifndef ETL_LOOK_H
#define ETL_LOOK_H

#include "etl.h"
#include "scan/proposal.h"
#include "scan/rows.h"
#include "scan/stream.h"

typedef struct EtlLookKind EtlLookKind;

/* The struct of a kind begins with it. */
typedef struct EtlLook
{
	const EtlLookKind *kind;
	EtlStream *stream;
} EtlLook;

struct EtlLookKind
{
	const char *function; /* of SQL, which reads such a source */

	/* Whether a source that begins so, behind white space, has the format; NULL: it has if it has no other. */
	bool (*recognises)(const char *start, size_t len);

	/* For etl_peek, in the memory context of the look: opens it, and goes to the next record, which is shown by its number. */
	EtlLook *(*open)(const EtlArgs *args, struct EtlSourceSet *sources);
	bool (*next)(EtlLook *look, int64 *number, Datum *record);

	/*
	 * Fills in a proposal, which is in a memory context of its own; sources and what reads them are in the current one.
	 */
	void (*propose)(EtlProposal *proposal, const EtlArgs *args, struct EtlSourceSet *sources,
					int64 sample);

	/*
	 * Tells what makes a proposal doubtful by NOTICEs; with "refuse", raises an error (22P04) if the source is not what it is
	 * taken for.  NULL: there never are doubts.
	 */
	void (*tell_doubts)(const EtlProposal *proposal, bool refuse);

	/* For etl_import, which calls the function: */
	/* whether it has this argument of etl_import, */
	bool (*takes)(const char *argument);
	/* the others that it is to have, */
	const char *(*adds)(const EtlArgs *args, const EtlProposal *proposal);
	/* whether the columns are those of a table that exists by their position; NULL: they always go by name, */
	bool (*by_position)(const EtlArgs *args);
	/* what to do, in a hint, where names do not tell the columns apart, */
	const char *otherwise;
	/* and how values are held to types that are guesses (EtlLoad). */
	EtlFastConverter (*converter)(Oid type);
	bool (*has_form)(Oid type, const char *s, size_t len);
};

extern const EtlLookKind EtlCsvLook;  /* csv_look.c */
extern const EtlLookKind EtlJsonLook; /* json_look.c */

/* The argument sample_rows: -1 if it is null, for all; 22023 if it is negative. */
extern int64 EtlSampleRows(const EtlArgs *args);

/*
 * The columns that up to "sample" records (-1: all) of the source have which the arguments name; without types only their
 * names are wanted.  *kind is its format; NULL: finds that out.  Raises what reading the source raises.
 */
extern EtlProposal *
EtlPropose(const EtlArgs *args, const EtlLookKind **kind, int64 sample, bool types);

#endif /* ETL_LOOK_H */
