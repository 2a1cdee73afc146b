/*
 * user_text.c
 *		Errors in a text that a user wrote, which stands in a statement of ours.
 */
#include "etl.h"

#include "mb/pg_wchar.h"
#include "pipeline/user_text.h"

/* Positions count characters, from 1; an error at the end is one behind the last. */
static void
show_in_text(const EtlUserText *user, int position)
{
	const char *text = user->text != NULL ? user->text : user->statement;
	const char *start = strstr(user->statement, text);
	int before = pg_mbstrlen_with_len(user->statement, (int) (start - user->statement));

	errposition(0);
	internalerrposition(Max(Min(position - before, pg_mbstrlen(text) + 1), 1));
	internalerrquery(text);
}

static void
user_text_callback(void *arg)
{
	const EtlUserText *user = arg;
	int position = geterrposition();

	if (position > 0)
		show_in_text(user, position);
	if (user->text != NULL)
		errcontext("%s", user->what);
}

void
EtlUserTextEnter(EtlUserText *user)
{
	Assert(user->text == NULL || strstr(user->statement, user->text) != NULL);
	user->callback.callback = user_text_callback;
	user->callback.arg = user;
	user->callback.previous = error_context_stack;
	error_context_stack = &user->callback;
}

void
EtlUserTextLeave(EtlUserText *user)
{
	error_context_stack = user->callback.previous;
}
