/*
 * answer.h
 *		Short answers of services that give credentials: read whole, and looked up by name.
 *
 * They hold secrets, so no message shows them.
 */
#ifndef ETL_ANSWER_H
#define ETL_ANSWER_H

#include "etl.h"
#include "utils/jsonb.h"

#include "source/http/exchange.h"

/* The body of the answer that an exchange has, palloc'd; an error if it breaks off.  Of a longer one the first 64 kB. */
extern char *EtlAnswerRead(EtlExchange *exchange);

/* The object that an answer is in JSON; NULL: it is none. */
extern Jsonb *EtlAnswerJson(char *answer);

/* A member of it, a string or a number, as text (palloc'd); NULL: there is none. */
extern char *EtlAnswerMember(Jsonb *json, const char *name);

/* What an answer in XML has between <name> and the next tag, palloc'd; NULL: there is no such element. */
extern char *EtlAnswerElement(const char *answer, const char *name);

#endif /* ETL_ANSWER_H */
