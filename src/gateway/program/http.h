/*
 * http.h
 *		What etl_gateway is asked by HTTP.
 */
#ifndef ETL_GATEWAY_HTTP_H
#define ETL_GATEWAY_HTTP_H

#include "gateway/frames.h"

/*
 * Begins to serve what comes at a listening socket.  "address" is what the socket is bound to, and "hosts" a list of names with commas
 * by which it may be asked as well.  Returns the descriptor that is readable when Turn has something to do; -1: it could not.
 */
extern int HttpOpen(int listener, const char *address, const char *hosts, EtlFrames *frames);
/* Does what can be done without waiting; returns for how many ms there is nothing to do by itself. */
extern int HttpTurn(void);
/* The supervisor has answered. */
extern void HttpAnswer(const EtlFrame *frame, const char *text);
extern void HttpClose(void);

#endif /* ETL_GATEWAY_HTTP_H */
