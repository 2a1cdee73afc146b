/*
 * csv_quote.c
 *		What quotes and escapes inside one field mean.
 *
 * The rules are those of COPY: a quote turns quoting on and off wherever it stands in the field; inside
 * quotes the escape takes a quote or an escape behind it literally, and is itself literal before anything
 * else; outside quotes the escape means nothing.  With an escape that is the quote, this is doubling.
 */
#include "etl.h"

#include "format/csv_tokenizer.h"

/*
 * Finds the quote that ends a quoted run beginning at pos; len if there is none.  With out, the run goes
 * there without its escapes, and *out moves on.
 */
static size_t
pass_quoted_run(const EtlCsvDialect *dialect, const char *raw, size_t pos, size_t len, char **out)
{
	char quote = dialect->quote;
	char escape = dialect->escape;

	while (pos < len)
	{
		char c = raw[pos];

		if (c == escape && pos + 1 < len && (raw[pos + 1] == quote || raw[pos + 1] == escape))
			c = raw[++pos];
		else if (c == quote)
			break;
		if (out)
			*(*out)++ = c;
		pos++;
	}
	return pos;
}

size_t
EtlCsvUnquote(const EtlCsvDialect *dialect, const char *raw, size_t len, char *out)
{
	char *end = out;
	size_t pos = 0;

	while (pos < len)
	{
		const char *quote =
			dialect->has_quote ? memchr(raw + pos, dialect->quote, len - pos) : NULL;
		size_t plain = quote ? quote - (raw + pos) : len - pos;

		memcpy(end, raw + pos, plain);
		end += plain;
		pos += plain;
		if (quote)
			pos = pass_quoted_run(dialect, raw, pos + 1, len, &end) + 1;
	}
	return end - out;
}

bool
EtlCsvFindOpenQuote(const EtlCsvDialect *dialect, const char *raw, size_t len, size_t *at)
{
	const char *quote;
	size_t pos = 0;

	while (pos < len && (quote = memchr(raw + pos, dialect->quote, len - pos)) != NULL)
	{
		*at = quote - raw;
		pos = pass_quoted_run(dialect, raw, *at + 1, len, NULL) + 1;
	}
	return pos > len;
}

bool
EtlCsvFindStrayQuote(const EtlCsvDialect *dialect, const char *raw, size_t len, size_t *at)
{
	const char *quote = memchr(raw, dialect->quote, len);

	if (quote == NULL)
		return false;
	*at = quote - raw;
	if (*at == 0)
		*at = pass_quoted_run(dialect, raw, 1, len, NULL) + 1;
	return *at < len;
}
