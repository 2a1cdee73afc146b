/*
 * csv_simd.c
 *		The choice of a tokenizer.
 */
#include "etl.h"

#include "format/csv_tokenizer.h"

const EtlCsvTokenizer *const EtlCsvTokenizers[] = {
	&EtlCsvScalarTokenizer,
	NULL,
};

const EtlCsvTokenizer *
EtlCsvChooseTokenizer(const EtlCsvDialect *dialect)
{
	const EtlCsvTokenizer *const *tokenizer = EtlCsvTokenizers;

	while (!(*tokenizer)->can(dialect))
		tokenizer++;
	return *tokenizer;
}
