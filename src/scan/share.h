/*
 * share.h
 *		A scan whose rows are read by several processes of one plan, each a share of them.
 *
 * What there is to be read is divided into pieces: the parts of a source, or stretches of its only one.  They have numbers, and
 * whoever takes the next one reads it.  All that the processes know of one another is in the EtlShare, in shared memory.
 *
 * Where a piece can be read only if it is known how those before it end, its taker looks at it, waits for its turn, and passes
 * the turn on.  A process that has taken a piece does nothing else until then, so nobody waits for somebody who is not coming.
 */
#ifndef ETL_SHARE_H
#define ETL_SHARE_H

#include "etl.h"
#include "scan/rows.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"

#define ETL_SHARE_WHERE 256 /* bytes of a place, for messages */

struct EtlShare
{
	slock_t mutex;
	ConditionVariable turned;

	/* what is read, as the first one has found it */
	bool begun;
	uint64 identity; /* a hash: it is the same for all that read it */
	int64 npieces;
	int64 size; /* bytes, where pieces are stretches */

	int64 next; /* piece to be taken */

	/* where the piece begins whose turn it is */
	int64 turn;
	bool inside; /* quotes */
	uint64 line;

	/* what those that have ended give to whoever asks at the end */
	int64 nread;	 /* pieces */
	bool has_header; /* any of them */
	EtlCounters counters;
	uint64 nstray;	 /* records with stray quotes */
	uint64 stray_at; /* the first of these, as a number that grows through all pieces, */
	char first_stray[ETL_SHARE_WHERE]; /* and for people */
};

extern void EtlShareInit(EtlShare *share);

/*
 * Begins to read, as this process has found it: so many pieces, and bytes.  False: others read something else, since a file has
 * changed in between, and this process is to read nothing.
 */
extern bool EtlShareJoin(EtlShare *share, uint64 identity, int64 npieces, int64 size);

/* Takes the next piece; false: all are taken. */
extern bool EtlShareTake(EtlShare *share, int64 *piece);

/* Waits until it is the turn of a piece that was taken, and says where it begins; then passes the turn on, with its end. */
extern void EtlShareAwaitTurn(EtlShare *share, int64 piece, bool *inside, uint64 *line);
extern void EtlSharePassTurn(EtlShare *share, bool inside, uint64 line);

/*
 * This process has read so many pieces, and there are no more.  True: so have all others; *has_header then says whether anybody's
 * piece had one.
 */
extern bool EtlShareEnd(EtlShare *share, int64 nread, bool *has_header);

/* What this process has counted. */
extern void EtlShareGive(EtlShare *share, const EtlCounters *counters);
extern void EtlShareGiveStray(EtlShare *share, uint64 nstray, uint64 at, const char *where);

#endif /* ETL_SHARE_H */
