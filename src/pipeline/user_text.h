/*
 * user_text.h
 *		Errors in a text that a user wrote, which stands in a statement of ours.
 *
 *		EtlUserText text = {"query of the pipeline", query, statement};
 *
 *		EtlUserTextEnter(&text);	... parse, analyze or plan the statement ...
 *		EtlUserTextLeave(&text);
 *
 * A position in the statement is shown as one in the text: nobody else wrote anything, neither what we put around it nor the
 * statement that called us.
 */
#ifndef ETL_USER_TEXT_H
#define ETL_USER_TEXT_H

#include "etl.h"

typedef struct EtlUserText
{
	const char *what; /* for CONTEXT */
	const char *text; /* NULL: all of the statement is ours */
	const char *statement;
	ErrorContextCallback callback;
} EtlUserText;

extern void EtlUserTextEnter(EtlUserText *user);
extern void EtlUserTextLeave(EtlUserText *user);

#endif /* ETL_USER_TEXT_H */
