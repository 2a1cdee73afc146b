/*
 * reason.c
 *		What is said of an error that ends a run, or the reading of a part.
 */
#include "etl.h"

#include "lib/stringinfo.h"
#include "pipeline/run/ending.h"
#include "pipeline/run/reason.h"
#include "pipeline/run/rejects.h"

/* The place in the source that an error is about, in the first line of its context; 0: it names none. */
static int
place_length(const ErrorData *error)
{
	const char *context = error->context != NULL ? error->context : "";

	if (strncmp(context, "file \"", 6) != 0 && strncmp(context, "page ", 5) != 0 &&
		context[0] != '"')
		return 0;
	return strcspn(context, "\n");
}

/*
 * What is reported of an error that ends a run, or the reading of a part.  If values are to be kept secret, there is no detail, and nothing of what
 * the owner's code says but the form of its message.  The place in the source is no value.
 */
char *
EtlReasonOf(const EtlRun *run, const ErrorData *error)
{
	bool redact = run->pipeline->redact != NIL;
	bool cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	const char *to_end = EtlReasonToEnd();
	StringInfoData reason;

	initStringInfo(&reason);
	if (to_end != NULL && (EtlRuntimeExceeded() || cancelled))
		appendStringInfoString(&reason, to_end);
	else if (redact && run->in_rows && !run->fatal)
		appendStringInfoString(&reason, EtlSafeMessage(error));
	else
		appendStringInfoString(&reason, error->message);
	if (error->detail != NULL && (!redact || run->fatal))
		appendStringInfo(&reason, "\n%s", error->detail);
	if (error->hint != NULL && !(redact && run->in_rows))
		appendStringInfo(&reason, "\n%s", error->hint);
	if (run->fatal && place_length(error) > 0)
		appendStringInfo(&reason, "\n%.*s", place_length(error), error->context);
	else if (run->in_source && !cancelled && error->context != NULL)
		appendStringInfo(&reason, "\n%s", error->context);
	return reason.data;
}

/*
 * The same for the server's log, where no value belongs.  What reading says of a place holds none; of any other error there
 * is the form of its message.
 */
char *
EtlReasonForLog(const EtlRun *run, const ErrorData *error)
{
	const char *to_end = EtlReasonToEnd();
	int place = run->in_source || run->fatal ? place_length(error) : 0;
	const char *message = error->message;

	if (run->fatal)
		message = run->fatal_reason;
	else if (place == 0 || !run->in_source)
		message = EtlSafeMessage(error);
	if (to_end != NULL && (EtlRuntimeExceeded() || error->sqlerrcode == ERRCODE_QUERY_CANCELED))
		return pstrdup(to_end);
	return place > 0 ? psprintf("%s, in %.*s", message, place, error->context) : pstrdup(message);
}
