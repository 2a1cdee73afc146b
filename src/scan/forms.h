/*
 * forms.h
 *		Which types a text has the plain form of.
 *
 * A text has the plain form of a type if nobody could mean anything else by it, and that type's input gives the same
 * value back.  So codes with leading zeros stay text, as do dates that some country reads the other way.
 */
#ifndef ETL_FORMS_H
#define ETL_FORMS_H

#include "etl.h"
#include "scan/convert/convert.h"

typedef int EtlForms; /* a set of them */

#define ETL_ALL_FORMS 0x7f /* bigint, numeric, boolean, date, timestamptz, uuid, jsonb */

/* Those of a set that the text has. */
extern EtlForms EtlFormsOf(EtlForms among, const char *s, size_t len);

/* The one of a type; none for other types, text among them. */
extern EtlForms EtlFormOf(Oid type);

/* The narrowest type of a set; text if it has none. */
extern Oid EtlTypeOfForms(EtlForms among);

/*
 * For values of a type that was proposed without looking at them.  The type's input takes more texts than those it would
 * be proposed for, and loses what they say: 007, yes, today.
 *
 * HasPlainForm tells whether a text is one that the type is proposed for; for jsonb, only whether it may be.
 * PlainConverterFor is a fast converter that says no to all others; NULL if there is none.
 */
extern bool EtlHasPlainForm(Oid type, const char *s, size_t len);
extern EtlFastConverter EtlPlainConverterFor(Oid type);

#endif /* ETL_FORMS_H */
