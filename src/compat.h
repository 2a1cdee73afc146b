/*
 * compat.h
 *		The only file that asks which major of PostgreSQL it is compiled for.
 *
 * Each entry says what changed and when; callers read as if only the newest major existed.
 */
#ifndef ETL_COMPAT_H
#define ETL_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "etl needs PostgreSQL 15 or later"
#endif

/* 16 moved the macros of varlena values out of postgres.h. */
#if PG_VERSION_NUM >= 160000 && !defined(FRONTEND)
#include "varatt.h"
#endif

/*
 * 16 made the type of an abbreviation, which was the result, an argument, and added one for the details of
 * an error.  Field 0 is only a place in its cache.
 */
#if PG_VERSION_NUM >= 160000
#define EtlDecodeTimezoneAbbrev(token, type, offset, tz) \
	DecodeTimezoneAbbrev(0, token, type, offset, tz, &(DateTimeErrorExtra){0})
#else
#define EtlDecodeTimezoneAbbrev(token, type, offset, tz) \
	((void) (*(type) = DecodeTimezoneAbbrev(0, token, offset, tz)))
#endif

#endif /* ETL_COMPAT_H */
