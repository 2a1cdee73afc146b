/*
 * convert_texts.h
 *		Texts for the converters: random ones of a chosen kind, for each type.
 */
#ifndef CONVERT_TEXTS_H
#define CONVERT_TEXTS_H

#include "postgres.h"

#include "common/pg_prng.h"
#include "lib/stringinfo.h"

typedef enum TextKind
{
	TEXT_CANONICAL, /* the fast converter must take it */
	TEXT_BOUNDARY,	/* the right shape, values and lengths around and beyond every limit */
	TEXT_MUTATED,	/* one of the above after a few random edits */
} TextKind;

/* Replaces the content of buf by a text of the type, valid in the database's encoding. */
extern void MakeText(StringInfo buf, Oid typid, int32 typmod, TextKind kind, pg_prng_state *rng);

#endif /* CONVERT_TEXTS_H */
