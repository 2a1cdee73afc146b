/*
 * http_internal.h
 *		A request and its response: for http.c and http_read.c.
 */
#ifndef ETL_HTTP_INTERNAL_H
#define ETL_HTTP_INTERNAL_H

#include "source/http/http.h"
#include "source/http/ring.h"
#include "utils/palloc.h"

#define ETL_HTTP_ERROR_SIZE 256 /* of libcurl's messages */

struct curl_slist;

struct EtlHttp
{
	void *easy;					   /* libcurl's handle, owned */
	struct curl_slist *headers;	   /* owned, borrowed by easy */
	const EtlHttpRequest *request; /* NULL: none under way */
	bool added;					   /* to libcurl's multi handle */

	char *head; /* [MAX_HEAD + 1] lines of the response's head, each ended by \r\n or \n */
	size_t head_len;
	bool head_done;
	int status;

	EtlRing ring; /* body bytes that nobody has read yet */
	bool paused;

	uint64 received; /* bytes of head and body */
	int64 waited;	 /* ms: for the connection, then of silence that no byte has made good yet */
	bool sent;		 /* connected, and the request on its way */
	uint64 received_before; /* the wait in hand */
	bool sent_before;
	const char *purpose;	 /* of the address connected to, NULL: public */
	const char *refused;	 /* the purpose of an address that was not connected to */
	const char *local_fault; /* what a callback found wrong */

	bool finished;
	EtlHttpFault fault;
	char error[ETL_HTTP_ERROR_SIZE];
	MemoryContextCallback release;
};

/* Ends a request that waits for its response for too long. */
extern void EtlHttpTimeOut(EtlHttp *http);

/* Lets libcurl go on with a body that it was told to keep. */
extern void EtlHttpResume(EtlHttp *http);

#endif /* ETL_HTTP_INTERNAL_H */
