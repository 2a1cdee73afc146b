\echo Use "CREATE EXTENSION etl" to load this file. \quit

CREATE FUNCTION etl_scan_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION etl_scan_support(internal) IS 'planner support of functions that stream rows';

/*
 * etl_csv: the rows of a CSV file on the server.
 *
 * source        path of the file, relative to the data directory, or a pattern of *, ? and [...] for several, read
 *               in the order of their names.  gzip and zstd are decompressed
 * header        whether the first record names the columns
 * match         'name': a declared column is the one of that name, exactly or when both are folded to snake
 *               case; 'position': declared columns are the file's in their order.  Without a header:
 *               'position'
 * delimiter     1 to 8 bytes between fields
 * quote         one byte; NULL: no quoting
 * escape        one byte that makes the next quote or escape literal inside quotes; NULL: the quote, doubled
 * null_string   the unquoted text that is NULL
 * encoding      of the file; NULL: by its byte order mark, else the client's.  Also UTF-16, UTF-16LE, UTF-16BE
 * skip_lines    physical lines before the header (or the data) that are not read
 * comment       lines that begin with it are not read
 * ragged        a record with too few or too many fields is: 'error' a fault of the row, as on_error has
 *               it; 'pad' given NULL for what is missing, while too many stay a fault; 'reject' skipped and
 *               counted, whatever on_error says
 * on_error      a row with a fault: 'fail' is an error, 'skip' is left out and counted in a NOTICE, 'return'
 *               comes with NULLs and the reason in _etl_error
 * reject_limit  more rows with a fault than this are an error
 * union_by_name of several files, a column that is missing in some is NULL there; missing in all is an error
 *
 * Further columns that may be declared: _etl_source text, _etl_line bigint (the physical line on which the
 * record starts), _etl_raw text (the record as it is written), _etl_error text.
 *
 * Errors: 42501 without pg_read_server_files; 58P01 and kin if the file cannot be opened; 42809 if it is not a
 * regular file; 58030 if it shrinks while it is read; 42703, 42702 for a column that the file does not
 * have, or has twice; 22P04 for broken structure; 22021, 22P05 for bytes that are no text; 54000 beyond
 * etl.max_field_size; 22023 for an option; and what the type of a column makes of its text.
 */
CREATE FUNCTION etl_csv(
    source text,
    header boolean DEFAULT true,
    match text DEFAULT 'name',
    delimiter text DEFAULT ',',
    quote text DEFAULT '"',
    escape text DEFAULT NULL,
    null_string text DEFAULT '',
    encoding text DEFAULT NULL,
    skip_lines int DEFAULT 0,
    comment text DEFAULT NULL,
    ragged text DEFAULT 'error',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    union_by_name boolean DEFAULT false)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_csv'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_scan_support;

CREATE FUNCTION etl_csv(
    row_type anyelement,
    source text,
    header boolean DEFAULT true,
    match text DEFAULT 'name',
    delimiter text DEFAULT ',',
    quote text DEFAULT '"',
    escape text DEFAULT NULL,
    null_string text DEFAULT '',
    encoding text DEFAULT NULL,
    skip_lines int DEFAULT 0,
    comment text DEFAULT NULL,
    ragged text DEFAULT 'error',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    union_by_name boolean DEFAULT false)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME', 'etl_csv'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_scan_support;

COMMENT ON FUNCTION etl_csv(text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean)
    IS 'rows of a CSV file, with the columns given in a column definition list';
COMMENT ON FUNCTION etl_csv(anyelement, text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean)
    IS 'rows of a CSV file, with the columns of a composite type';

REVOKE EXECUTE ON FUNCTION etl_csv(text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean)
    FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION etl_csv(anyelement, text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean)
    FROM PUBLIC;

/*
 * etl_peek: the first records of a source, as they are, without naming a column.
 *
 * rows          how many to show; the other arguments are those of etl_csv
 *
 * line is the physical line on which a record starts.  record is an object by the names of the header, in which
 * a name that comes again has a number, and fields beyond the header are in "_etl_extra"; without a header
 * it is an array.  A record that is no text has its reason in "_etl_error".
 *
 * Errors: those of etl_csv for opening, and for a source whose records cannot be told apart.
 */
CREATE FUNCTION etl_peek(
    source text,
    rows int DEFAULT 10,
    header boolean DEFAULT true,
    delimiter text DEFAULT ',',
    quote text DEFAULT '"',
    escape text DEFAULT NULL,
    null_string text DEFAULT '',
    encoding text DEFAULT NULL,
    skip_lines int DEFAULT 0,
    comment text DEFAULT NULL)
RETURNS TABLE(line bigint, record jsonb)
AS 'MODULE_PATHNAME', 'etl_peek'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10;

COMMENT ON FUNCTION etl_peek(text, int, boolean, text, text, text, text, text, int, text)
    IS 'the first records of a source, without naming a column';
REVOKE EXECUTE ON FUNCTION etl_peek(text, int, boolean, text, text, text, text, text, int, text) FROM PUBLIC;

