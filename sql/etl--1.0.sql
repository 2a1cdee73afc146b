\echo Use "CREATE EXTENSION etl" to load this file. \quit

CREATE FUNCTION etl_scan_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION etl_scan_support(internal) IS 'planner support of functions that stream rows';

/*
 * etl_csv: the rows of a CSV file on the server, or behind a URL.
 *
 * source        path of the file, relative to the data directory, or a pattern of *, ? and [...] for several, read
 *               in the order of their names; or an http or https URL; or, with a path, the name of a foreign server
 *               of the wrapper etl.  gzip and zstd are decompressed
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
 * path          what to read below the URL of the server that is the source; '' is that URL itself
 *
 * Further columns that may be declared: _etl_source text, _etl_line bigint (the physical line on which the
 * record starts), _etl_raw text (the record as it is written), _etl_error text.
 *
 * Errors: 42501 without pg_read_server_files; 58P01 and kin if the file cannot be opened; 42809 if it is not a
 * regular file; 58030 if it shrinks while it is read; 42703, 42702 for a column that the file does not
 * have, or has twice; 22P04 for broken structure; 22021, 22P05 for bytes that are no text; 54000 beyond
 * etl.max_field_size; 22023 for an option; and what the type of a column makes of its text.  Over http: 42501 for
 * a host or server that the user may not reach, 401 and 403; 58P01 for 404 and 410; 53400 for 429, and where the
 * server asks for a longer wait than is allowed; 58030 for other statuses; 08006 without an answer, or with half of
 * one that cannot be resumed.
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
    union_by_name boolean DEFAULT false,
    path text DEFAULT NULL)
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
    union_by_name boolean DEFAULT false,
    path text DEFAULT NULL)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME', 'etl_csv'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_scan_support;

COMMENT ON FUNCTION etl_csv(text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean, text)
    IS 'rows of a CSV file, with the columns given in a column definition list';
COMMENT ON FUNCTION etl_csv(anyelement, text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean, text)
    IS 'rows of a CSV file, with the columns of a composite type';

REVOKE EXECUTE ON FUNCTION etl_csv(text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean, text)
    FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION etl_csv(anyelement, text, boolean, text, text, text, text, text, text, int, text, text, text, bigint, boolean, text)
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
    comment text DEFAULT NULL,
    path text DEFAULT NULL)
RETURNS TABLE(line bigint, record jsonb)
AS 'MODULE_PATHNAME', 'etl_peek'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10;

COMMENT ON FUNCTION etl_peek(text, int, boolean, text, text, text, text, text, int, text, text)
    IS 'the first records of a source, without naming a column';
REVOKE EXECUTE ON FUNCTION etl_peek(text, int, boolean, text, text, text, text, text, int, text, text) FROM PUBLIC;

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
    comment text DEFAULT NULL,
    path text DEFAULT NULL)
RETURNS TABLE("position" int, header_name text, name text, data_type text, declaration text)
AS 'MODULE_PATHNAME', 'etl_csv_columns'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20;

COMMENT ON FUNCTION etl_csv_columns(text, bigint, boolean, text, text, text, text, text, int, text, text)
    IS 'names and types to declare for the columns of a CSV file';
REVOKE EXECUTE ON FUNCTION etl_csv_columns(text, bigint, boolean, text, text, text, text, text, int, text, text) FROM PUBLIC;

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
    reject_limit bigint DEFAULT NULL,
    path text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'etl_import'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION etl_import(text, text, bigint, boolean, text, text, text, text, text, int, text, text, text, bigint, text)
    IS 'loads a CSV file into a table, which it creates if there is none';
REVOKE EXECUTE ON FUNCTION etl_import(text, text, bigint, boolean, text, text, text, text, text, int, text, text, text, bigint, text)
    FROM PUBLIC;

/*
 * The wrapper of the servers that are read over http, and the check of their options.
 *
 * Servers: url; auth (none, bearer, basic, header, query, oauth2), auth_name (of the header or parameter); token_url,
 * token_auth (basic, body), scope; headers (a JSON object); rate_limit ('10/s', '5000/h'); connect_timeout,
 * read_timeout, max_attempts, max_wait, retry_budget; allowed_origins; dialect.  Only superusers may set
 * allow_private and proxy, only members of pg_read_server_files ca_file, client_cert and client_key.
 *
 * User mappings: token, user, password, key, client_id, client_secret, refresh_token; or the same with _file, which
 * names a file that holds the value and is read for each scan; only members of pg_read_server_files may set those.
 *
 * Errors: HV00D for an option that does not exist; HV024 for a value that cannot be; 42501 for an option that the user
 * may not set.
 */
