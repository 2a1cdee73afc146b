/*
 * proposal.c
 *		Columns that are proposed for a source: names and types.
 */
#include "etl.h"

#include "catalog/pg_type.h"
#include "scan/proposal.h"
#include "utils/memutils.h"

EtlProposal *
EtlProposalCreate(void)
{
	EtlProposal *proposal = palloc0(sizeof(EtlProposal));

	proposal->context = CurrentMemoryContext;
	proposal->max_columns = 16;
	proposal->columns = palloc(sizeof(EtlProposedColumn) * proposal->max_columns);
	proposal->by_name = proposal->alike = true;
	return proposal;
}

EtlProposedColumn *
EtlProposalAdd(EtlProposal *proposal, const char *header, size_t len)
{
	MemoryContext old = MemoryContextSwitchTo(proposal->context);
	EtlProposedColumn *column;

	if (proposal->ncolumns == proposal->max_columns)
	{
		proposal->max_columns *= 2;
		proposal->columns =
			repalloc_huge(proposal->columns, sizeof(EtlProposedColumn) * proposal->max_columns);
	}
	column = &proposal->columns[proposal->ncolumns++];
	memset(column, 0, sizeof(*column));
	column->header = pnstrdup(header, len);
	column->forms = ETL_ALL_FORMS;
	MemoryContextSwitchTo(old);
	return column;
}

bool
EtlCanDeclare(const char *name, size_t len)
{
	return len > 0 && len < NAMEDATALEN && strncmp(name, "_etl_", 5) != 0;
}

Oid
EtlProposedType(const EtlProposedColumn *column)
{
	if (column->has_values && column->forms != 0)
		return EtlTypeOfForms(column->forms);
	return column->nested ? JSONBOID : TEXTOID;
}
