/*
 * address.h
 *		Which internet addresses are not simply hosts on the public internet.
 */
#ifndef ETL_ADDRESS_H
#define ETL_ADDRESS_H

#include "etl.h"

#include <sys/socket.h>

/*
 * The special purpose of an address ("loopback", "private use", ...), NULL if it is an ordinary public one.  A role
 * that may reach public hosts only may not reach an address that has a purpose.
 */
extern const char *EtlAddressPurpose(const struct sockaddr *address);

/* Parses an address ("127.0.0.1", "::1"); false if the text is none (a host name, say). */
extern bool EtlAddressParse(const char *text, struct sockaddr_storage *address);

#endif /* ETL_ADDRESS_H */
