/*
 * answer.c
 *		Short answers of services that give credentials.
 */
#include "etl.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "source/http/answer.h"

#define MAX_ANSWER (64 * 1024)

char *
EtlAnswerRead(EtlExchange *exchange)
{
	char *answer = palloc(MAX_ANSWER + 1);
	size_t len = 0;
	size_t n;

	while (len < MAX_ANSWER && (n = EtlExchangeRead(exchange, answer + len, MAX_ANSWER - len)) > 0)
		len += n;
	if (EtlExchangeBroke(exchange))
		EtlExchangeRaise(exchange);
	answer[len] = '\0';
	return answer;
}

/* An error of jsonb_in would quote its input. */
Jsonb *
EtlAnswerJson(char *answer)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile json = NULL;

	PG_TRY();
	{
		json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(answer)));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return json != NULL && JB_ROOT_IS_OBJECT(json) ? json : NULL;
}

char *
EtlAnswerMember(Jsonb *json, const char *name)
{
	JsonbValue v;

	if (!getKeyJsonValueFromContainer(&json->root, name, strlen(name), &v))
		return NULL;
	if (v.type == jbvString)
		return pnstrdup(v.val.string.val, v.val.string.len);
	if (v.type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v.val.numeric)));
	return NULL;
}

char *
EtlAnswerElement(const char *answer, const char *name)
{
	const char *begin = strstr(answer, psprintf("<%s>", name));
	const char *end = begin != NULL ? strchr(begin + 1, '<') : NULL;

	if (end == NULL)
		return NULL;
	begin = strchr(begin, '>') + 1;
	return pnstrdup(begin, end - begin);
}