CREATE FUNCTION etl_server_validator(options text[], catalog oid) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_server_validator(text[], oid) IS 'checks the options of servers and user mappings';

CREATE FOREIGN DATA WRAPPER etl VALIDATOR etl_server_validator;
COMMENT ON FOREIGN DATA WRAPPER etl IS 'servers that etl reads over http';

/*
 * etl_breakers: each origin (scheme://host:port) that was sent a request lately, and its circuit breaker.
 *
 * state         'closed': requests are sent; 'open': none is, until probe_at; 'half-open': one is under way that
 *               finds out whether the service is back
 * failures      without a success between them
 * opened_at, probe_at    unless closed; when open
 * probe_pid     of the backend whose request it is, if half-open
 *
 * All backends share them if the library is in shared_preload_libraries; else each backend has its own.
 */
CREATE FUNCTION etl_list_breakers(
    OUT origin text, OUT state text, OUT failures int, OUT opened_at timestamptz, OUT probe_at timestamptz,
    OUT probe_pid int)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION etl_list_breakers() IS 'what the view etl_breakers shows';
REVOKE EXECUTE ON FUNCTION etl_list_breakers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION etl_list_breakers() TO pg_monitor;

CREATE VIEW etl_breakers WITH (security_barrier) AS SELECT * FROM etl_list_breakers();
COMMENT ON VIEW etl_breakers IS 'circuit breakers of the origins that were sent requests';
GRANT SELECT ON etl_breakers TO pg_monitor;

/*
 * etl_breaker_reset: closes the circuit breaker of an origin, so that requests are sent to it again; false if nothing
 * is known of it.
 */
CREATE FUNCTION etl_breaker_reset(origin text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION etl_breaker_reset(text) IS 'closes the circuit breaker of an origin';
REVOKE EXECUTE ON FUNCTION etl_breaker_reset(text) FROM PUBLIC;

/* ----------------------------------------------------------------
 *	JSON and APIs
 * ---------------------------------------------------------------- */

/*
 * etl_json: the items of a JSON or NDJSON file on the server, or behind a URL.
 *
 * source        path of the file, relative to the data directory, or a pattern of *, ? and [...] for several, read
 *               in the order of their names; or an http or https URL; or, with a path, the name of a foreign server
 *               of the wrapper etl.  gzip and zstd are decompressed
 * items         where the items are: data.items, entry[].resource, link[rel=next], result.* (the values of an
 *               object), $ (the root).  NULL: a file is one array of items, or values one after another, each
 *               an item
 * format        'ndjson': a file is any number of values, and items starts at the root of each of them
 * on_error      an item with a fault: 'fail' is an error, 'skip' is left out and counted in a NOTICE, 'return'
 *               comes with NULLs and the reason in _etl_error
 * reject_limit  more items with a fault than this are an error
 * path          what to read below the URL of the server that is the source; '' is that URL itself
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
 * of a column makes of its text; over http those of etl_csv.
 */
CREATE FUNCTION etl_json(
    source text,
    items text DEFAULT NULL,
    format text DEFAULT 'auto',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    path text DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_json'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_scan_support;

CREATE FUNCTION etl_json(
    row_type anyelement,
    source text,
    items text DEFAULT NULL,
    format text DEFAULT 'auto',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    path text DEFAULT NULL)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME', 'etl_json'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_scan_support;

COMMENT ON FUNCTION etl_json(text, text, text, text, bigint, text)
    IS 'items of a JSON file, with the columns given in a column definition list';
COMMENT ON FUNCTION etl_json(anyelement, text, text, text, text, bigint, text)
    IS 'items of a JSON file, with the columns of a composite type';

REVOKE EXECUTE ON FUNCTION etl_json(text, text, text, text, bigint, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION etl_json(anyelement, text, text, text, text, bigint, text) FROM PUBLIC;
