/*
 * gateway.h
 *		The door of the server: HTTP for those who do not speak SQL.
 *
 * A process that is attached to shared memory takes the whole server down when it crashes.  So what reads what anybody sends is not
 * one, but a program of its own:
 *
 *		supervisor.c	the worker that starts the program, starts it again, and answers it
 *		frames.c		what the two say to each other
 *		intake.c		requests that bring records: who may, is there room, and what has become of them
 *		slots.c			runs that take them, and the queues to these
 *		ingest.c		... as the source of a run
 *		page.c			what the gateway shows of a database
 *		program/		the program etl_gateway: no shared memory, no database, no header of a server
 *			main.c		its loop
 *			http.c		what it is asked by HTTP (libmicrohttpd)
 *			upload.c	requests that bring records
 *			unpack.c	... compressed
 *			metrics.c	requests that ask for metrics, and those of the program
 *
 * The socket on which requests come is the supervisor's, so a client that comes while the program is started again only waits.
 */
#ifndef ETL_GATEWAY_H
#define ETL_GATEWAY_H

#include "etl.h"

extern void EtlGatewayInit(void);
extern void EtlIngestInit(void);
extern void EtlIngestSourceInit(void);

/* Whether the server has one. */
extern bool EtlGatewayIsOn(void);

extern PGDLLEXPORT void EtlGatewayMain(Datum arg);

#endif /* ETL_GATEWAY_H */
