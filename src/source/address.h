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

/* The same for an address in text ("127.0.0.1", "::1"); a text that is not an address has no purpose. */
extern const char *EtlAddressTextPurpose(const char *text);

#endif /* ETL_ADDRESS_H */
