/*
 * pages_format.c
 *		What a page may be written in, and how a broken one is raised.
 */
#include "etl.h"

#include "api/json_body.h"
#include "api/pages_internal.h"
#include "format/csv_items.h"

void
EtlPagesRaiseJsonFault(const EtlPages *pages, const EtlReader *reader)
{
	const EtlExchange *exchange = pages->current->exchange;
	char *type = EtlExchangeHeader(exchange, "Content-Type");
	EtlBeginning beginning = {EtlExchangeBeginning(exchange),
							  type != NULL ? EtlExchangeShow(exchange, type) : NULL};

	EtlJsonRaiseFault(reader, "page", &beginning);
}

static void
raise_broken_json(EtlPages *pages)
{
	const EtlJsonFault *fault = EtlJsonReaderFault((EtlJsonReader *) pages->reader);

	if (fault->in_item)
		pages->nitems++;
	pages->broken_at = (int64) fault->offset + 1;
	EtlPagesRaiseJsonFault(pages, pages->reader);
}

static void
raise_too_large(const EtlCsvItemsFault *fault)
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("a record of the CSV page is larger than \"etl.max_item_size\""),
					errdetail("The record or field begins on line %llu of the page.",
							  (unsigned long long) fault->line),
					errhint("Check whether a quote is missing there.")));
}

static void
raise_ragged(const EtlCsvItemsFault *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("a record of the CSV page has too %s fields",
					fault->status == ETL_CSV_ITEMS_TOO_FEW ? "few" : "many"),
			 errdetail("The record on line %llu of the page has %d fields, and the header has %d.",
					   (unsigned long long) fault->line, fault->nfields, fault->nnames)));
}

static void
raise_broken_csv(EtlPages *pages)
{
	const EtlCsvItemsFault *fault = EtlCsvItemsReaderFault(pages->reader);
	unsigned long long line = fault->line;

	switch (fault->status)
	{
		case ETL_CSV_ITEMS_UNCLOSED_QUOTE:
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("unterminated CSV quoted field"),
					 errdetail("The quote that opens on line %llu of the page is never closed.",
							   line)));
			break;
		case ETL_CSV_ITEMS_TOO_LARGE:
			raise_too_large(fault);
			break;
		case ETL_CSV_ITEMS_NUL_BYTE:
		case ETL_CSV_ITEMS_BAD_ENCODING:
			ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
							fault->status == ETL_CSV_ITEMS_NUL_BYTE
								? errmsg("the CSV page has a zero byte")
								: errmsg("the CSV page is not encoded in UTF-8"),
							errdetail("It is in the record on line %llu of the page.", line)));
			break;
		case ETL_CSV_ITEMS_LONE_CR:
			ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
							errmsg("unquoted carriage return found in data"),
							errdetail("It is in the record on line %llu of the page.", line)));
			break;
		case ETL_CSV_ITEMS_TOO_FEW:
		case ETL_CSV_ITEMS_TOO_MANY:
			raise_ragged(fault);
			break;
		case ETL_CSV_ITEMS_SAME_NAMES:
			ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN),
							errmsg("two columns of the CSV page have the same name"),
							errdetail("The name is %s.", fault->name)));
			break;
	}
}

const EtlFormatOfPages EtlPageFormats[] = {
	[ETL_PAGE_AUTO] = {&EtlJsonFormat, raise_broken_json},
	[ETL_PAGE_NDJSON] = {&EtlJsonFormat, raise_broken_json},
	[ETL_PAGE_CSV] = {&EtlCsvItemsFormat, raise_broken_csv},
};
