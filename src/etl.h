/*
 * etl.h
 *		What every layer of the extension may rely on.
 *
 * The layers of src/ stand on each other in this order: monitor, source, format, api, scan, pipeline,
 * scheduler, gateway.  A layer includes headers of the layers before it and of this folder, never of a later one
 * ("make check-style" holds that).
 *
 * The files of format/ are also compiled without a server, into the parser's own test program and the
 * fuzzers (FRONTEND), so this header gives both the same basic types, palloc and pg_wchar.
 */
#ifndef ETL_H
#define ETL_H

#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "compat.h"

#endif /* ETL_H */
