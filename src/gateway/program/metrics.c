/*
 * metrics.c
 *		Requests that ask for metrics, and those of the program itself.
 *
 *		GET /metrics/DATABASE -> supervisor -> pieces -> all of it, and behind it what the program has counted
 *
 * What it has counted begins anew with the program, as counters may.
 */
#include "etl.h"

#include <stdlib.h>

#include "gateway/program/request.h"

#define MOST_STATUS 600
#define METRICS_MS (15 * 1000) /* the supervisor takes 10 s at most for one page */

static uint32 answered[MOST_STATUS];

void
MetricsCount(unsigned int status)
{
	if (status < MOST_STATUS)
		answered[status]++;
}

void
MetricsGet(Request *request)
{
	size_t token_len = 0;
	const char *token = RequestToken(request, &token_len);
	size_t place_len = strlen(request->place);
	char data[ETL_FRAME_DATA];

	if (token == NULL)
		RequestDecide(request, MHD_HTTP_UNAUTHORIZED,
					  "{\"error\": \"a token is needed, Authorization: Bearer ...\"}\n");
	else if (place_len + token_len + 2 > sizeof(data))
		RequestDecide(request, MHD_HTTP_URI_TOO_LONG, "{\"error\": \"the names are too long\"}\n");
	else
	{
		memcpy(data, request->place, place_len + 1);
		memcpy(data + place_len + 1, token, token_len);
		data[place_len + 1 + token_len] = '\0';
		(void) RequestAsk(request, ETL_FRAME_METRICS, data, place_len + token_len + 2, METRICS_MS);
	}
}

/* What there is no memory for is refused as a whole. */
void
MetricsTake(Request *request, const char *text)
{
	size_t len = strlen(text);
	char *longer;

	if (request->is_metrics && request->text == NULL)
		return; /* there was none for an earlier piece */
	request->is_metrics = true;
	longer = realloc(request->text, request->text_len + len + 1);
	if (longer == NULL)
		free(request->text);
	else
		memcpy(longer + request->text_len, text, len + 1);
	request->text = longer;
	request->text_len += len;
}

static void
take_number(Request *request, uint32 number)
{
	char digits[16];

	MetricsTake(request, RequestNumber(number, digits, sizeof(digits)));
}

void
MetricsEnd(Request *request, unsigned int nconnections)
{
	MetricsTake(request, "# HELP etl_gateway_connections Connections to the gateway.\n"
						 "# TYPE etl_gateway_connections gauge\n"
						 "etl_gateway_connections ");
	take_number(request, nconnections);
	MetricsTake(request, "\n# HELP etl_gateway_answers_total Answers of the gateway.\n"
						 "# TYPE etl_gateway_answers_total counter\n");
	for (uint32 status = 0; status < MOST_STATUS; status++)
	{
		if (answered[status] == 0)
			continue;
		MetricsTake(request, "etl_gateway_answers_total{status=\"");
		take_number(request, status);
		MetricsTake(request, "\"} ");
		take_number(request, answered[status]);
		MetricsTake(request, "\n");
	}
}
