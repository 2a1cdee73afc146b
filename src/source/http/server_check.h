/*
 * server_check.h
 *		Whether the options of a foreign server and of a user mapping go together.
 */
#ifndef ETL_SERVER_CHECK_H
#define ETL_SERVER_CHECK_H

#include "etl.h"
#include "foreign/foreign.h"

#include "source/http/target.h"

/*
 * Completes a target whose options have been read; an error if an option is missing or excludes another (HV0..), or if the
 * secrets of the mapping are not for this server (42501).
 */
extern void EtlServerCheck(const ForeignServer *server, EtlTarget *target);

#endif /* ETL_SERVER_CHECK_H */