/*
 * etl_csv_columns: names and types to declare for a CSV file.
 *
 * sample_rows   how many records to look at; NULL: all.  The other arguments are those of etl_csv
 *
 * A type (bigint, numeric, boolean, date, timestamptz, uuid, jsonb) is proposed if every value of the sample has its
 * plain form; else text.  Numbers with leading zeros are text, as are dates in any order but year, month, day.
 * declaration holds the column as it stands in a column definition list, with its comma: put the rows below each
 * other.  Names that the file has twice, or not at all, need match => 'position'.
 */
CREATE FUNCTION etl_csv_columns(
    source text,
    sample_rows bigint DEFAULT 10000,
    header boolean DEFAULT true,
    delimiter text DEFAULT ',',
    quote text DEFAULT '"',
    escape text DEFAULT NULL,
    null_string text DEFAULT '',
    encoding text DEFAULT NULL,
    skip_lines int DEFAULT 0,
    comment text DEFAULT NULL)
RETURNS TABLE("position" int, header_name text, name text, data_type text, declaration text)
AS 'MODULE_PATHNAME', 'etl_csv_columns'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20;

COMMENT ON FUNCTION etl_csv_columns(text, bigint, boolean, text, text, text, text, text, int, text)
    IS 'names and types to declare for the columns of a CSV file';
REVOKE EXECUTE ON FUNCTION etl_csv_columns(text, bigint, boolean, text, text, text, text, text, int, text) FROM PUBLIC;

/*
 * etl_import: loads a CSV file into a table, which it creates if there is none.
 *
 * target        the table, with its schema if need be; one that exists must have a column for each of the file's
 * sample_rows   how many records the types of a new table are proposed from (see etl_csv_columns); where a
 *               later value does not fit, the column gets a type that fits all, text in the end (NOTICE).  NULL: all
 * The other arguments are those of etl_csv.
 *
 * Returns the number of rows loaded.  pg_stat_progress_copy shows how far it is.  Errors: those of etl_csv; those
 * of CREATE TABLE and INSERT, for the privileges of the caller; 42703 if the table lacks a column of the file.
 */
CREATE FUNCTION etl_import(
    target text,
    source text,
    sample_rows bigint DEFAULT 10000,
    header boolean DEFAULT true,
    delimiter text DEFAULT ',',
    quote text DEFAULT '"',
    escape text DEFAULT NULL,
    null_string text DEFAULT '',
    encoding text DEFAULT NULL,
    skip_lines int DEFAULT 0,
    comment text DEFAULT NULL,
    ragged text DEFAULT 'error',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'etl_import'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION etl_import(text, text, bigint, boolean, text, text, text, text, text, int, text, text, text, bigint)
    IS 'loads a CSV file into a table, which it creates if there is none';
REVOKE EXECUTE ON FUNCTION etl_import(text, text, bigint, boolean, text, text, text, text, text, int, text, text, text, bigint)
    FROM PUBLIC;

/* ----------------------------------------------------------------
 *	JSON and APIs
 * ---------------------------------------------------------------- */

/*
 * etl_json: the items of a JSON or NDJSON file on the server.
 *
 * source        path of the file, relative to the data directory, or a pattern of *, ? and [...] for several, read
 *               in the order of their names.  gzip and zstd are decompressed
 * items         where the items are: data.items, entry[].resource, link[rel=next], result.* (the values of an
 *               object), $ (the root).  NULL: a file is one array of items, or values one after another, each
 *               an item
 * format        'ndjson': a file is any number of values, and items starts at the root of each of them
 * on_error      an item with a fault: 'fail' is an error, 'skip' is left out and counted in a NOTICE, 'return'
 *               comes with NULLs and the reason in _etl_error
 * reject_limit  more items with a fault than this are an error
 *
 * A column is the member of its name, exactly or when both are folded to snake case; "address.city" reaches
 * into objects.  What is missing is NULL, and so is null.  Arrays and objects go into json, jsonb and text as
 * they are written, and into arrays and composite types as json_populate_record has it.
 *
 * Further columns that may be declared: _etl_source text, _etl_page int (number of the file), _etl_index int
 * (number of the item in it; both from 1), _etl_raw text (the item as it is written), _etl_item jsonb (the same),
 * _etl_error text.
 *
 * Errors: 42501 without pg_read_server_files; 58P01 and kin if the file cannot be opened; 22032 for a file that is
 * not JSON, or ends early; 22021, 22P05, 22P02 for text that is no text; 22003 for numbers beyond numeric; 54000 beyond
 * etl.max_item_size and etl.max_json_depth; 22030 if a name on the way to the items stands twice; P0002 if the way
 * leads nowhere; 42702 for a column that two members match; 2203C for an item that is no object; and what the type
 * of a column makes of its text.
 */
CREATE FUNCTION etl_json(
    source text,
    items text DEFAULT NULL,
    format text DEFAULT 'auto',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_json'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_scan_support;

CREATE FUNCTION etl_json(
    row_type anyelement,
    source text,
    items text DEFAULT NULL,
    format text DEFAULT 'auto',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME', 'etl_json'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_scan_support;

COMMENT ON FUNCTION etl_json(text, text, text, text, bigint)
    IS 'items of a JSON file, with the columns given in a column definition list';
COMMENT ON FUNCTION etl_json(anyelement, text, text, text, text, bigint)
    IS 'items of a JSON file, with the columns of a composite type';

REVOKE EXECUTE ON FUNCTION etl_json(text, text, text, text, bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION etl_json(anyelement, text, text, text, text, bigint) FROM PUBLIC;
