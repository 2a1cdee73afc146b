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

#endif /* ETL_COMPAT_H */
