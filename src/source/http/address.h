/*
 * address.h
 *		Which internet addresses are not simply hosts on the public internet.
 */
#ifndef ETL_ADDRESS_H
#define ETL_ADDRESS_H

#include "etl.h"

#include <sys/socket.h>

/*
 * What an address is set aside for ("loopback", "private use", ...), NULL if it is an ordinary public one.
 * Whoever may go to public hosts only may not go to an address that has a purpose.
 */
extern const char *EtlAddressPurpose(const struct sockaddr *address);

/* Reads an address in text ("127.0.0.1", "::1"); false if it is none (a host name, say). */
extern bool EtlAddressParse(const char *text, struct sockaddr_storage *address);

#endif /* ETL_ADDRESS_H */
