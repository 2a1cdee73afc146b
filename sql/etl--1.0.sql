\echo Use "CREATE EXTENSION etl" to load this file. \quit

/*
 * Nothing below can mean an object that somebody has put into the schema of the extension before: not even an operator
 * that fits the types better than one of pg_catalog does.  What is ours there has @extschema@ before it.
 */
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

/* ----------------------------------------------------------------
 *	Schemas
 * ---------------------------------------------------------------- */

/*
 * etl_catalog has the tables of the extension, and what its views call.  Nobody is granted anything here; what a role
 * may see, it sees through the views, and what it may change, through the functions.  The comment on each table says
 * whether pg_dump has it, what purges it, and who sees it in the views: owner is any role with the rights of the
 * pipeline's owner.
 */
CREATE SCHEMA etl_catalog;
COMMENT ON SCHEMA etl_catalog IS 'tables of the extension etl';

/*
 * etl_internal has what PostgreSQL and the statements of runs call.  Everybody may use it and nobody may create in it, so
 * whatever others put into the schema of the extension, a run calls these.
 */
CREATE SCHEMA etl_internal;
COMMENT ON SCHEMA etl_internal IS 'what the extension etl calls by itself';
GRANT USAGE ON SCHEMA etl_internal TO PUBLIC;

CREATE FUNCTION etl_internal.etl_scan_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION etl_internal.etl_scan_support IS 'planner support of functions that stream rows';

/*
 * The rows of the batch in hand: what a query sees as "batch", and what it gave on the way to the target;
 * the condition on which the latter are inserted, always true, by which the new ones are counted; and whether the
 * record of such a row has a column of the source.
 * All are errors where no run is under way (55000), so everybody may call them.
 */
CREATE FUNCTION etl_internal.etl_batch() RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000 SUPPORT etl_internal.etl_scan_support;
COMMENT ON FUNCTION etl_internal.etl_batch IS 'rows of a running pipeline''s current batch';
CREATE FUNCTION etl_internal.etl_enriched(enrichment int) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000 SUPPORT etl_internal.etl_scan_support;
COMMENT ON FUNCTION etl_internal.etl_enriched IS 'rows of an enrichment of the batch, in statements of a run';
CREATE FUNCTION etl_internal.etl_emitted() RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000 SUPPORT etl_internal.etl_scan_support;
COMMENT ON FUNCTION etl_internal.etl_emitted IS 'rows that a running pipeline''s query gave for the current batch';
CREATE FUNCTION etl_internal.etl_count_new() RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_internal.etl_count_new IS 'counts a row that a running pipeline inserts, or a version that it closes; true';
CREATE FUNCTION etl_internal.etl_run_instant() RETURNS timestamptz
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION etl_internal.etl_run_instant IS 'the one time at which a running pipeline sees its source';
CREATE FUNCTION etl_internal.etl_has(source_column int) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_internal.etl_has IS 'whether the record of the row that a running pipeline loads has a column';
CREATE FUNCTION etl_internal.etl_differs(place tid, differs boolean) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_internal.etl_differs IS 'whether a row of the target differs from what a running pipeline loads; else its place is noted';
CREATE FUNCTION etl_internal.etl_kept(place tid) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_internal.etl_kept IS 'whether a running pipeline has noted a place of the target';

GRANT EXECUTE ON FUNCTION etl_internal.etl_scan_support, etl_internal.etl_batch, etl_internal.etl_enriched, etl_internal.etl_emitted,
    etl_internal.etl_count_new, etl_internal.etl_run_instant, etl_internal.etl_has, etl_internal.etl_differs, etl_internal.etl_kept TO PUBLIC;

/*
 * The arguments of a function as they stand in its declaration, but for some.  Of functions with the same options one
 * declares them, and the others are made with this.
 */
CREATE FUNCTION etl_internal.arguments_of(function regproc, leave_out text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT string_agg(CASE p.proargmodes[n] WHEN 'b' THEN 'INOUT ' ELSE '' END || quote_ident(p.proargnames[n]) || ' ' ||
            format_type(t.type, NULL) || coalesce(' DEFAULT ' || pg_get_function_arg_default(p.oid, n::int), ''), ', ' ORDER BY n)
    FROM pg_proc p, unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t(type, n)
    WHERE p.oid = $1 AND p.proargnames[n] <> ALL ($2);
END;
COMMENT ON FUNCTION etl_internal.arguments_of IS 'arguments of a function, as in its declaration';

/* ----------------------------------------------------------------
 *	CSV files
 * ---------------------------------------------------------------- */

/*
 * etl_csv: the rows of a CSV file on the server, or behind a URL.
 *
 * source        path of the file, relative to the data directory, or a pattern of *, ? and [...] for several, read
 *               in the order of their names; or an http or https URL, or several with lists in braces ({a,b}, {01..12}); or,
 *               with a path, the name of a foreign server of the wrapper etl.  gzip and zstd are decompressed
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
 *               comes with NULLs and the reason in _etl_error.  The structure of a row counts always, a
 *               value only if the query reads its column, or _etl_error
 * reject_limit  more rows with a fault than this are an error
 * union_by_name of several files, a column that is missing in some is NULL there; missing in all is an error
 * stray_quotes  a quote within a field that does not begin with one, and text behind a closing quote, are: 'copy' read as
 *               COPY reads them, and counted in a NOTICE; 'error' a fault of the row
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
 * server asks for a longer wait than is allowed; 22023 for 400 and 422, 58030 for other statuses; 08006 without an answer, or with half of
 * one that cannot be resumed.
 */
CREATE FUNCTION @extschema@.etl_csv(
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
    stray_quotes text DEFAULT 'copy',
    path text DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_csv'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_internal.etl_scan_support;

COMMENT ON FUNCTION @extschema@.etl_csv IS 'rows of a CSV file';

/* ----------------------------------------------------------------
 *	Servers
 * ---------------------------------------------------------------- */

/*
 * The wrapper of the servers that are read over http, and the check of their options.
 *
 * Servers: url; auth (none, bearer, basic, header, query, oauth2), auth_name (of the header or parameter); token_url,
 * token_auth (basic, body), scope, grant (client_credentials, jwt_bearer); algorithm (RS256, ES256), issuer, subject,
 * audience, key_id of the assertion for jwt_bearer; headers (a JSON object); rate_limit ('10/s', '5000/h'); connect_timeout,
 * read_timeout, max_answer_time ('5min': waited for one answer, head and body), max_body ('2GB', of one); max_attempts, max_wait,
 * retry_budget; allowed_origins; dialect.  Only superusers may set
 * allow_private and proxy, only members of pg_read_server_files ca_file, client_cert and client_key.
 *
 * User mappings: token, user, password, key, client_id, client_secret, refresh_token, private_key (PEM); or the same with _file, which
 * names a file that holds the value and is read for each scan; only members of pg_read_server_files may set those.
 * allowed_origins are those that the secrets may go to; without it they go where the server's owner says, but no secret out
 * of a file goes to a server whose owner is not a member of pg_read_server_files.
 *
 * Errors: HV00D for an option that does not exist; HV024 for a value that cannot be; HV00J, when it is read,
 * for one that is needed and not there; 42501 for an option that the user may not set.
 */
CREATE FUNCTION etl_internal.etl_server_validator(options text[], catalog oid) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_internal.etl_server_validator IS 'checks the options of servers and user mappings';
GRANT EXECUTE ON FUNCTION etl_internal.etl_server_validator TO PUBLIC;

CREATE FOREIGN DATA WRAPPER etl VALIDATOR etl_internal.etl_server_validator;
COMMENT ON FOREIGN DATA WRAPPER etl IS 'servers that etl reads over http';

/*
 * etl_list: the objects of a bucket, in the order of their keys.
 *
 * source        a server whose URL is one of s3://, or such a URL (for superusers, and hosts in etl.allowed_hosts)
 * path          a key, or a pattern of keys, below the URL of the server: * stands for anything but a slash, ** for anything, ? for one
 *               character, [...] for one of these.  One that ends in a slash, or none: all that is below
 *
 * key is what follows the URL of the server, as etl_csv takes it for its path.  The list is asked for page by page.
 *
 * Errors: 22023 if source is no bucket; 42501, 58P01 and 08xxx as for reading; 08P01 if the answer is no list.
 */
CREATE FUNCTION @extschema@.etl_list(source text, path text DEFAULT NULL)
RETURNS TABLE(key text, size bigint, etag text, modified timestamptz)
AS 'MODULE_PATHNAME', 'etl_list'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1000;
COMMENT ON FUNCTION @extschema@.etl_list IS 'the objects of a bucket';

/*
 * etl_breakers: each origin that was sent a request lately, and the circuit breaker of each role that sent one.  All backends share them if the
 * library is in shared_preload_libraries; else each backend has its own.
 */
CREATE FUNCTION etl_catalog.breakers(
    OUT origin text, OUT role regrole, OUT state text, OUT failures int, OUT opened_at timestamptz, OUT probe_at timestamptz,
    OUT probe_pid int)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_list_breakers' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION etl_catalog.breakers IS 'what the view etl_breakers shows';

CREATE VIEW @extschema@.etl_breakers WITH (security_barrier) AS SELECT * FROM etl_catalog.breakers();
COMMENT ON VIEW @extschema@.etl_breakers IS 'circuit breakers of the origins that were sent requests';
GRANT SELECT ON @extschema@.etl_breakers TO pg_monitor;

/*
 * etl_breaker_reset: closes the circuit breakers of all roles for an origin, so that requests are sent to it again; false if nothing
 * is known of it.
 */
CREATE FUNCTION @extschema@.etl_breaker_reset(origin text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.etl_breaker_reset IS 'closes the circuit breakers of an origin';

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
 * format        'ndjson': each line is an item, or with items a value at whose root items starts, and what is broken
 *               on one is its fault.  'auto': without items each line is an item if the first one that is not blank
 *               is one whole value, and no array
 * on_error      an item with a fault: 'fail' is an error, 'skip' is left out and counted in a NOTICE, 'return'
 *               comes with NULLs and the reason in _etl_error
 * reject_limit  more items with a fault than this are an error
 * path          what to read below the URL of the server that is the source; '' is that URL itself
 * missing_columns  a column that the query reads and no item has is: 'error', at the end of the file, or of all files of
 *               a pattern; 'notice'; 'null', which says nothing.  If there is no item, or the query stops before the last one,
 *               or it leaves out items without looking at any column, that is not known.  In a pipeline: 'error' if no item of any
 *               run has had it, and else 'notice'
 *
 * A column is the member of its name, exactly or when both are folded to snake case; "address.city" reaches
 * into objects.  What is missing is NULL, and so is null; an item that has none of the declared columns is faulty, if
 * the query reads any.  Arrays and objects go into json, jsonb and text as
 * they are written, and into arrays and composite types as json_populate_record has it.
 *
 * Further columns that may be declared: _etl_source text, _etl_page int (number of the file), _etl_index int
 * (number of the item in it; both from 1), _etl_raw text (the item as it is written), _etl_item jsonb (the same),
 * _etl_error text.
 *
 * Among the files of a pattern, one that is empty, or only white space, is passed over, unless all of them are.
 *
 * Errors: 42501 without pg_read_server_files; 58P01 and kin if the file cannot be opened; 22032 for a file, or a line, that
 * is not JSON, or has no value, or ends early; 22021, 22P05, 22P02 for text that is no text; 22003 for numbers beyond numeric; 54000 beyond
 * etl.max_item_size and etl.max_json_depth; 22030 if a name on the way to the items stands twice; P0002 if the way
 * leads nowhere; 42702 for a column that two members match; 42703 for one that no item has; 2203C for an item that is no object; 2203A for one that has
 * none of the declared columns; and what the type of a column makes of its text; over http those of etl_csv.
 */
CREATE FUNCTION @extschema@.etl_json(
    source text,
    items text DEFAULT NULL,
    format text DEFAULT 'auto',
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    path text DEFAULT NULL,
    missing_columns text DEFAULT 'error')
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_json'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_internal.etl_scan_support;

COMMENT ON FUNCTION @extschema@.etl_json IS 'items of a JSON file';

/*
 * etl_lines: the lines of a text file on the server, or behind a URL, as a pattern divides them.
 *
 * source        as for etl_json
 * pattern       a regular expression of PCRE2 (at most 8 kB) that matches all of a line; its named groups, as in
 *               (?<level>[A-Z]+), are what columns read.  Or the name of one:
 *               common    host, ident, user, time, request, method, path, protocol, status, size
 *               combined  the same, and referer, agent
 *               syslog    priority, time, host, program, pid, message
 *               rfc3339   time, level, message
 * continuation  a regular expression; lines that it matches belong to the line before, with the line feed: \s.* for
 *               those that begin with a blank
 * encoding, on_error, reject_limit, path    as for etl_csv
 *
 * A column is the group of its name, exactly or when both are folded to snake case.  A group that takes no part in the
 * match is NULL.  Empty lines are no rows; a line that does not match has a fault.
 *
 * Further columns that may be declared: _etl_source text, _etl_line bigint, _etl_raw text, _etl_error text.
 *
 * Errors: those of etl_csv for the file; 2201B for a pattern that is none; 22023 for one without named groups; 42703 for a
 * column that is no group, 42702 for one that is two; 22P04 for a line that does not match, 54000 for one on which the
 * pattern takes too long (these two are faults of the row), or that is larger than etl.max_field_size; and what the type of
 * a column makes of its text.
 */
CREATE FUNCTION @extschema@.etl_lines(
    source text,
    pattern text,
    continuation text DEFAULT NULL,
    encoding text DEFAULT NULL,
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    path text DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_lines'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_internal.etl_scan_support;

COMMENT ON FUNCTION @extschema@.etl_lines IS 'lines of a text file, as a pattern divides them';

/*
 * etl_fixed: the lines of a text file on the server, or behind a URL, whose fields have fixed widths.
 *
 * source        as for etl_json
 * widths        the number of characters of each field
 * blanks        those around a field: 'null' takes them away, and a field of nothing else is NULL; 'trim' only takes them
 *               away; 'keep'
 * ragged        a line that is shorter than its widths: 'error' is a fault of it, 'pad' takes what is missing for blanks
 * encoding, on_error, reject_limit, path    as for etl_csv
 *
 * Columns take the fields by their position.  Empty lines are no rows.
 *
 * Further columns that may be declared, and errors: as for etl_lines; 22023 for widths; 22P04 for a line of another length.
 */
CREATE FUNCTION @extschema@.etl_fixed(
    source text,
    widths int[],
    blanks text DEFAULT 'null',
    ragged text DEFAULT 'error',
    encoding text DEFAULT NULL,
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    path text DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_fixed'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_internal.etl_scan_support;

COMMENT ON FUNCTION @extschema@.etl_fixed IS 'lines of a text file, whose fields have fixed widths';

/* ----------------------------------------------------------------
 *	A look at a source, and a table of it
 * ---------------------------------------------------------------- */

/*
 * etl_peek: the first records of a source, as they are, without naming a column.
 *
 * rows          how many to show
 * format        'auto': a source that begins, behind white space, with a brace or a bracket is JSON, and any other CSV;
 *               'csv'; 'json', as etl_json reads it by itself; 'ndjson', as it reads that
 * The other arguments are those of etl_csv, or of etl_json.
 *
 * Of CSV, line is the physical line on which a record starts, and record an object by the names of the header, in which
 * a name that comes again has a number, and fields beyond the header are in "_etl_extra"; without a header
 * it is an array.  Of JSON, record is an item and line its number in its file.  A record, header or item that is no text
 * has its reason in "_etl_error", and "_etl_detail" and "_etl_hint" if there is more to say.
 *
 * Errors: those of etl_csv or etl_json for opening, and for a source whose records cannot be told apart.
 */
DO $do$ BEGIN EXECUTE format($f$
CREATE FUNCTION @extschema@.etl_peek(source text, rows int DEFAULT 10, %s, %s)
RETURNS TABLE(line bigint, record json)
AS 'MODULE_PATHNAME', 'etl_peek'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10
$f$, etl_internal.arguments_of('@extschema@.etl_csv', '{source,match,ragged,on_error,reject_limit,union_by_name,stray_quotes}'),
    etl_internal.arguments_of('@extschema@.etl_json', '{source,on_error,reject_limit,path,missing_columns}')); END $do$;

COMMENT ON FUNCTION @extschema@.etl_peek IS 'the first records of a source, without naming a column';

/*
 * etl_csv_columns, etl_json_columns: names and types to declare for a source that etl_csv or etl_json reads.
 *
 * sample_rows   how many records to look at; NULL: all.  The other arguments are those of etl_csv, or of etl_json
 *
 * A type (bigint, numeric, boolean, date, timestamptz, uuid, jsonb) is proposed if every value of the sample has its
 * plain form; else text.  Numbers with leading zeros are text, as are dates in any order but year, month, day, and in JSON
 * whatever is not the same kind of value in all items, numbers in strings too.
 * declaration holds the column as it stands in a column definition list, with its comma: put the rows below each
 * other.  Names that a CSV file has twice, or not at all, need match => 'position'.
 *
 * Each member of JSON items is a column; arrays and objects are jsonb; if some items are no objects, the only column is
 * _etl_item.  Errors: those of etl_csv or etl_json; 54011 for more members than a table can have columns.
 */
DO $do$ BEGIN EXECUTE format($f$
CREATE FUNCTION @extschema@.etl_csv_columns(source text, sample_rows bigint DEFAULT 10000, %s)
RETURNS TABLE("position" int, header_name text, name text, data_type text, declaration text)
AS 'MODULE_PATHNAME', 'etl_csv_columns'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20;
CREATE FUNCTION @extschema@.etl_json_columns(source text, sample_rows bigint DEFAULT 10000, %s)
RETURNS TABLE("position" int, header_name text, name text, data_type text, declaration text)
AS 'MODULE_PATHNAME', 'etl_json_columns'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
$f$, etl_internal.arguments_of('@extschema@.etl_csv', '{source,match,ragged,on_error,reject_limit,union_by_name,stray_quotes}'),
    etl_internal.arguments_of('@extschema@.etl_json', '{source,on_error,reject_limit,missing_columns}')); END $do$;

COMMENT ON FUNCTION @extschema@.etl_csv_columns IS 'names and types to declare for the columns of a CSV file';
COMMENT ON FUNCTION @extschema@.etl_json_columns IS 'names and types to declare for the members of JSON items';

/*
 * etl_import: loads a source into a table, which it creates if there is none.
 *
 * target        the table, with its schema if need be; one that exists must have a column for each of the source's, by
 *               name, or, for a file without a header, as many columns, by position
 * sample_rows   how many records the columns of a new table are proposed from (see etl_csv_columns, etl_json_columns);
 *               where a later value is not one that the type would be proposed for, the column gets a type that fits all,
 *               text in the end (NOTICE), and the load starts again.  NULL: all.  So it is where faulty rows are skipped
 * format        as for etl_peek
 * union_by_name is as if it were true: several files make one table; if their headers differ, they must tell the columns
 *               apart
 * The other arguments are those of etl_csv, or of etl_json.
 *
 * Returns the number of rows loaded.  pg_stat_progress_copy shows how far it is.  Errors: those of etl_csv or etl_json; those
 * of CREATE TABLE and INSERT, for the privileges of the caller; 42703 if the table lacks a column of the source.
 */
DO $do$ BEGIN EXECUTE format($f$
CREATE FUNCTION @extschema@.etl_import(target text, source text, sample_rows bigint DEFAULT 10000, %s, %s)
RETURNS bigint
AS 'MODULE_PATHNAME', 'etl_import'
LANGUAGE C VOLATILE PARALLEL UNSAFE
$f$, etl_internal.arguments_of('@extschema@.etl_csv', '{source,match,union_by_name}'),
    etl_internal.arguments_of('@extschema@.etl_json', '{source,on_error,reject_limit,path,missing_columns}')); END $do$;

COMMENT ON FUNCTION @extschema@.etl_import IS 'loads a source into a table, which it creates if there is none';

/*
 * The dialects of paging that have a name.  Those that came with etl are presets; a row of a user's own goes before
 * a preset of the same name, and only such rows are dumped.
 */
CREATE FUNCTION etl_catalog.check_dialect(name text, options jsonb) RETURNS boolean
    AS 'MODULE_PATHNAME', 'etl_check_dialect' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION etl_catalog.check_dialect IS 'true, or an error that says what is wrong';

CREATE TABLE etl_catalog.dialects (
    name text NOT NULL CHECK (name <> ''),
    preset boolean NOT NULL DEFAULT false,
    options jsonb NOT NULL,
    remarks text,
    PRIMARY KEY (name, preset),
    CHECK (etl_catalog.check_dialect(name, options))
);
COMMENT ON TABLE etl_catalog.dialects
    IS 'dialects of paging, for etl_api; dumped: those that are no presets; purged: by etl_drop_dialect; seen by: everybody';
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.dialects', 'WHERE NOT preset');

INSERT INTO etl_catalog.dialects (name, preset, options, remarks) VALUES
    ('github', true, '{"pagination": "link", "limit_param": "per_page", "answers": "403 header:x-ratelimit-remaining=0 wait|429 wait", "wait": "header:x-ratelimit-reset=epoch_s"}', 'Link header; limits by 403 or 429'),
    ('gitlab', true, '{"pagination": "link", "limit_param": "per_page"}', 'Link header, for pages and keysets'),
    ('stripe', true, '{"pagination": "cursor", "items": "data", "next": "last:id", "next_param": "starting_after", "stop": "has_more=false"}', 'the last item''s id; newest first'),
    ('slack', true, '{"pagination": "cursor", "next": "response_metadata.next_cursor", "next_param": "cursor", "answers": "200 ok=false fail"}', 'set items to the method''s key; pages may be short'),
    ('shopify', true, '{"pagination": "link", "carry": "none"}', 'REST; set items to the resource''s name'),
    ('graphql', true, '{"pagination": "cursor", "method": "POST", "repeatable": "true", "next_param": "body:variables.after", "answers": "200 errors fail"}', 'Relay connections; set items to data.....nodes, next to ...pageInfo.endCursor and stop to ...pageInfo.hasNextPage=false'),
    ('notion', true, '{"pagination": "cursor", "items": "results", "next": "next_cursor", "next_param": "start_cursor", "stop": "has_more=false", "limit_param": "page_size"}', 'for POST searches set next_param to body:start_cursor'),
    ('hubspot', true, '{"pagination": "cursor", "items": "results", "next": "paging.next.after", "next_param": "after"}', 'lists'),
    ('hubspot_search', true, '{"pagination": "cursor", "items": "results", "next": "paging.next.after", "next_param": "body:after", "limit_param": "body:limit", "method": "POST", "repeatable": "true", "cap": "10000"}', 'searches end at 10,000: sort by hs_object_id, filter for GT {key}, and set rekey to last:id and key to 0'),
    ('salesforce', true, '{"pagination": "next_url", "items": "records", "next": "nextRecordsUrl", "stop": "done=true"}', 'queries'),
    ('zendesk', true, '{"pagination": "next_url", "next": "links.next", "stop": "meta.has_more=false"}', 'lists; set items to the resource''s name'),
    ('zendesk_export', true, '{"pagination": "cursor", "next": "after_cursor", "next_param": "cursor", "carry": "none", "stop": "end_of_stream=true"}', 'incremental exports by cursor; set items to the resource''s name'),
    ('jira', true, '{"pagination": "cursor", "items": "issues", "next": "nextPageToken", "next_param": "nextPageToken", "limit_param": "maxResults"}', 'Cloud: search by token'),
    ('jira_offset', true, '{"pagination": "offset", "items": "values", "offset_param": "startAt", "limit_param": "maxResults", "stop": "isLast=true"}', 'Cloud: lists with startAt'),
    ('twilio', true, '{"pagination": "next_url", "next": "next_page_uri", "limit_param": "PageSize"}', 'set items to the resource''s name'),
    ('square', true, '{"pagination": "cursor", "next": "cursor", "next_param": "cursor"}', 'set items to the resource''s name; where the cursor must come alone, carry to none'),
    ('airtable', true, '{"pagination": "cursor", "items": "records", "next": "offset", "next_param": "offset", "limit_param": "pageSize", "answers": "422 error.type=LIST_RECORDS_ITERATOR_NOT_AVAILABLE restart|422 error=LIST_RECORDS_ITERATOR_NOT_AVAILABLE restart"}', 'iterators expire'),
    ('intercom', true, '{"pagination": "cursor", "items": "data", "next": "pages.next.starting_after", "next_param": "starting_after", "limit_param": "per_page"}', 'lists; for searches set next_param to body:pagination.starting_after'),
    ('google', true, '{"pagination": "cursor", "items": "items", "next": "nextPageToken", "next_param": "pageToken", "limit_param": "maxResults", "missing_items": "empty", "on_empty": "continue:100"}', 'AIP-158: an empty page is not the end'),
    ('odata', true, '{"pagination": "next_url", "items": "value", "next": "\"@odata.nextLink\""}', 'OData 4, Microsoft Graph'),
    ('elasticsearch', true, '{"pagination": "cursor", "items": "hits.hits[]._source", "next": "hits.hits[].sort", "next_param": "body:search_after", "method": "POST", "repeatable": "true", "stop": "empty", "limit_param": "body:size"}', 'search_after; the body needs a sort with a tiebreaker'),
    ('elasticsearch_scroll', true, '{"pagination": "cursor", "items": "hits.hits[]._source", "next": "_scroll_id", "next_param": "body:scroll_id", "next_path": "/_search/scroll", "carry": "scroll", "method": "POST", "stop": "empty", "guard": "content"}', 'the id may stay the same'),
    ('couchdb', true, '{"pagination": "cursor", "items": "docs", "next": "bookmark", "next_param": "body:bookmark", "limit_param": "body:limit", "method": "POST", "repeatable": "true", "stop": "short|empty"}', '_find; a bookmark comes even at the end'),
    ('couchdb_changes', true, '{"pagination": "cursor", "items": "results", "next": "last_seq", "next_param": "since", "stop": "pending=0|empty"}', '_changes; last_seq comes even at the end'),
    ('jsonapi', true, '{"pagination": "next_url", "items": "data", "next": "links.next"}', 'JSON:API; where next is an object, set next to links.next.href'),
    ('fhir', true, '{"pagination": "next_url", "items": "entry[].resource", "next": "link[relation=next].url", "missing_items": "empty"}', 'bundles of a search'),
    ('socrata', true, '{"pagination": "offset", "offset_param": "$offset", "limit_param": "$limit", "stop": "short"}', 'give params a $order, as :id'),
    ('ckan', true, '{"pagination": "offset", "items": "result.records", "stop": "empty|total=result.total", "answers": "200 success=false fail"}', 'datastore_search'),
    ('crossref', true, '{"pagination": "cursor", "items": "message.items", "first": "*", "next": "message.next-cursor", "next_param": "cursor", "limit_param": "rows", "stop": "short=message.items-per-page|empty", "guard": "content", "wait": "header:x-rate-limit-interval"}', 'the cursor may stay the same'),
    ('openalex', true, '{"pagination": "cursor", "items": "results", "first": "*", "next": "meta.next_cursor", "next_param": "cursor", "limit_param": "per-page", "stop": "empty"}', 'cursor paging'),
    ('reddit', true, '{"pagination": "cursor", "items": "data.children[].data", "next": "data.after", "next_param": "after", "wait": "header:x-ratelimit-reset=delta"}', 'listings end near 1000'),
    ('discord', true, '{"pagination": "cursor", "next": "last:id", "next_param": "before", "stop": "short|empty", "wait": "retry_after=delta|header:x-ratelimit-reset-after=delta"}', 'newest first; for lists of members set next_param to after'),
    ('wordpress', true, '{"pagination": "page", "stop": "pages=header:x-wp-totalpages"}', 'WordPress and WooCommerce; order by id'),
    ('pagerduty', true, '{"pagination": "offset", "stop": "more=false"}', 'set items to the resource''s name'),
    ('freshdesk', true, '{"pagination": "page", "stop": "short|empty"}', '300 pages at most'),
    ('pipedrive', true, '{"pagination": "cursor", "items": "data", "next": "additional_data.pagination.next_start", "next_param": "start", "stop": "additional_data.pagination.more_items_in_collection=false"}', 'version 1');

CREATE VIEW @extschema@.etl_dialects WITH (security_barrier) AS
    SELECT DISTINCT ON (name) name, preset, options, remarks FROM etl_catalog.dialects ORDER BY name, preset;
COMMENT ON VIEW @extschema@.etl_dialects IS 'dialects of paging that etl_api knows by name';
GRANT SELECT ON @extschema@.etl_dialects TO PUBLIC;

/*
 * etl_set_dialect: stores a dialect under a name, in the place of what was stored there; a preset of that name is
 * set aside.  options are those of etl_api, by name.  Errors: 22023 for an option that is wrong.
 *
 * etl_drop_dialect: takes it away again, so that a preset of that name counts; false if there was none.
 */
CREATE FUNCTION @extschema@.etl_set_dialect(name text, options jsonb, remarks text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO etl_catalog.dialects (name, preset, options, remarks) VALUES ($1, false, $2, $3)
    ON CONFLICT (name, preset) DO UPDATE SET options = EXCLUDED.options, remarks = EXCLUDED.remarks
$$;
COMMENT ON FUNCTION @extschema@.etl_set_dialect IS 'stores a dialect of paging for etl_api';

CREATE FUNCTION @extschema@.etl_drop_dialect(name text) RETURNS boolean
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    WITH gone AS (DELETE FROM etl_catalog.dialects d WHERE d.name = $1 AND NOT d.preset RETURNING 1)
    SELECT EXISTS (SELECT FROM gone)
$$;
COMMENT ON FUNCTION @extschema@.etl_drop_dialect IS 'takes away a dialect that etl_set_dialect stored';

/*
 * etl_api: the items of a collection that an API hands out page by page.
 *
 * source        an http or https URL, or the name of a foreign server of the wrapper etl
 * path          what to read below it
 * params        parameters of the query: an object; null leaves one out, an array gives it several times
 * items         where the items are: data, data.items, hits.hits, entry[].resource, result.* (the values of an object),
 *               $ (the body; of an array, its elements).  NULL: the list that the first page has, or an error if it has
 *               several; the elements of a body that is an array, or values one after another
 * pagination    'auto': as the first answer shows, or an error where that leaves a doubt; 'none': one request; 'link':
 *               the Link header has the URL of the next page; 'next_url': something else has; 'cursor': a value of
 *               this page leads to the next; 'page': pages are numbered; 'offset': so many items are passed over; or
 *               the name of a row of etl_dialects, to which the other arguments and options are exceptions
 * next          where the URL or cursor is: a path of the body (paging.next), header:NAME, last:PATH (of the last item),
 *               link:RELATION
 * next_param    where the cursor goes: a parameter's name, body:PATH, header:NAME, url (it is the URL)
 * page_param    where the number of a page goes, as in next_param
 * page_size     items asked for per page
 * stop          what ends the scan beside the lack of a next page, with | between several: PATH=VALUE (has_more=false),
 *               total=PATH (number of items), pages=PATH, empty, short (a page shorter than the longest before it),
 *               short=PATH (than the size that the server gives), older:PATH=VALUE (the last item of a page has an older
 *               time, or a smaller number, there: for what comes newest first).  PATH may be header:NAME
 * max_pages     after so many the scan ends
 * method, body, headers       of the request; a body is sent by POST
 * format        'ndjson': each line of a page is an item, or with items a value at whose root items starts, and what is
 *               broken on one is its fault; unless it may have said where the next page is, or whether there is one
 *               'csv': a page is CSV with a header of its own, whose records are the items
 * concurrency   requests under way at most; 2
 * options       an object of options that few APIs need, which are listed below.  It takes what the arguments from items
 *               to concurrency say as well, but for params, headers and body: it is what etl_set_dialect stores
 * on_error, reject_limit      as for etl_json, as are the columns
 * missing_columns             the same, but the default is 'notice', and in a pipeline 'error'
 *
 * Options:
 *
 * next_path     where all requests but the first go, as a reference found at the first; {next} in it is the cursor
 * first         what the first request has in its place; of page 1, of offset 0
 * offset_param  where the number of items to be passed over goes, as in next_param
 * limit_param   where page_size goes
 * on_empty      an empty page that names a next one is: 'stop' the end; 'continue' nothing special; 'continue:N' (3) that,
 *               N times in a row; 'error'
 * guard         'on': a URL or cursor that this scan has followed before is an error, and so is a page whose items were
 *               all on an earlier page; 'content': only the latter; 'off'
 * carry         what of params and body goes along with later requests: 'all', 'none' or names with commas.  A URL needs
 *               nothing
 * cap           number of items at which the server falls silent: an error, but with rekey
 * rekey, key    rekey: where the key of the last item of a page is, as in next (last:id); after cap items a new search
 *               begins behind it, in which that key takes the place of {key} in params and body.  key: what stands
 *               there first.  The items have to be in the order of their keys.  A search for what has this key or a later
 *               one may hand out items once more, which are passed over; one for later keys needs keys that are unique
 * slice         the scan is cut into searches for so much time each, from slice_from to slice_to (now), whose ends take the
 *               place of {from} and {to} in params and body, {to} less slice_gap.  slice_format: 'iso' (in UTC), 'date',
 *               'epoch', 'epoch_ms'.  In body "{from:number}" becomes a number; so do {to:number} and {key:number}
 * repeatable    a POST may be sent again
 * wait          where the server says how long to wait, beside Retry-After: header:NAME or PATH, with =delta, =epoch_s,
 *               =epoch_ms or =date if it is not to be told by its size; PATH~"REGEX" takes it out of a message.  | between
 *               several, of which the longest counts
 * answers       what certain answers are, with | between several: STATUS [PATH[=VALUE]] and ok, wait, restart (from page 1),
 *               empty, fail or refresh (the token of OAuth, then again), as in
 *               '403 header:x-ratelimit-remaining=0 wait|200 ok=false fail'.  * is any status
 * on_truncation where not all items may be there: 'error', 'warning'
 * missing_items a page without what items leads to is: 'error', 'empty'
 *
 * EXPLAIN ANALYZE tells how the scan ended: no_next, flag, short, empty, total, older, cap, single, limit (the query
 * wanted no more), truncated.
 *
 * Errors: those of etl_csv over http; those of etl_json in a body; 22023 for options, and where pagination is in doubt;
 * 08P01 for a loop, a broken promise, and items that are not all there; 42501 for a next page at another origin;
 * 40001 for a page that had to be asked for again and has changed; P0002 where items leads nowhere; HV000 for an answer
 * that answers calls an error; 42704 for a dialect that does not exist.
 */
CREATE FUNCTION @extschema@.etl_api(
    source text,
    path text DEFAULT NULL,
    params jsonb DEFAULT NULL,
    items text DEFAULT NULL,
    pagination text DEFAULT 'auto',
    next text DEFAULT NULL,
    next_param text DEFAULT NULL,
    page_param text DEFAULT NULL,
    page_size int DEFAULT NULL,
    stop text DEFAULT NULL,
    max_pages bigint DEFAULT NULL,
    method text DEFAULT NULL,
    body jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    format text DEFAULT NULL,
    concurrency int DEFAULT NULL,
    options jsonb DEFAULT NULL,
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    missing_columns text DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_api'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_internal.etl_scan_support;

COMMENT ON FUNCTION @extschema@.etl_api IS 'items of a paged API';

/*
 * etl_api_many: the items that many requests to an API give, of which several are under way at once.
 *
 * source        as for etl_api
 * requests      what is asked for: objects with members path, params, headers, body, as the arguments of etl_api.  path and body
 *               take the place of the arguments of that name, params and headers come beside them.  null asks for nothing
 * query         instead of requests: a statement that returns one of these for each row.  It is the caller's, runs read-only and
 *               to its end before the first request is sent
 * concurrency   requests under way at most, 1 to 100; pages of one request are asked for one after the other
 * in_order      true: rows come in the order of the requests; false: as the answers come
 * on_error      'fail'; 'skip'; 'return': a request that fails (its server cannot be reached, says that it is wrong, or
 *               still says "later" after all attempts) is one row with _etl_request and _etl_error, as faulty items are
 * reject_limit  as for etl_json, over items and requests
 * the others    as for etl_api
 *
 * Further columns that may be declared: those of etl_api, and _etl_request int, the number of the request, from 1.
 *
 * EXPLAIN ANALYZE tells the requests, and how long was waited for attempts and rate limits, added up over all requests.
 *
 * Errors: those of etl_api; 22023 unless there are either requests or a query; 42601 and 42804 for a query that is not one
 * statement which returns one column of type jsonb.  CONTEXT has the number of the request.
 */
CREATE FUNCTION @extschema@.etl_api_many(
    source text,
    requests jsonb[] DEFAULT NULL,
    query text DEFAULT NULL,
    concurrency int DEFAULT 16,
    in_order boolean DEFAULT true,
    path text DEFAULT NULL,
    params jsonb DEFAULT NULL,
    items text DEFAULT NULL,
    pagination text DEFAULT 'auto',
    next text DEFAULT NULL,
    next_param text DEFAULT NULL,
    page_param text DEFAULT NULL,
    page_size int DEFAULT NULL,
    stop text DEFAULT NULL,
    max_pages bigint DEFAULT NULL,
    method text DEFAULT NULL,
    body jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    format text DEFAULT NULL,
    options jsonb DEFAULT NULL,
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL,
    missing_columns text DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_api_many'
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1000 SUPPORT etl_internal.etl_scan_support;

COMMENT ON FUNCTION @extschema@.etl_api_many IS 'items that many requests to an API give';

/*
 * etl_api_explain: one request, and what was concluded from its answer: dialect, items, the next page, how the end is
 * known, headers that say how often the server may be asked, columns, and a call to be pasted.  The arguments are
 * those of etl_api, and so are the errors; a doubt is shown instead of raised.
 */
DO $do$ BEGIN EXECUTE format($f$
CREATE FUNCTION @extschema@.etl_api_explain(%s)
RETURNS TABLE(property text, value text)
AS 'MODULE_PATHNAME', 'etl_api_explain'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 20
$f$, etl_internal.arguments_of('@extschema@.etl_api', '{on_error,reject_limit,missing_columns}')); END $do$;

COMMENT ON FUNCTION @extschema@.etl_api_explain IS 'what one answer of a paged API shows, and how to read it all';

/*
 * etl_ingest: records that are pushed by HTTP, POST /ingest/DATABASE/PIPELINE.  Only as the source of a continuous pipeline.
 *
 * format        what the body of a request holds: 'json', an array of items, or items one behind the other (NDJSON); 'csv', records
 *               without a header, whose fields are the columns in their order; 'text' and 'bytes', the one column that is declared, of
 *               any name
 * items         of JSON: the path of the items in a body
 * dedupe_window    for how long a request with an Idempotency-Key that comes again is not loaded again
 * missing_columns, on_error, reject_limit    as for etl_api
 *
 * Further columns that may be declared: _etl_source text, _etl_offset bigint (of the request, among all of the pipeline),
 * _etl_index int (of the item in the body), _etl_raw text, _etl_item jsonb, _etl_error text.
 *
 * The records of a request are loaded in one transaction, and the request is answered when that is committed.
 *
 * Errors: 0A000 anywhere but in a continuous pipeline; 55000 where there is no gateway; 53400 if too many pipelines take records;
 * 22023 for arguments; and those of etl_json for a body, which are faults of its rows.
 */
CREATE FUNCTION @extschema@.etl_ingest(
    format text DEFAULT 'json',
    items text DEFAULT NULL,
    dedupe_window interval DEFAULT '1 day',
    missing_columns text DEFAULT NULL,
    on_error text DEFAULT 'fail',
    reject_limit bigint DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'etl_ingest'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 SUPPORT etl_internal.etl_scan_support;

COMMENT ON FUNCTION @extschema@.etl_ingest IS 'records that are pushed by HTTP';

/*
 * The second form of the functions that stream rows: row_type is a NULL of the composite type whose columns they have, as in
 * etl_csv(NULL::orders, '/data/orders.csv').  The other arguments are the same.
 *
 * And the twins of both forms by which sources of pipelines are looked up (pipeline/source_call.c).  Nobody may call
 * these.
 *
 * twins_of has the statements that make all of that of the first form, also for extensions that bring a source of their own (etl_source.h).
 */
CREATE FUNCTION etl_internal.twins_of(function regproc) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT format($f$
CREATE FUNCTION %7$I.%1$I(row_type anyelement, %2$s)
RETURNS SETOF anyelement
AS %5$L, %6$L
LANGUAGE C STABLE PARALLEL %10$s ROWS 1000 SUPPORT etl_internal.etl_scan_support;
COMMENT ON FUNCTION %7$I.%1$I(row_type anyelement, %3$s) IS %4$L;
CREATE FUNCTION etl_internal.%8$I(%2$s) RETURNS SETOF record
AS %5$L, %6$L LANGUAGE C STABLE PARALLEL %10$s;
CREATE FUNCTION etl_internal.%8$I(row_type anyelement, %2$s) RETURNS SETOF anyelement
AS %5$L, %6$L LANGUAGE C STABLE PARALLEL %10$s;
COMMENT ON FUNCTION etl_internal.%8$I(%3$s) IS %9$L;
COMMENT ON FUNCTION etl_internal.%8$I(row_type anyelement, %3$s) IS %9$L;
REVOKE EXECUTE ON FUNCTION etl_internal.%8$I(%3$s), etl_internal.%8$I(row_type anyelement, %3$s) FROM PUBLIC
$f$, p.proname, etl_internal.arguments_of(p.oid), pg_get_function_identity_arguments(p.oid),
            obj_description(p.oid, 'pg_proc') || ', with the columns of a composite type', p.probin, p.prosrc, n.nspname,
            p.proname || '_source', 'stands for ' || p.proname || ' in sources of pipelines',
            CASE p.proparallel WHEN 'u' THEN 'UNSAFE' ELSE 'RESTRICTED' END)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = $1;
END;
COMMENT ON FUNCTION etl_internal.twins_of IS 'statements that make the second form of a function that streams rows, and its twins; for scripts of extensions';
REVOKE EXECUTE ON FUNCTION etl_internal.twins_of, etl_internal.arguments_of FROM PUBLIC;

DO $do$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{etl_csv,etl_json,etl_lines,etl_fixed,etl_api,etl_api_many,etl_ingest}'::text[] LOOP
        EXECUTE etl_internal.twins_of(('@extschema@.' || name)::regproc);
    END LOOP;
END $do$;

/* ----------------------------------------------------------------
 *	Export
 * ---------------------------------------------------------------- */

/*
 * etl_export: the rows of a query, written to a file.
 *
 * query         one statement that returns rows; it is the caller's, and runs with the caller's rights
 * target        a file on the database server, by its absolute path.  It is there at the end, whole, or not at all; like whatever
 *               a transaction does outside of the database, it stays when that rolls back
 * format        'csv', as etl_csv and COPY read it; 'ndjson': a line of JSON for each row, in UTF-8
 * compress      'none', 'gzip' or 'zstd'; without it by the end of the name: .gz, .zst
 * header, delimiter, null_string, encoding    of CSV, as for etl_csv; NULL values are the null string, other values that would
 *               be read as that have quotes
 * overwrite     false: a file of that name is an error
 *
 * Returns how many rows were written, in how many bytes as they are stored, and the version of the file as etl_parts has it.
 *
 * Errors: 42501 without the rights of pg_write_server_files; 42602 for a path that is not absolute; 42809 for a target that is no
 * regular file; 58P02 for one that exists, with overwrite => false; 42601 for a query that is not one, or returns no rows; 0A000
 * for a URL; 22023 for other arguments; 22P05 for a character that the encoding does not have.
 */
CREATE FUNCTION @extschema@.etl_export(
    query text,
    target text,
    format text DEFAULT 'csv',
    compress text DEFAULT NULL,
    header boolean DEFAULT true,
    delimiter text DEFAULT ',',
    null_string text DEFAULT '',
    encoding text DEFAULT NULL,
    overwrite boolean DEFAULT true,
    OUT rows bigint, OUT bytes bigint, OUT version text)
RETURNS record
AS 'MODULE_PATHNAME', 'etl_export'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION @extschema@.etl_export IS 'writes the rows of a query to a file';

/* ----------------------------------------------------------------
 *	Pipelines
 * ---------------------------------------------------------------- */

/*
 * A role, stored by its OID and written, so dumped, by its name: a role that was dropped is nobody, and so is a name of
 * which there is no role where the dump is restored.
 */
CREATE TYPE etl_catalog.role;
CREATE FUNCTION etl_catalog.role_in(name cstring) RETURNS etl_catalog.role
    AS 'MODULE_PATHNAME', 'etl_role_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION etl_catalog.role_out(role etl_catalog.role) RETURNS cstring
    AS 'MODULE_PATHNAME', 'etl_role_out' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE TYPE etl_catalog.role (INPUT = etl_catalog.role_in, OUTPUT = etl_catalog.role_out, LIKE = oid);
CREATE CAST (etl_catalog.role AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (oid AS etl_catalog.role) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON TYPE etl_catalog.role IS 'a role, dumped by its name';
COMMENT ON FUNCTION etl_catalog.role_in(cstring) IS 'the role of a name, or nobody';
COMMENT ON FUNCTION etl_catalog.role_out(etl_catalog.role) IS 'the name of a role, empty if there is none';
COMMENT ON CAST (etl_catalog.role AS oid) IS 'its OID';
COMMENT ON CAST (oid AS etl_catalog.role) IS 'the role of that OID';

CREATE TABLE etl_catalog.pipelines (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    owner etl_catalog.role NOT NULL,    -- whose rights a run has
    accepted boolean NOT NULL,          -- the owner gave source, query, rules, target, delete_when and delete_scope, or resumed the pipeline with them
    search_path text NOT NULL,          -- of the session that did so, with
    settings text[] NOT NULL,           -- name=value: others of that session, with which a run reads these texts and values
    source text NOT NULL,
    query text NOT NULL,
    target text NOT NULL,               -- qualified and quoted
    key text[],                         -- columns
    mode text NOT NULL,
    on_conflict text NOT NULL,
    deletes text NOT NULL,              -- what becomes of rows that the source has no more: keep, delete, mark:column
    snapshot text NOT NULL,             -- which parts are the source then: all, newest
    replace_by text NOT NULL,           -- how one without a key empties the target: delete or truncate
    missing text NOT NULL,              -- what becomes of columns that a record lacks
    evolve text NOT NULL,               -- what becomes of columns that are not declared: notice, freeze
    delete_when text,                   -- of an upsert: a boolean expression over columns of the query, true of rows that delete
    delete_scope text,                  -- of a replace: a boolean expression over columns of the target
    delete_limit text NOT NULL,         -- of a replace, as in 10%
    valid_from text,                    -- of a history: columns of the target; NULL: they have these names
    valid_to text,
    compared text[],                    -- columns of the query that make a version; NULL: all but key and watermark
    watermark text,                     -- a column
    watermark_as text NOT NULL,         -- value, or text: letter by letter
    watermark_lag text,
    watermark_max text,
    rules jsonb NOT NULL,               -- name: boolean expression
    redact text[] NOT NULL,             -- columns of the source
    enrich jsonb NOT NULL,              -- relation: what is asked for the keys of a batch
    whole boolean NOT NULL,             -- the query sees all of the source at once
    parallel int NOT NULL,              -- processes that share a run
    parts_disjoint boolean NOT NULL,    -- rows of one key are in one part of the source only
    batch_size int NOT NULL,
    flush_interval interval NOT NULL,
    on_error text NOT NULL,
    reject_limit bigint,
    on_bad_part text NOT NULL,
    when_done text,                     -- what is done with a part that is loaded; NULL: nothing
    on_shutdown text NOT NULL,
    max_runtime interval,
    enabled boolean NOT NULL,
    system_identifier bigint NOT NULL,  -- of the server, and
    database oid NOT NULL,              -- the database to which it belongs: elsewhere it is a copy
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE etl_catalog.pipelines
    IS 'definitions of pipelines; dumped: yes; purged: by etl_drop_pipeline; seen by: owner, pg_monitor but for source, query, rules, enrich, delete_when and delete_scope';

CREATE TABLE etl_catalog.targets (
    pipeline bigint NOT NULL REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    position bigint NOT NULL,           -- among the further targets of the pipeline
    target text NOT NULL,               -- qualified and quoted
    query text NOT NULL,
    key text[],                         -- columns
    mode text NOT NULL,
    on_conflict text NOT NULL,
    rules jsonb NOT NULL,               -- name: boolean expression
    delete_within text[],               -- columns: rows that belong to one record, and go when it has them no more
    PRIMARY KEY (pipeline, target)
);
COMMENT ON TABLE etl_catalog.targets
    IS 'further targets of pipelines; dumped: yes; purged: by etl_drop_target and etl_drop_pipeline; seen by: owner, pg_monitor but for query and rules';

CREATE TABLE etl_catalog.ingest_tokens (
    pipeline bigint NOT NULL REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    name text NOT NULL,
    hash text NOT NULL,                 -- SHA-256 of the token, in hexadecimal digits
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, name)
);
COMMENT ON TABLE etl_catalog.ingest_tokens
    IS 'tokens with which records may be pushed to pipelines; dumped: yes; purged: by etl_drop_ingest_token and etl_drop_pipeline; seen by: owner but for hashes, pg_monitor but for hashes';

/* Requests that came with an Idempotency-Key: one that comes again has the same answer. */
CREATE TABLE etl_catalog.ingest_keys (
    pipeline bigint NOT NULL REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    key text COLLATE "C" NOT NULL,      -- SHA-256 of the key, and
    body text NOT NULL,                 -- of the body, in hexadecimal digits
    loaded bigint NOT NULL,
    set_aside bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (pipeline, key)
);
CREATE INDEX ON etl_catalog.ingest_keys (pipeline, at); -- for those that are too old
COMMENT ON TABLE etl_catalog.ingest_keys
    IS 'requests with an Idempotency-Key, and how they were answered; dumped: yes; purged: after dedupe_window, by etl_drop_pipeline; seen by: nobody';

CREATE TABLE etl_catalog.checkpoints (
    pipeline bigint NOT NULL,
    part text COLLATE "C" NOT NULL,     -- of the source: a file, ...; runs walk through them in the order of their bytes
    position text NOT NULL,             -- in it, as the reader of that source writes it; empty: none is known
    skipped bigint NOT NULL,            -- records behind that position which are done, too
    rows bigint NOT NULL,               -- all records of it that are done
    state text NOT NULL,                -- reading, done, set_aside
    version text,                       -- what tells this content of the part from others; one that is set aside is read again when it has another, or none
    attempts int NOT NULL,              -- that have failed since it was last read to its end
    sqlstate text,                      -- of the last of these
    message text,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    missing_since timestamptz,          -- when a run first found that it is gone
    pending boolean NOT NULL,           -- when_done is still to be done with this version
    PRIMARY KEY (pipeline, part)
);
CREATE INDEX ON etl_catalog.checkpoints (pipeline) WHERE state = 'set_aside'; -- for @extschema@.etl_status to count
CREATE INDEX ON etl_catalog.checkpoints (pipeline, part) WHERE pending;
COMMENT ON TABLE etl_catalog.checkpoints
    IS 'how far pipelines have come in each part of their sources; dumped: yes; purged: after etl.retention once the file or object is gone, by etl_reset and etl_drop_pipeline; seen by: owner but for positions, pg_monitor but for parts and messages';

CREATE TABLE etl_catalog.backfills (
    pipeline bigint PRIMARY KEY REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    checkpoints bigint NOT NULL DEFAULT nextval('etl_catalog.pipelines_id_seq'), -- the number under which those of the range in hand are kept
    type text NOT NULL,                 -- of these
    since text NOT NULL,
    until text NOT NULL,                -- which is not in it
    step text NOT NULL,
    next text NOT NULL,                 -- where the next range begins: what is before is done
    started_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE etl_catalog.backfills
    IS 'ranges of sources that are read again; dumped: yes; purged: when they are done, by etl_drop_pipeline; seen by: owner, pg_monitor';

CREATE TABLE etl_catalog.watermarks (
    pipeline bigint PRIMARY KEY,
    type text NOT NULL,                 -- of the values
    value text,                         -- of complete scans
    value_at timestamptz,               -- that as a time; NULL: it is none, or none that a timestamptz takes
    pending text,                       -- including the scan under way
    pending_at timestamptz
);
COMMENT ON TABLE etl_catalog.watermarks
    IS 'highest watermarks that pipelines have seen; dumped: yes; purged: by etl_reset and etl_drop_pipeline; seen by: owner, pg_monitor if they are numbers or times';

CREATE TABLE etl_catalog.seen_columns (
    pipeline bigint PRIMARY KEY REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    columns text[] NOT NULL,            -- of the source, that some record of some run had
    undeclared text[] NOT NULL DEFAULT '{}' -- those that the source has and the declaration has not: at most 100 that were reported
);
COMMENT ON TABLE etl_catalog.seen_columns
    IS 'columns that the records of pipelines have had; dumped: yes; purged: by etl_drop_pipeline; seen by: nobody';

CREATE UNLOGGED TABLE etl_catalog.enriched (
    pipeline bigint NOT NULL,
    name text NOT NULL,                 -- of the enrichment
    definition text NOT NULL,           -- SHA-256 of its call and key
    key text NOT NULL,                  -- SHA-256 of the values
    items text[] NOT NULL,              -- of the answer
    fetched_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, name, definition, key)
);
CREATE INDEX ON etl_catalog.enriched (pipeline, fetched_at); -- for etl.retention
COMMENT ON TABLE etl_catalog.enriched
    IS 'answers that enrichments keep; dumped: no; purged: after etl.retention, by etl_purge and etl_drop_pipeline; seen by: nobody';

CREATE TABLE etl_catalog.tombstones (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline bigint NOT NULL REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    key_hash bigint NOT NULL,
    key text[] NOT NULL,
    key_type text NOT NULL,             -- names and types of its columns
    key_order text NOT NULL,            -- watermark of what has deleted its row: an older row does not bring it back
    deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON etl_catalog.tombstones (pipeline, key_hash);
CREATE INDEX ON etl_catalog.tombstones (pipeline, deleted_at); -- for etl.retention
COMMENT ON TABLE etl_catalog.tombstones
    IS 'keys whose rows pipelines have deleted; dumped: yes; purged: after etl.retention, by etl_purge, etl_reset and etl_drop_pipeline; seen by: nobody';

CREATE TABLE etl_catalog.runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline bigint NOT NULL,
    kind text NOT NULL,                 -- load, retry of dead letters, or backfill
    state text NOT NULL,                -- running, succeeded, failed, cancelled, stopped, crashed
    pid int NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    flushed_at timestamptz,             -- of a continuous run: when it had last loaded what there was
    batches bigint NOT NULL DEFAULT 0,
    read bigint NOT NULL DEFAULT 0,
    malformed bigint NOT NULL DEFAULT 0,
    convert_failed bigint NOT NULL DEFAULT 0,
    converted bigint NOT NULL DEFAULT 0,
    emitted bigint NOT NULL DEFAULT 0,
    invalid bigint NOT NULL DEFAULT 0,
    superseded bigint NOT NULL DEFAULT 0,
    load_failed bigint NOT NULL DEFAULT 0,
    loaded bigint NOT NULL DEFAULT 0,
    inserted bigint DEFAULT 0,          -- NULL: only "loaded", the sum of both, is known
    updated bigint DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    tombstones bigint NOT NULL DEFAULT 0, -- rows of "emitted" that delete
    deleted bigint NOT NULL DEFAULT 0,  -- rows of the target
    marked bigint NOT NULL DEFAULT 0,   -- rows of the target that the source has no more
    closed bigint NOT NULL DEFAULT 0,   -- versions of a history
    null_watermark bigint NOT NULL DEFAULT 0, -- rows of "emitted"
    parts_set_aside bigint NOT NULL DEFAULT 0,
    parts_empty bigint NOT NULL DEFAULT 0,
    columns_missing bigint NOT NULL DEFAULT 0, -- of the source, that no record had:
    missing_columns text[],
    columns_new bigint NOT NULL DEFAULT 0, -- of the source, that are not declared, and that no run had found before:
    new_columns text[],
    sqlstate text,
    message text
);
/* The latest of a pipeline: by an order that no other index has, for the primary key would read the runs of all others. */
CREATE INDEX ON etl_catalog.runs (pipeline, (-id));
CREATE INDEX ON etl_catalog.runs (pipeline, started_at);               -- for etl.retention
CREATE INDEX ON etl_catalog.runs (pipeline) WHERE state = 'running';
COMMENT ON TABLE etl_catalog.runs
    IS 'history of runs; dumped: no; purged: after etl.retention, by etl_purge and etl_drop_pipeline; seen by: owner, pg_monitor but for messages';

CREATE TABLE etl_catalog.run_targets (
    run bigint NOT NULL REFERENCES etl_catalog.runs ON DELETE CASCADE,
    target text NOT NULL,
    emitted bigint NOT NULL,
    invalid bigint NOT NULL,
    superseded bigint NOT NULL,
    load_failed bigint NOT NULL,
    loaded bigint NOT NULL,
    inserted bigint,                    -- NULL: only "loaded", the sum of both, is known
    updated bigint,
    skipped bigint NOT NULL,
    deleted bigint NOT NULL,
    PRIMARY KEY (run, target)
);
COMMENT ON TABLE etl_catalog.run_targets
    IS 'what runs have done to further targets; dumped: no; purged: with their runs; seen by: owner, pg_monitor';

/*
 * What all runs that have ended add up to, purged ones too; a run adds itself when it ends.  The counters are those of
 * etl_catalog.runs, with 0 for those that are not known.
 */
CREATE TABLE etl_catalog.totals (
    pipeline bigint PRIMARY KEY REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    cancelled bigint NOT NULL,
    stopped bigint NOT NULL,
    crashed bigint NOT NULL,
    seconds numeric NOT NULL,           -- of all but the crashed
    last_seconds numeric,
    last_finished timestamptz,
    last_success timestamptz,
    last_load_began timestamptz,        -- of those that succeeded; what comes "after" is newer
    batches bigint NOT NULL,
    read bigint NOT NULL,
    malformed bigint NOT NULL,
    convert_failed bigint NOT NULL,
    converted bigint NOT NULL,
    emitted bigint NOT NULL,
    invalid bigint NOT NULL,
    superseded bigint NOT NULL,
    load_failed bigint NOT NULL,
    loaded bigint NOT NULL,
    inserted bigint NOT NULL,
    updated bigint NOT NULL,
    skipped bigint NOT NULL,
    tombstones bigint NOT NULL,
    deleted bigint NOT NULL,
    marked bigint NOT NULL,
    closed bigint NOT NULL,
    null_watermark bigint NOT NULL,
    parts_set_aside bigint NOT NULL,
    parts_empty bigint NOT NULL,
    columns_missing bigint NOT NULL,
    columns_new bigint NOT NULL
);
COMMENT ON TABLE etl_catalog.totals
    IS 'what the runs of each pipeline add up to; dumped: no; purged: by etl_drop_pipeline; seen by: owner, pg_monitor';

CREATE TABLE etl_catalog.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline bigint NOT NULL,
    run bigint NOT NULL,
    stage text NOT NULL,                -- parse, convert, enrich, rule, load
    source text,
    line bigint,                        -- of CSV and NDJSON, or
    page bigint,                        -- and
    index bigint,                       -- in it, of JSON
    byte_offset bigint,
    column_name text,
    value text,
    raw text,
    header text,                        -- what names the fields of raw
    rule text,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    attempts int NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    replayable boolean NOT NULL,
    key text[],                         -- of the row that the record would have been, in an upsert; NULL: not known, and so are
    key_type text,                      -- of which columns and types it is, and
    key_hash bigint,                    -- its hash
    key_order text,                     -- the watermark of that row; NULL: it has none
    resolved_at timestamptz,
    resolved_by bigint,                 -- run
    resolution text                     -- loaded (by a retry), superseded
);
CREATE INDEX ON etl_catalog.dead_letters (pipeline, id);
CREATE INDEX ON etl_catalog.dead_letters (pipeline, resolved_at) WHERE resolved_at IS NOT NULL; -- for etl.retention
CREATE INDEX ON etl_catalog.dead_letters (pipeline, id) WHERE resolved_at IS NULL; -- for @extschema@.etl_status and @extschema@.etl_metrics to count
CREATE INDEX ON etl_catalog.dead_letters (pipeline, hashtextextended(raw, 0), id) WHERE resolved_at IS NULL; -- for a record that fails again
CREATE INDEX ON etl_catalog.dead_letters (pipeline, key_hash) WHERE resolved_at IS NULL AND key_hash IS NOT NULL; -- for a later record of the key
COMMENT ON TABLE etl_catalog.dead_letters
    IS 'records that could not be loaded; dumped: no; purged: after etl.retention once resolved, by etl_purge and etl_drop_pipeline; seen by: owner';

/* What token services have put in the place of refresh tokens of user mappings; written and read without SQL. */
CREATE TABLE etl_catalog.refresh_tokens (
    key bytea PRIMARY KEY,              -- hash of all that the first one was got with
    token text NOT NULL,
    kept_at timestamptz NOT NULL
);
COMMENT ON TABLE etl_catalog.refresh_tokens
    IS 'refresh tokens that token services have given out anew; dumped: no; purged: after a year without a new one; seen by: nobody';

/* Pipelines that run by themselves: first what users say of that, then what the scheduler has made of it. */
CREATE TABLE etl_catalog.schedules (
    pipeline bigint PRIMARY KEY REFERENCES etl_catalog.pipelines ON DELETE CASCADE,
    schedule text,                      -- NULL: only "after", "watch" or "continuous"
    timezone text NOT NULL,
    after text[] NOT NULL,              -- names of pipelines
    watch boolean NOT NULL,             -- its files, which are
    watched text,                       -- the path or pattern of its source, as it was evaluated last
    continuous boolean NOT NULL,        -- it is to run always
    max_failures int NOT NULL,          -- in a row, before it is paused; 0: never
    retry interval,                     -- after a failure that may pass; NULL: only by the schedule
    state text NOT NULL DEFAULT 'idle', -- waiting (for a worker), running, paused
    next_run timestamptz,
    retry_at timestamptz,               -- when a run that failed is tried again
    not_before timestamptz,             -- after failures and cancelled runs
    files_at timestamptz,               -- when files call for a run: they arrived, or are still from then on
    waiting_since timestamptz,
    failures int NOT NULL DEFAULT 0,    -- in a row, of runs that came at their times
    retries int NOT NULL DEFAULT 0,     -- since then
    skipped bigint NOT NULL DEFAULT 0,  -- times at which the run before was still under way, or waited for a worker
    last_run bigint NOT NULL DEFAULT 0, -- whose result has been taken into account
    reason text,                        -- of the latest failure, or why it is paused
    blocked text                        -- why "after" will never start it
);
COMMENT ON TABLE etl_catalog.schedules
    IS 'when pipelines run by themselves; dumped: yes; purged: by etl_drop_pipeline; seen by: owner, pg_monitor but for reasons';

SELECT pg_catalog.pg_extension_config_dump('etl_catalog.pipelines', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.targets', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.ingest_tokens', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.ingest_keys', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.schedules', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.pipelines_id_seq', '');
/* Schedules refer to runs by number, and runs are not dumped: their numbers go on. */
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.runs_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.checkpoints', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.backfills', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.watermarks', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.seen_columns', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.tombstones', '');
SELECT pg_catalog.pg_extension_config_dump('etl_catalog.tombstones_id_seq', '');

/* What a scheduler has to know at once: the launcher is woken when the change is committed. */
CREATE FUNCTION etl_catalog.wake() RETURNS trigger
    AS 'MODULE_PATHNAME', 'etl_wake' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_catalog.wake IS 'wakes the scheduler when the change is committed';

CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON etl_catalog.schedules
    FOR EACH STATEMENT EXECUTE FUNCTION etl_catalog.wake();
CREATE TRIGGER wake AFTER UPDATE OF enabled, system_identifier ON etl_catalog.pipelines
    FOR EACH STATEMENT EXECUTE FUNCTION etl_catalog.wake();
CREATE TRIGGER wake AFTER UPDATE OF state ON etl_catalog.runs
    FOR EACH STATEMENT EXECUTE FUNCTION etl_catalog.wake();

/* Whether a run that says it is running still holds its lock; if not, its worker died. */
CREATE FUNCTION etl_catalog.is_running(pipeline bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'etl_is_running' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION etl_catalog.is_running IS 'whether a worker runs the pipeline at this moment';
CREATE FUNCTION etl_catalog.state_of(run bigint, pipeline bigint, state text) RETURNS text
    AS 'MODULE_PATHNAME', 'etl_state_of' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION etl_catalog.state_of IS 'the state of a run, or "crashed" if it says that it runs, and its worker died';

/* Why no schedule of this database starts anything; NULL: nothing is in the way. */
CREATE FUNCTION etl_catalog.scheduler_obstacle() RETURNS text
    AS 'MODULE_PATHNAME', 'etl_scheduler_obstacle' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION etl_catalog.scheduler_obstacle() IS 'why no schedule of this database starts anything';

/* Whether the definition was made in this very database. */
CREATE FUNCTION etl_catalog.is_at_home(system_identifier bigint, database oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'etl_is_at_home' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION etl_catalog.is_at_home IS 'whether a pipeline belongs to this database and is no copy';

/*
 * The views show a role the pipelines of the roles whose rights it has; pg_monitor sees of all others states and
 * counters, but no queries and no records.  A view over the pipelines of all casts nothing that an owner wrote and
 * computes nothing that can fail: the error would be everybody's.
 */
CREATE VIEW @extschema@.etl_pipelines WITH (security_barrier) AS
SELECT p.id, p.name, (SELECT a.oid::regrole FROM pg_catalog.pg_roles a WHERE a.oid = p.owner) AS owner,
    CASE WHEN is_mine THEN p.source END AS source,
    CASE WHEN is_mine THEN p.query END AS query,
    p.target, p.key, p.mode, p.on_conflict, p.replace_by, p.deletes,
    p.snapshot, p.missing, p.evolve, CASE WHEN is_mine THEN p.delete_when END AS delete_when,
    CASE WHEN is_mine THEN p.delete_scope END AS delete_scope,
    p.delete_limit, p.valid_from, p.valid_to, p.compared, p.watermark, p.watermark_as, p.watermark_lag, p.watermark_max,
    CASE WHEN is_mine THEN p.rules END AS rules,
    p.redact, CASE WHEN is_mine THEN p.enrich END AS enrich, p.whole, p.parallel, p.parts_disjoint, p.batch_size, p.flush_interval, p.on_error, p.reject_limit, p.on_bad_part, p.when_done,
    p.on_shutdown, p.max_runtime,
    p.enabled, NOT etl_catalog.is_at_home(p.system_identifier, p.database) AS is_copy, p.accepted, p.search_path,
    p.settings,
    p.created_at
FROM etl_catalog.pipelines p, LATERAL (SELECT pg_catalog.pg_has_role(p.owner, 'USAGE') AS is_mine) m
WHERE is_mine OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_pipelines IS 'pipelines and their definitions';

CREATE VIEW @extschema@.etl_runs WITH (security_barrier) AS
SELECT r.id AS run, p.name AS pipeline, r.kind,
    etl_catalog.state_of(r.id, p.id, r.state) AS state,
    r.pid, r.started_at, r.finished_at, r.flushed_at, r.batches, r.read, r.malformed, r.convert_failed, r.converted,
    r.emitted, r.invalid, r.superseded, r.load_failed, r.loaded, r.inserted, r.updated, r.skipped, r.tombstones, r.deleted, r.marked, r.closed,
    r.null_watermark, r.parts_set_aside, r.parts_empty, r.columns_missing, r.columns_new, r.sqlstate,
    CASE WHEN is_mine THEN r.message END AS message, CASE WHEN is_mine THEN r.missing_columns END AS missing_columns,
    CASE WHEN is_mine THEN r.new_columns END AS new_columns
FROM etl_catalog.runs r JOIN etl_catalog.pipelines p ON p.id = r.pipeline,
    LATERAL (SELECT pg_catalog.pg_has_role(p.owner, 'USAGE') AS is_mine) m
WHERE is_mine OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_runs IS 'runs of pipelines, with their counters';

CREATE VIEW @extschema@.etl_targets WITH (security_barrier) AS
SELECT p.name AS pipeline, t.target, CASE WHEN is_mine THEN t.query END AS query, t.key, t.mode, t.on_conflict,
    CASE WHEN is_mine THEN t.rules END AS rules, t.delete_within
FROM etl_catalog.targets t JOIN etl_catalog.pipelines p ON p.id = t.pipeline,
    LATERAL (SELECT pg_catalog.pg_has_role(p.owner, 'USAGE') AS is_mine) m
WHERE is_mine OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_targets IS 'further targets of pipelines';

CREATE VIEW @extschema@.etl_run_targets WITH (security_barrier) AS
SELECT r.id AS run, p.name AS pipeline, t.*
FROM etl_catalog.runs r JOIN etl_catalog.pipelines p ON p.id = r.pipeline,
    LATERAL (SELECT p.target, r.emitted, r.invalid, r.superseded, r.load_failed, r.loaded, r.inserted, r.updated, r.skipped,
            r.tombstones, r.deleted
        UNION ALL
        SELECT f.target, f.emitted, f.invalid, f.superseded, f.load_failed, f.loaded, f.inserted, f.updated, f.skipped, 0::bigint,
            f.deleted
        FROM etl_catalog.run_targets f WHERE f.run = r.id) t
WHERE pg_catalog.pg_has_role(p.owner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_run_targets IS 'what runs have done to each of their targets';

CREATE VIEW @extschema@.etl_ingest_tokens WITH (security_barrier) AS
SELECT p.name AS pipeline, t.name, t.created_at
FROM etl_catalog.ingest_tokens t JOIN etl_catalog.pipelines p ON p.id = t.pipeline
WHERE pg_catalog.pg_has_role(p.owner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_ingest_tokens IS 'tokens with which records may be pushed to pipelines';

CREATE VIEW @extschema@.etl_backfills WITH (security_barrier) AS
SELECT p.name AS pipeline, b.type, b.since, b.until, b.step, b.next, b.started_at
FROM etl_catalog.backfills b JOIN etl_catalog.pipelines p ON p.id = b.pipeline
WHERE pg_catalog.pg_has_role(p.owner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_backfills IS 'backfills that have not come to their ends';

CREATE VIEW @extschema@.etl_dead_letters WITH (security_barrier) AS
SELECT d.id, p.name AS pipeline, d.run, d.stage, d.source, d.line, d.page, d.index, d.byte_offset,
    d.column_name, d.value, d.raw, d.rule, d.sqlstate, d.message, d.detail, d.attempts, d.first_at, d.last_at, d.replayable,
    d.key, coalesce(d.resolution, 'open') AS state, d.resolved_at IS NOT NULL AS resolved, d.resolved_at, d.resolved_by
FROM etl_catalog.dead_letters d JOIN etl_catalog.pipelines p ON p.id = d.pipeline
WHERE pg_catalog.pg_has_role(p.owner, 'USAGE');
COMMENT ON VIEW @extschema@.etl_dead_letters IS 'records that pipelines could not load, and why';

CREATE VIEW @extschema@.etl_parts WITH (security_barrier) AS
SELECT p.name AS pipeline,
    CASE WHEN is_mine THEN c.part END AS part,
    c.state, c.rows,
    CASE WHEN is_mine THEN pg_catalog."substring"(c."position", '^offset=(\d+) (?:item=\d+ )?of=')::bigint END AS next_offset,
    CASE WHEN is_mine THEN c.version END AS version,
    c.attempts, c.sqlstate,
    CASE WHEN is_mine THEN c.message END AS message,
    c.first_at, c.last_at, c.missing_since, c.pending
FROM etl_catalog.checkpoints c JOIN etl_catalog.pipelines p ON p.id = c.pipeline,
    LATERAL (SELECT pg_catalog.pg_has_role(p.owner, 'USAGE') AS is_mine) m
WHERE is_mine OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_parts IS 'files, URLs and the like that pipelines have read, how far, and what could not be read';

CREATE VIEW @extschema@.etl_status WITH (security_barrier) AS
SELECT p.name AS pipeline, (SELECT a.oid::regrole FROM pg_catalog.pg_roles a WHERE a.oid = p.owner) AS owner, p.enabled,
    CASE WHEN etl_catalog.is_running(p.id) THEN 'running'
        WHEN NOT etl_catalog.is_at_home(p.system_identifier, p.database) THEN 'copy'
        WHEN NOT p.enabled THEN 'paused'
        WHEN s.state = 'waiting' THEN 'waiting'
        ELSE 'idle' END AS state,
    s.schedule, s.timezone, s.after, s.watch, s.continuous,
    CASE WHEN p.enabled AND o.obstacle IS NULL THEN least(s.next_run, s.retry_at) END AS next_run,
    CASE WHEN p.enabled AND s.not_before > pg_catalog.now() THEN s.not_before END AS not_before,
    s.failures, s.retries, s.skipped,
    CASE WHEN pg_catalog.pg_has_role(p.owner, 'USAGE')
        THEN nullif(pg_catalog.concat_ws('; ',
            coalesce(s.reason, CASE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.oid = p.owner)
                THEN 'its owner does not exist any more' END), s.blocked, o.obstacle, CASE WHEN NOT p.accepted
            THEN 'another role wrote it, and its owner has not resumed it since' END), '') END AS reason,
    r.run AS last_run, r.state AS last_result, r.started_at, r.finished_at,
    CASE WHEN pg_catalog.pg_has_role(p.owner, 'USAGE') OR w.type IN ('smallint', 'integer', 'bigint', 'numeric', 'real',
            'double precision', 'pg_catalog.date', 'timestamp without time zone', 'timestamp with time zone')
        THEN w.value END AS watermark,
    pg_catalog.now() - w.value_at AS lag,
    (SELECT pg_catalog.count(*) FROM etl_catalog.dead_letters d
        WHERE d.pipeline = p.id AND d.resolved_at IS NULL) AS open_dead_letters,
    (SELECT pg_catalog.count(*) FROM etl_catalog.checkpoints c
        WHERE c.pipeline = p.id AND c.state = 'set_aside' AND c.missing_since IS NULL) AS parts_set_aside
FROM etl_catalog.pipelines p
    LEFT JOIN etl_catalog.schedules s ON s.pipeline = p.id
    LEFT JOIN LATERAL (SELECT etl_catalog.scheduler_obstacle() AS obstacle
        WHERE s.pipeline IS NOT NULL AND p.enabled AND etl_catalog.is_at_home(p.system_identifier, p.database)) o ON true
    LEFT JOIN etl_catalog.watermarks w ON w.pipeline = p.id
    LEFT JOIN LATERAL (SELECT l.id AS run, l.started_at, l.finished_at,
            etl_catalog.state_of(l.id, p.id, l.state) AS state
        FROM etl_catalog.runs l WHERE l.pipeline = p.id ORDER BY -l.id LIMIT 1) r ON true
WHERE pg_catalog.pg_has_role(p.owner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW @extschema@.etl_status IS 'a line per pipeline: what it does and how its last run ended';

/* What runs at this moment.  Stage to time_left move within a batch; the counters behind them are those of committed batches. */
CREATE VIEW @extschema@.etl_progress WITH (security_barrier) AS
SELECT p.name AS pipeline, r.id AS run, r.kind, r.pid, r.started_at,
    (ARRAY['starting', 'reading', 'converting', 'querying', 'loading', 'waiting'])[coalesce(s.stage, 0) + 1] AS stage,
    s.records, s.source_lag, s.pages, s.batch_rows, s.batch_done, pg_catalog.round(s.records / s.seconds, 1) AS records_per_second,
    s.bytes, s.bytes_total, pg_catalog.round(s.bytes / s.seconds) AS bytes_per_second,
    CASE WHEN s.bytes_total >= s.bytes AND s.seconds_left < 31557600
        THEN pg_catalog.make_interval(secs => s.seconds_left) END AS time_left,
    r.batches, r.read, r.malformed, r.convert_failed, r.converted, r.emitted, r.invalid, r.superseded, r.load_failed,
    r.loaded, r.inserted, r.updated, r.skipped, r.tombstones, r.deleted, r.marked, r.closed, r.null_watermark, r.parts_set_aside, r.parts_empty, r.columns_missing,
    r.columns_new
FROM etl_catalog.runs r JOIN etl_catalog.pipelines p ON p.id = r.pipeline
    LEFT JOIN LATERAL (SELECT i.*, (i.bytes_total - i.bytes) * i.seconds::float8 / i.bytes AS seconds_left
        FROM (SELECT max(i.param16) FILTER (WHERE i.pid = r.pid) AS stage, sum(i.param17)::bigint AS records,
            sum(nullif(i.param14, 0) - 1)::bigint AS source_lag, sum(i.param18)::bigint AS batch_rows, sum(i.param19)::bigint AS batch_done, nullif(sum(i.param20)::bigint, 0) AS pages,
            nullif(sum(i.param1)::bigint, 0) AS bytes, nullif(max(i.param2) FILTER (WHERE i.pid = r.pid), 0) AS bytes_total,
            greatest(extract(epoch FROM pg_catalog.clock_timestamp() - r.started_at), 0.001) AS seconds
        FROM pg_catalog.pg_stat_get_progress_info('COPY') i -- of all processes that share it
        WHERE i.param15 = r.id AND i.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())) i) s ON true
WHERE r.state = 'running' AND etl_catalog.is_running(p.id)
    AND (pg_catalog.pg_has_role(p.owner, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON VIEW @extschema@.etl_progress IS 'runs under way, and how far they are';

GRANT SELECT ON @extschema@.etl_progress, @extschema@.etl_pipelines, @extschema@.etl_runs, @extschema@.etl_parts,
    @extschema@.etl_targets, @extschema@.etl_run_targets, @extschema@.etl_backfills, @extschema@.etl_ingest_tokens,
    @extschema@.etl_dead_letters, @extschema@.etl_status TO PUBLIC;

/*
 * etl_create_pipeline: defines a pipeline, which is run by etl_run or etl_start.
 *
 * name             of the pipeline, unique in the database
 * source           one call of etl_csv, etl_json, etl_lines, etl_fixed, etl_api or etl_ingest with its columns, as it would stand in FROM
 * query            a SELECT over the rows of the source, which it sees as relation "batch"; NULL: all of them
 * target           the table that gets the rows; the query's columns go to the target's of the same names
 * key              columns with a unique index, 'id, day' or ARRAY['id', 'day']; NULL: append
 * mode             'upsert' (default with a key); 'append'; 'history', see valid_from; or 'replace': each run reads all of the source and makes the
 *                  target what the query gives of it, in one transaction. With a key: an upsert of all rows, and those with
 *                  other keys are deleted. Without: all rows are deleted, and those of the source inserted. Nothing is
 *                  deleted, and the run fails, if the query gives no row at all, a last record is held back, delete_limit is
 *                  exceeded (55000), or a faulty record has no key that is known.
 *                  With on_conflict => 'update' only, and without a watermark (22023)
 * on_conflict      of an upsert, for a key that is there: 'update', 'ignore', or 'error', a fault of the row
 * replace_by       of a replace without a key: 'delete' (default), or 'truncate', which locks the target against readers until
 *                  the end of the run's transaction, and fires no row triggers. Not with delete_scope (22023), row security, or a
 *                  query that reads the target (0A000)
 * deletes          of an upsert, what becomes of rows of the target whose keys a run that has read all of the source has not seen:
 *                  'keep' (default); 'delete'; or 'mark:column', which is set to true or to the time, and back when the key is
 *                  there again. Each run reads all parts from their starts then, and removes in a transaction of its own at the
 *                  end; it fails, and nothing is removed, where a replace would fail (55000). Not with on_conflict,
 *                  delete_when, when_done, or on_bad_part => 'set_aside' (22023)
 * snapshot         of a replace, and with deletes: 'all' (default) parts of the source together are the snapshot; 'newest', the last
 *                  one by name, and no other is read
 * missing          of a column that the record lacks (a member that the JSON item does not have; with union_by_name a
 *                  column that is not in the file) and that the query passes through, as it is or cast: 'keep' (default), an
 *                  update leaves it as it is, an insert gives it its default; 'null', it is NULL
 * evolve           of columns that the source has (in the header of a CSV, or as members of JSON items, those inside of members aside)
 *                  and the declaration has not: 'notice' (default), the first run that finds one reports it in etl_runs, by NOTIFY
 *                  etl_alert, and by a NOTICE of etl_run; of at most 100, since members may be called by what they hold;
 *                  'freeze', it is left out and not reported
 * delete_when      of an upsert, a boolean expression over the columns of the query, such as op = 'd': a row for which it is true deletes
 *                  the one of its key. The last row of a key counts, or the one with the highest watermark. Rules are not
 *                  held against such rows. A column that only this looks at need not be one of the target.
 *                  Not with on_conflict, or with whole (22023)
 * delete_scope     a boolean expression over the columns of the target, such as region = 'EU': a replace, or an upsert with deletes, removes no other rows, and
 *                  delete_limit is held against these. Without a key the query must give no other rows, either (55000)
 * delete_limit     a run that would delete or mark more than this part of the rows that the target had fails: '10%' (default); it is not
 *                  held against fewer than 10 rows, and '100%' switches it off
 * valid_from       with mode => 'history' the target keeps each version of a row: a row that differs from the open version of its key closes
 * valid_to         that, and opens another. These are the columns of the target that say since when a version holds and until when it has
 *                  held, NULL while it does; by default they are called so. The time is the watermark, or without one that of the run; what
 *                  comes with the time of the open version is an update of it, and an older row is skipped. With deletes =>
 *                  'delete' versions of keys that are gone are closed, with delete_when those of rows that delete. Needs a unique index
 *                  on the key WHERE valid_to IS NULL (42P10). Not with whole, on_conflict, 'mark:column', further targets, or
 *                  deletes and a watermark together (22023)
 * compared         columns of the query that make another version, all but key and watermark by default; others are updated in the open one
 * watermark        column of the query that grows: an older row never overwrites a newer one, and
 *                  etl_watermark tells how far the data goes
 * watermark_as     'value' (default): a text is refused as the watermark; 'text': it is one, and compared letter by letter
 * watermark_lag    how much etl_watermark with a default stays behind: an interval, or a number
 * watermark_max    rows beyond this are dead letters; NULL: now + 1 day if it is a date or timestamp
 * rules            boolean expressions over the columns of the query, by name; a row that does not fulfil one is
 *                  a dead letter
 * redact           columns of the source whose values are kept out of dead letters, written as those of the key
 * enrich           an object: relation, and what it is: {"call": a call of etl_api with its columns, "key": columns of the source,
 *                  "concurrency": requests under way at most (16), "cache": for how long an answer is kept, "on_error":
 *                  'dead_letter', 'null' or 'fail'}. Each distinct key of a batch is asked for once, outside of transactions, as the owner; the relation has the
 *                  columns of the key and of the call, and is beside "batch" in the query. 22023 with whole or mode 'replace', for a
 *                  key under redact, and for a call that uses other columns; 0A000 for anything but a call
 * whole            the query sees all of the source at once: each run reads it all, loads it in one transaction, and
 *                  has the last word on earlier dead letters. Needs a key
 * parallel         how many processes share a run, 1 (default) to 64: each reads other parts (files, objects) of the source, and loads them in
 *                  batches of its own. They come when there is more than one batch, as far as etl.max_parallel_workers, the
 *                  limit of the role and the workers of the server allow it. An upsert then needs a watermark, or parts_disjoint, and with
 *                  on_conflict 'ignore' or 'error', or further targets that have a key, the latter. The parts must come in the order of their
 *                  names. Not with whole, 'replace', 'history', deletes or continuous (22023), nor with APIs and messages (0A000)
 * parts_disjoint   rows of one key are in one part of the source only, so that no order of parts matters
 * batch_size       records in one transaction
 * flush_interval   a batch waits no longer than this for more records
 * on_error         a record that cannot be loaded: 'dead_letter' keeps it aside, 'fail' fails the run
 * reject_limit     more dead letters than this fail the run; a continuous run counts anew each hour
 * on_bad_part      a part of the source (a file, what a URL holds, the pages of an API) that cannot be read, or not to its
 *                  end: 'fail' (default) fails the run; 'set_aside' loads what comes before the fault, notes the reason in
 *                  etl_parts, and goes on with the next part. It is read on when it has changed, or after etl_retry_parts.
 *                  Not with whole (22023)
 * when_done        what is done with an object of a bucket that is read to its end, behind the commit of its last record: 'keep' (default),
 *                  'delete', 'tag:NAME=VALUE', or 'move:PREFIX/', below the URL of the server. It is done to the version that was
 *                  loaded, and again by the next run if it was not; else the run fails, and has loaded all the same. Needs a server
 *                  with option writable (42501); not with whole or 'replace' (22023)
 * on_shutdown      'drain' finishes the batch in hand, within etl.drain_timeout; 'drop' stops at once
 * max_runtime      a run that lasts longer fails
 * enabled          whether it may run
 * schedule         when it runs by itself: see etl_next_runs
 * timezone         of the schedule; NULL: the session's at this moment
 * after            names of pipelines, written so, too: it also runs when all of them have succeeded since it did
 * watch            whether it also runs when files of its source arrive
 * continuous       whether its run stays when all there is has been read, and loads each flush_interval what has come
 *                  since. Such a run has a place of its own, of etl.max_continuous_runs. Not with schedule, after, watch, max_runtime,
 *                  whole and mode => 'replace' (22023)
 * max_failures     so many in a row pause it; 0: none do.  Failures and pauses are told by NOTIFY etl_alert
 * retry            after a failure that may pass (no connection, a server that fails or has had too many requests,
 *                  a lock, a crash) the run is tried again so much later, then twice as late, up to an hour, if the
 *                  schedule does not come sooner; '1 minute', and '0' leaves it to the schedule
 */
CREATE FUNCTION @extschema@.etl_create_pipeline(
    name text,
    source text,
    query text DEFAULT NULL,
    target text DEFAULT NULL,
    key "any" DEFAULT NULL,
    mode text DEFAULT NULL,
    on_conflict text DEFAULT NULL,
    replace_by text DEFAULT NULL,
    deletes text DEFAULT NULL,
    snapshot text DEFAULT NULL,
    missing text DEFAULT NULL,
    evolve text DEFAULT NULL,
    delete_when text DEFAULT NULL,
    delete_scope text DEFAULT NULL,
    delete_limit text DEFAULT NULL,
    valid_from text DEFAULT NULL,
    valid_to text DEFAULT NULL,
    compared "any" DEFAULT NULL,
    watermark text DEFAULT NULL,
    watermark_as text DEFAULT NULL,
    watermark_lag text DEFAULT NULL,
    watermark_max text DEFAULT NULL,
    rules jsonb DEFAULT NULL,
    redact "any" DEFAULT NULL,
    enrich jsonb DEFAULT NULL,
    whole boolean DEFAULT NULL,
    parallel int DEFAULT NULL,
    parts_disjoint boolean DEFAULT NULL,
    batch_size int DEFAULT NULL,
    flush_interval interval DEFAULT NULL,
    on_error text DEFAULT NULL,
    reject_limit bigint DEFAULT NULL,
    on_bad_part text DEFAULT NULL,
    when_done text DEFAULT NULL,
    on_shutdown text DEFAULT NULL,
    max_runtime interval DEFAULT NULL,
    enabled boolean DEFAULT NULL,
    schedule text DEFAULT NULL,
    timezone text DEFAULT NULL,
    after "any" DEFAULT NULL,
    watch boolean DEFAULT NULL,
    continuous boolean DEFAULT NULL,
    max_failures int DEFAULT NULL,
    retry interval DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

/*
 * The same arguments: what is given changes.  An empty text, array or object takes an option away.  And:
 *
 * owner            gives the pipeline to another role, for those who can become that role; superusers, who can, also
 *                  take over what a dropped role has left.  Not during a run (55006).  Unless source, target, and query, rules
 *                  delete_when and delete_scope if it has any, are given as well, it is paused, and nothing of it is planned or run before
 *                  its new owner has resumed it
 */
DO $do$ BEGIN EXECUTE format($f$
CREATE FUNCTION @extschema@.etl_alter_pipeline(name text, source text DEFAULT NULL, %s, owner regrole DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
$f$, etl_internal.arguments_of('@extschema@.etl_create_pipeline', '{name,source}')); END $do$;

/*
 * etl_add_target: a further table that each batch of a pipeline is loaded into, in the same transaction.  A record is loaded
 * into all targets or is one dead letter.
 *
 * pipeline         its name
 * target           the table, as in etl_create_pipeline
 * query            a SELECT over the rows of the source, as relation "batch"; NULL: all of them. It is read with the settings that
 *                  the pipeline keeps. If it gives the column that is the watermark of the pipeline, an older row never
 *                  overwrites a newer one
 * key, mode, on_conflict, rules     as in etl_create_pipeline, but for mode => 'replace' (22023)
 *
 * delete_within    columns of the query that are the key of the pipeline: rows of the target that belong to such a record and that
 *                  the record has no more are deleted. It needs all of them in one record, known by the key of the pipeline
 *                  as it stands in the source (0A000)
 *
 * Targets are loaded in the order of the foreign keys between them.  Errors: those of etl_create_pipeline; 42710 if the pipeline
 * loads that table already; 0A000 if it reads its source as a whole; 42704 if there is no such pipeline, 42501 for those who are
 * not its owner.
 *
 * etl_drop_target: takes it away; 42704 if there is none.  What a run under way has begun to load goes on.
 */
CREATE FUNCTION @extschema@.etl_add_target(
    pipeline text,
    target text,
    query text DEFAULT NULL,
    key "any" DEFAULT NULL,
    mode text DEFAULT NULL,
    on_conflict text DEFAULT NULL,
    rules jsonb DEFAULT NULL,
    delete_within "any" DEFAULT NULL)
RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.etl_drop_target(pipeline text, target text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.etl_add_target IS 'adds a further table that a pipeline loads';
COMMENT ON FUNCTION @extschema@.etl_drop_target IS 'takes away a further table that a pipeline loads';

/*
 * etl_unnest: the objects of a JSON array as rows, in the order of the array: FROM batch, etl_unnest(lines) AS l(sku text, qty
 * int, _etl_ordinal int).  Columns are members of the same names, NULL where there is none; _etl_ordinal is the number of the
 * object in the array, from 1.  NULL has no rows.  Errors: 22023 if it is no array, or something in it is no object; those of a
 * value that its column does not take.
 */
CREATE FUNCTION @extschema@.etl_unnest(list jsonb) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.etl_unnest IS 'the objects of a JSON array as rows';

CREATE FUNCTION @extschema@.etl_drop_pipeline(name text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.etl_pause(name text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.etl_resume(name text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.etl_reset(name text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.etl_adopt() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION @extschema@.etl_create_pipeline IS 'defines a pipeline';
COMMENT ON FUNCTION @extschema@.etl_alter_pipeline IS 'changes what is given of the definition of a pipeline';
COMMENT ON FUNCTION @extschema@.etl_drop_pipeline IS 'removes a pipeline with its checkpoint, history and dead letters';
COMMENT ON FUNCTION @extschema@.etl_pause IS 'keeps a pipeline from being run';
COMMENT ON FUNCTION @extschema@.etl_resume IS 'lets a paused pipeline be run again';
COMMENT ON FUNCTION @extschema@.etl_reset IS 'forgets checkpoint and watermark of a pipeline, so that the next run reads all of its source';
COMMENT ON FUNCTION @extschema@.etl_adopt IS 'makes the pipelines of a copied or restored database its own; returns how many those were';

/*
 * etl_watermark: the highest value of the watermark of complete scans, as text (NULL: none yet), or with a
 * default, typed as that and less the watermark_lag of the pipeline.
 */
CREATE FUNCTION @extschema@.etl_watermark(name text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.etl_watermark(name text, "default" anyelement) RETURNS anyelement
    AS 'MODULE_PATHNAME', 'etl_watermark_typed' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.etl_watermark(text) IS 'how far the data of a pipeline goes';
COMMENT ON FUNCTION @extschema@.etl_watermark(text, anyelement)
    IS 'how far the data of a pipeline goes, less its watermark_lag; the default if it has none yet';

/*
 * etl_start starts a run and returns its number.  etl_run also waits for its end and returns what it counted:
 *
 *     read = malformed + convert_failed + converted
 *     emitted = invalid + superseded + load_failed + loaded + skipped,  loaded = inserted + updated
 *
 * (inserted and updated are NULL where only their sum is known, as with partitioned targets).
 * superseded: a later row of the batch has the same key.  skipped: unchanged, older than what is there, there already
 * (on_conflict 'ignore'), or suppressed by a trigger.  A run that does not succeed is an error.
 *
 * Both are refused inside a transaction block (25001), on a standby (55000), while the pipeline runs (55006),
 * and without a free background worker (53000).  Cancelling the CALL cancels the run.
 */
CREATE FUNCTION @extschema@.etl_start(name text) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE PROCEDURE @extschema@.etl_run(
    name text,
    INOUT run bigint DEFAULT NULL,
    INOUT state text DEFAULT NULL,
    INOUT read bigint DEFAULT NULL,
    INOUT malformed bigint DEFAULT NULL,
    INOUT convert_failed bigint DEFAULT NULL,
    INOUT converted bigint DEFAULT NULL,
    INOUT emitted bigint DEFAULT NULL,
    INOUT invalid bigint DEFAULT NULL,
    INOUT superseded bigint DEFAULT NULL,
    INOUT load_failed bigint DEFAULT NULL,
    INOUT loaded bigint DEFAULT NULL,
    INOUT inserted bigint DEFAULT NULL,
    INOUT updated bigint DEFAULT NULL,
    INOUT skipped bigint DEFAULT NULL)
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.etl_start IS 'starts a run of a pipeline';
COMMENT ON PROCEDURE @extschema@.etl_run IS 'runs a pipeline and waits for its end';

/*
 * etl_create_ingest_token: a new token with which records may be pushed to a pipeline whose source is etl_ingest.  It is shown
 * once: only its hash is kept.  The name tells it from others of the pipeline.  Errors: 42710 for a name that there is; 53400 beyond
 * 16 of a pipeline; 42704 and 42501 for the pipeline.
 *
 * etl_drop_ingest_token: from seconds after it has committed nobody is let in with that token.  Errors: 42704.
 */
CREATE FUNCTION @extschema@.etl_create_ingest_token(pipeline text, name text DEFAULT 'default') RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION @extschema@.etl_drop_ingest_token(pipeline text, name text DEFAULT 'default') RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.etl_create_ingest_token IS 'makes a token with which records may be pushed to a pipeline, and returns it, once';
COMMENT ON FUNCTION @extschema@.etl_drop_ingest_token IS 'forbids to push records to a pipeline with a token';

/*
 * Loads the open dead letters of a pipeline once more, through the pipeline as it is now, and marks those that
 * succeed as resolved.  The counters are those of etl_run.
 *
 * A letter that is superseded is not open any more, so what a later record of its key has loaded is not overwritten.  Where
 * the key of a letter is not known, its row is only inserted: if the target has one with its key, the letter stays open
 * (23505).  With overwrite => true such a row is loaded as any other.
 */
DO $do$ BEGIN EXECUTE format($f$
CREATE PROCEDURE @extschema@.etl_retry_dead_letters(%s) AS 'MODULE_PATHNAME' LANGUAGE C
$f$, replace(etl_internal.arguments_of('@extschema@.etl_run'), 'INOUT run ', 'overwrite boolean DEFAULT false, INOUT run ')); END $do$;

COMMENT ON PROCEDURE @extschema@.etl_retry_dead_letters IS 'loads the dead letters of a pipeline once more';

/*
 * etl_backfill: reads the source of a pipeline again, a range at a time: from since, which is in the first one, to until, which is in
 * none, in steps ('1 month', '1000').  Each range is a run (kind backfill), beside those of the schedule: it waits while another run
 * is under way.  The call of the source asks for the range by etl_since and etl_until.  Called again with the same arguments, it goes on
 * where it was interrupted.  The watermark stays as it is.  Returns how many ranges this call has read.  Texts, and literals without
 * a type, are read as the type that the source asks for, with the settings of the pipeline.
 *
 * Errors: 22023 if since is not before until, the step does not lead forward, or the source does not ask for the range; 42804 if it
 * asks for another type; 42P18 for texts if its call does not show the type, and those of the type if they are none of its values; 55000
 * for texts if another role than the owner wrote the source; 0A000 for a type that is neither date, timestamp nor number, and for pipelines that read their source as a
 * whole; 55000 if a range could not be read to its end; and those of etl_run.
 *
 * etl_since, etl_until: in the source of a pipeline, the ends of the range that a backfill reads; in any other run the argument.
 */
CREATE PROCEDURE @extschema@.etl_backfill(name text, since anyelement, until anyelement, step text, INOUT ranges bigint DEFAULT NULL)
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE PROCEDURE @extschema@.etl_backfill(name text, since text, until text, step text, INOUT ranges bigint DEFAULT NULL)
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.etl_since(otherwise anyelement) RETURNS anyelement
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
CREATE FUNCTION @extschema@.etl_until(otherwise anyelement) RETURNS anyelement
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON PROCEDURE @extschema@.etl_backfill(text, anyelement, anyelement, text, INOUT bigint) IS 'reads ranges of the source of a pipeline again';
COMMENT ON PROCEDURE @extschema@.etl_backfill(text, text, text, text, INOUT bigint) IS 'reads ranges of the source of a pipeline again, between texts';
COMMENT ON FUNCTION @extschema@.etl_since IS 'where the range begins that a backfill reads; else the argument';
COMMENT ON FUNCTION @extschema@.etl_until IS 'where the range ends that a backfill reads; else the argument';

/*
 * Removes runs that began, and dead letters that were resolved, longer ago than an interval, and returns how many;
 * etl.retention does so by itself.  Open dead letters are records that are nowhere else: they stay unless open is true.
 */
CREATE FUNCTION @extschema@.etl_purge(name text, older_than interval, open boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.etl_purge IS 'removes old runs and dead letters of a pipeline';

/*
 * etl_retry_parts: has the next run read on in parts of the source that are set aside, also if they have not changed; in one
 * of them, or in all.  Returns how many those are.  Errors: 42704 if there is no such pipeline, 42501 for those who are not
 * its owner.
 */
CREATE FUNCTION @extschema@.etl_retry_parts(name text, part text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.etl_retry_parts IS 'has the next run try parts of a source that are set aside';

/*
 * etl_cancel: ends the run of a pipeline that is under way; false if there is none.  The batch in hand is rolled
 * back, and the next run goes on behind the one before.  A scheduled pipeline runs again at its next time.
 */
CREATE FUNCTION @extschema@.etl_cancel(name text) RETURNS boolean
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
    SELECT coalesce(pg_catalog.bool_or(pg_catalog.pg_cancel_backend(r.pid)), false)
    FROM @extschema@.etl_progress r WHERE r.pipeline = $1;
END;
COMMENT ON FUNCTION @extschema@.etl_cancel IS 'ends the run of a pipeline that is under way';

/* ----------------------------------------------------------------
 *	Metrics
 * ---------------------------------------------------------------- */

/* Workers, scheduler and http, of the whole server. */
CREATE FUNCTION etl_catalog.server_metrics(OUT family text, OUT value float8) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'etl_server_metrics' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 9;
COMMENT ON FUNCTION etl_catalog.server_metrics IS 'what etl_metrics() tells of the server';

CREATE VIEW etl_catalog.metric_families AS
SELECT * FROM (VALUES
    (1, 'etl_runs_total', 'counter', 'Runs that have ended, by result.'),
    (2, 'etl_runs_skipped_total', 'counter', 'Times of the schedule at which the run before was under way or waiting.'),
    (3, 'etl_run_duration_seconds', 'summary', 'How long runs took, but for those that crashed.'),
    (4, 'etl_last_run_duration_seconds', 'gauge', 'How long the run took that ended last.'),
    (5, 'etl_last_run_timestamp_seconds', 'gauge', 'When the last run ended.'),
    (6, 'etl_last_success_timestamp_seconds', 'gauge', 'When the last run ended that succeeded.'),
    (7, 'etl_batches_total', 'counter', 'Batches that were committed.'),
    (8, 'etl_rows_total', 'counter', 'Rows by stage; load_failed is counted when a run ends, the others with each batch.'),
    (9, 'etl_watermark_lag_seconds', 'gauge', 'Time from the watermark to now, where it is a date or timestamp.'),
    (10, 'etl_dead_letters_open', 'gauge', 'Records that could not be loaded and are not resolved.'),
    (11, 'etl_pipeline_enabled', 'gauge', 'Whether runs may start.'),
    (12, 'etl_pipeline_status', 'gauge', '1 for the state that the pipeline is in.'),
    (13, 'etl_pipeline_failures', 'gauge', 'Failures in a row of scheduled runs.'),
    (14, 'etl_pipeline_next_run_timestamp_seconds', 'gauge', 'When the schedule comes next.'),
    (15, 'etl_breaker_status', 'gauge', '1 for the state that the circuit breaker of the role for the origin is in.'),
    (16, 'etl_http_requests_total', 'counter', 'Requests sent over http by all databases.'),
    (17, 'etl_http_retries_total', 'counter', 'Requests that were another try of one that failed.'),
    (18, 'etl_http_received_bytes_total', 'counter', 'Bytes of bodies received over http.'),
    (19, 'etl_http_wait_seconds_total', 'counter', 'Time waited before requests, for another try or a rate limit.'),
    (20, 'etl_workers_running', 'gauge', 'Scheduled runs under way in all databases.'),
    (21, 'etl_workers_max', 'gauge', 'How many there may be: etl.max_workers.'),
    (22, 'etl_scheduler_up', 'gauge', 'Whether the pipelines of this database are started at their times.'),
    (23, 'etl_parts_set_aside', 'gauge', 'Parts of the source that could not be read and are set aside.'),
    (24, 'etl_continuous_running', 'gauge', 'Continuous runs under way in all databases.'),
    (25, 'etl_continuous_max', 'gauge', 'How many there may be: etl.max_continuous_runs.'),
    (26, 'etl_source_lag_messages', 'gauge', 'Messages that the source has and the run under way has not been given.')
) AS f(position, family, type, help);
COMMENT ON VIEW etl_catalog.metric_families IS 'what etl_metrics() may show';

/*
 * All that is known of pipelines, if the role may see them.  A run under way counts along, but for load_failed, which is
 * known at its end.
 */
CREATE VIEW etl_catalog.pipeline_samples WITH (security_barrier) AS
SELECT v.family, v.suffix, s.pipeline, v.labels, v.value::float8 AS value
FROM @extschema@.etl_status s JOIN etl_catalog.pipelines p ON p.name = s.pipeline
    LEFT JOIN etl_catalog.totals t ON t.pipeline = p.id
    LEFT JOIN etl_catalog.runs r ON r.id = s.last_run AND r.state = 'running',
    LATERAL (
        SELECT 'etl_runs_total', '', jsonb_build_object('result', result), coalesce((to_jsonb(t)->>result)::numeric, 0)
            FROM unnest('{succeeded,failed,cancelled,stopped,crashed}'::text[]) AS result
        UNION ALL
        SELECT 'etl_rows_total', '', jsonb_build_object('stage', stage), coalesce((to_jsonb(t)->>stage)::numeric, 0) +
                CASE WHEN stage <> 'load_failed' THEN coalesce((to_jsonb(r)->>stage)::numeric, 0) ELSE 0 END
            FROM unnest('{read,malformed,convert_failed,converted,emitted,invalid,superseded,load_failed,loaded,inserted,updated,
                skipped,tombstones,deleted,marked,closed}'::text[]) AS stage
        UNION ALL
        SELECT 'etl_pipeline_status', '', jsonb_build_object('state', state), (s.state = state)::int
            FROM unnest('{idle,waiting,running,paused,copy}'::text[]) AS state
        UNION ALL VALUES
            ('etl_runs_skipped_total', '', NULL::jsonb, s.skipped::numeric),
            ('etl_run_duration_seconds', '_sum', NULL, coalesce(t.seconds, 0)),
            ('etl_run_duration_seconds', '_count', NULL, coalesce(t.succeeded + t.failed + t.cancelled + t.stopped, 0)),
            ('etl_last_run_duration_seconds', '', NULL, t.last_seconds),
            ('etl_last_run_timestamp_seconds', '', NULL, extract(epoch FROM t.last_finished)),
            ('etl_last_success_timestamp_seconds', '', NULL, extract(epoch FROM t.last_success)),
            ('etl_batches_total', '', NULL, coalesce(t.batches, 0) + coalesce(r.batches, 0)),
            ('etl_watermark_lag_seconds', '', NULL, extract(epoch FROM s.lag)),
            ('etl_dead_letters_open', '', NULL, s.open_dead_letters),
            ('etl_parts_set_aside', '', NULL, s.parts_set_aside),
            ('etl_source_lag_messages', '', NULL, (SELECT g.source_lag FROM @extschema@.etl_progress g WHERE g.pipeline = s.pipeline)),
            ('etl_pipeline_enabled', '', NULL, s.enabled::int),
            ('etl_pipeline_failures', '', NULL, s.failures),
            ('etl_pipeline_next_run_timestamp_seconds', '', NULL, extract(epoch FROM s.next_run))
    ) AS v(family, suffix, labels, value);
COMMENT ON VIEW etl_catalog.pipeline_samples IS 'what etl_metrics() tells of pipelines';

/*
 * What etl_metrics() shows, as rows, for exporters that run queries: a sample a row, by its name, with its labels.
 *
 * A role sees the pipelines that it sees in etl_status, a member of pg_monitor all of them, and the circuit breakers.
 * Nothing in it is from a record, a query or a URL, but for the origins (scheme://host:port) of breakers.
 */
CREATE VIEW @extschema@.etl_metric_samples WITH (security_barrier) AS
SELECT f.family || m.suffix AS metric, m.labels, m.value, f.family, f.type, f.help, f.position
FROM (
    SELECT s.family, s.suffix, pg_catalog.jsonb_build_object('database', pg_catalog.current_database(),
            'pipeline', s.pipeline) || coalesce(s.labels, '{}') AS labels, s.value
        FROM etl_catalog.pipeline_samples s
    UNION ALL
    SELECT 'etl_breaker_status', '', pg_catalog.jsonb_build_object('origin', b.origin, 'role', b.role, 'state', a.state),
            (b.state = a.state)::int
        FROM etl_catalog.breakers() b, pg_catalog.unnest('{closed,open,half-open}'::text[]) AS a(state)
        WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
    UNION ALL
    SELECT s.family, '', CASE s.family WHEN 'etl_scheduler_up'
            THEN pg_catalog.jsonb_build_object('database', pg_catalog.current_database()) ELSE '{}' END, s.value
        FROM etl_catalog.server_metrics() s
) m JOIN etl_catalog.metric_families f ON f.family = m.family
WHERE m.value IS NOT NULL;
COMMENT ON VIEW @extschema@.etl_metric_samples IS 'what etl_metrics() shows, a row for each sample';
GRANT SELECT ON @extschema@.etl_metric_samples TO PUBLIC;

/*
 * etl_metrics: the same as text in the exposition format of Prometheus, version 0.0.4.
 */
CREATE FUNCTION @extschema@.etl_metrics() RETURNS text
LANGUAGE sql VOLATILE PARALLEL RESTRICTED SET extra_float_digits = 1 SET jit = off
BEGIN ATOMIC
    SELECT coalesce(pg_catalog.string_agg(b.block, '' ORDER BY b.position), '')
    FROM (
        SELECT m.position, pg_catalog.format(E'# HELP %s %s\n# TYPE %s %s\n', m.family, m.help, m.family, m.type) ||
            pg_catalog.string_agg(pg_catalog.format(E'%s%s %s\n', m.metric, '{' || l.text || '}', m.value), ''
                ORDER BY m.labels, m.metric) AS block
        FROM @extschema@.etl_metric_samples m, LATERAL (
            SELECT pg_catalog.string_agg(pg_catalog.format('%s="%s"', e.key, pg_catalog.replace(pg_catalog.replace(
                    pg_catalog.replace(e.value, E'\\', E'\\\\'), '"', E'\\"'), E'\n', E'\\n')), ',' ORDER BY e.n) AS text
            FROM pg_catalog.jsonb_each_text(m.labels) WITH ORDINALITY AS e(key, value, n)) l
        GROUP BY m.position, m.family, m.help, m.type) b;
END;
COMMENT ON FUNCTION @extschema@.etl_metrics IS 'what pipelines and the server do, as text for Prometheus';

/*
 * etl_next_runs: the next n times of a schedule.
 *
 * schedule      five fields, minute (0-59), hour (0-23), day of the month (1-31), month (1-12 or names) and day of
 *               the week (0-7 or names, 0 and 7 are Sunday), each *, a number, a range (1-5), a list of those (1,3),
 *               with a step (star/15, 8-18/2).  If both days are restricted, one of them is enough.  Or @hourly,
 *               @daily, @midnight, @weekly, @monthly, @yearly, @annually.  Or an interval of a second or more, such
 *               as '5 minutes', in which a day has 24 hours
 * timezone      of the five fields; NULL: the session's.  Times that do not exist because the clock is put forward
 *               come once at the moment after; of those that come twice only the first counts, unless the
 *               schedule is for every hour
 * n             how many
 * after         the time after which to look; an interval counts from there
 *
 * Errors: 22023 for a schedule or time zone that is none, with the place.
 */
CREATE FUNCTION @extschema@.etl_next_runs(
    schedule text,
    timezone text DEFAULT NULL,
    n int DEFAULT 5,
    after timestamptz DEFAULT now())
RETURNS SETOF timestamptz
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 5;

COMMENT ON FUNCTION @extschema@.etl_next_runs IS 'the next times of a schedule';

/* ----------------------------------------------------------------
 *	Comments
 * ---------------------------------------------------------------- */

/* What the columns of the views hold; those of several views say the same in each, unless a line names the view. */
DO $do$
DECLARE
    c record;
BEGIN
    FOR c IN
        WITH comments(view, "column", comment) AS (VALUES
            (NULL, 'pipeline', 'name of the pipeline'),
            (NULL, 'owner', 'role whose rights a run has'),
            (NULL, 'enabled', 'whether runs may start'),
            (NULL, 'run', 'number of the run'),
            (NULL, 'kind', 'load, retry of dead letters, or backfill'),
            (NULL, 'pid', 'process of the run'),
            (NULL, 'started_at', 'when the run started'),
            (NULL, 'finished_at', 'when the run ended'),
            (NULL, 'batches', 'batches that were committed'),
            (NULL, 'read', 'records read: malformed, convert_failed and converted'),
            (NULL, 'malformed', 'records whose structure is broken'),
            (NULL, 'convert_failed', 'records with a value that its column does not take'),
            (NULL, 'converted', 'records that the query saw'),
            (NULL, 'emitted', 'rows that the query gave: invalid, superseded, load_failed, loaded, skipped and tombstones'),
            (NULL, 'invalid', 'rows that break a rule, or are beyond watermark_max'),
            (NULL, 'superseded', 'rows with the key of a later row of their batch'),
            (NULL, 'load_failed', 'rows that the target refused'),
            (NULL, 'loaded', 'rows in the target: inserted and updated'),
            (NULL, 'inserted', 'rows that are new; NULL: only loaded is known'),
            (NULL, 'updated', 'rows that replace one; NULL: only loaded is known'),
            (NULL, 'skipped', 'rows that are unchanged, older than what is there, or suppressed by a trigger'),
            (NULL, 'tombstones', 'rows that the query gave to delete those of their keys'),
            (NULL, 'deleted', 'rows of the target that were deleted'),
            (NULL, 'marked', 'rows of the target that were marked, because the source has them no more'),
            (NULL, 'closed', 'versions of a history that have got their ends'),
            (NULL, 'null_watermark', 'rows that the query gave without a value of the watermark'),
            (NULL, 'parts_set_aside', 'parts of the source that could not be read and were set aside'),
            (NULL, 'parts_empty', 'parts of the source that have nothing in them, not even a header, and were passed over'),
            (NULL, 'columns_missing', 'columns of the source that no record had'),
            (NULL, 'missing_columns', 'their names'),
            (NULL, 'columns_new', 'columns of the source that are not declared, and that no run had found before'),
            (NULL, 'new_columns', 'names of those that are not declared, and that no run had found before'),
            (NULL, 'sqlstate', 'SQLSTATE of the error'),
            (NULL, 'message', 'message of the error'),
            (NULL, 'name', 'name'),
            (NULL, 'family', 'metric without its suffix'),
            (NULL, 'type', 'counter, gauge or summary'),
            (NULL, 'help', 'what is counted or measured'),
            (NULL, 'position', 'order in etl_metrics()'),
            (NULL, 'labels', 'names and values of its labels'),
            (NULL, 'value', 'value of the sample'),
            (NULL, 'suffix', '_sum or _count of a summary, else empty'),
            (NULL, 'metric', 'name of the sample'),
            ('etl_breakers', 'origin', 'scheme://host:port'),
            ('etl_breakers', 'role', 'whose requests they are'),
            ('etl_breakers', 'state', 'closed: requests are sent; open: none is; half-open: one is, to find out whether the service is back'),
            ('etl_breakers', 'failures', 'failures without a success between them'),
            ('etl_breakers', 'opened_at', 'when it opened; NULL: it is closed'),
            ('etl_breakers', 'probe_at', 'when a request will be let through; NULL: it is not open'),
            ('etl_breakers', 'probe_pid', 'backend whose request is let through'),
            ('etl_dialects', 'preset', 'whether it came with etl'),
            ('etl_dialects', 'options', 'options of etl_api'),
            ('etl_dialects', 'remarks', 'what to know of it'),
            ('etl_pipelines', 'id', 'number of the pipeline, as in NOTIFY etl_alert'),
            ('etl_pipelines', 'name', 'name of the pipeline'),
            ('etl_pipelines', 'source', 'call that is read'),
            ('etl_pipelines', 'query', 'SELECT over the rows of the source'),
            ('etl_pipelines', 'target', 'table that gets the rows'),
            ('etl_pipelines', 'key', 'columns with a unique index; NULL: append'),
            ('etl_pipelines', 'mode', 'upsert, append, replace or history'),
            ('etl_pipelines', 'on_conflict', 'what an upsert does with a key that is there: update, ignore or error'),
            ('etl_pipelines', 'deletes', 'what becomes of rows that the source has no more: keep, delete or mark:column'),
            ('etl_pipelines', 'snapshot', 'which parts of the source are the snapshot: all or newest'),
            ('etl_pipelines', 'replace_by', 'how a replace without a key empties the target: delete or truncate'),
            ('etl_pipelines', 'watermark', 'column of the query that grows'),
            ('etl_pipelines', 'missing', 'what becomes of a column that a record lacks: keep or null'),
            ('etl_pipelines', 'evolve', 'what becomes of a column of the source that is not declared: notice or freeze'),
            ('etl_pipelines', 'delete_when', 'what is true of rows of the query that delete'),
            ('etl_pipelines', 'delete_scope', 'rows of the target to which the deletes of a snapshot are confined'),
            ('etl_pipelines', 'delete_limit', 'part of the rows of the target of which a snapshot deletes no more'),
            ('etl_pipelines', 'valid_from', 'column of a history that says since when a version holds; NULL: valid_from'),
            ('etl_pipelines', 'valid_to', 'column of a history that says until when a version has held; NULL: valid_to'),
            ('etl_pipelines', 'compared', 'columns that make a version of a history; NULL: all but key and watermark'),
            ('etl_pipelines', 'watermark_as', 'as what it is compared: value or text'),
            ('etl_pipelines', 'watermark_lag', 'how much etl_watermark with a default stays behind'),
            ('etl_pipelines', 'watermark_max', 'rows beyond this are dead letters'),
            ('etl_pipelines', 'rules', 'boolean expressions over the columns of the query, by name'),
            ('etl_pipelines', 'redact', 'columns of the source whose values are kept out of dead letters'),
            ('etl_pipelines', 'whole', 'whether the query sees all of the source at once'),
            ('etl_pipelines', 'enrich', 'what is asked of APIs for the keys of a batch'),
            ('etl_pipelines', 'parallel', 'processes that share a run'),
            ('etl_pipelines', 'parts_disjoint', 'whether rows of one key are in one part of the source only'),
            ('etl_pipelines', 'batch_size', 'records in one transaction'),
            ('etl_pipelines', 'flush_interval', 'a batch waits no longer than this for more records'),
            ('etl_pipelines', 'on_error', 'what becomes of a record that cannot be loaded: dead_letter or fail'),
            ('etl_pipelines', 'reject_limit', 'more dead letters than this fail the run'),
            ('etl_pipelines', 'on_bad_part', 'what becomes of a part of the source that cannot be read: fail or set_aside'),
            ('etl_pipelines', 'when_done', 'what is done with an object that is loaded: delete, tag or move; NULL: nothing'),
            ('etl_pipelines', 'on_shutdown', 'drain finishes the batch in hand, drop stops at once'),
            ('etl_pipelines', 'max_runtime', 'a run that lasts longer fails'),
            ('etl_pipelines', 'is_copy', 'whether it came with a copy of its database, and waits for etl_adopt'),
            ('etl_pipelines', 'accepted', 'whether its owner gave source, query, rules and target, or has resumed it with them'),
            ('etl_pipelines', 'settings', 'further settings of the session that gave them, with which a run reads texts and values'),
            ('etl_pipelines', 'search_path', 'schemas in which names of its texts are looked up'),
            ('etl_pipelines', 'created_at', 'when it was created'),
            ('etl_runs', 'flushed_at', 'of a continuous run: when it had last loaded all there was'),
            ('etl_runs', 'state', 'running, succeeded, failed, cancelled, stopped or crashed'),
            ('etl_targets', 'target', 'further table that the pipeline loads'),
            ('etl_targets', 'query', 'SELECT over the rows of the source'),
            ('etl_targets', 'key', 'columns with a unique index; NULL: append'),
            ('etl_targets', 'mode', 'upsert or append'),
            ('etl_targets', 'on_conflict', 'what an upsert does with a key that is there: update, ignore or error'),
            ('etl_targets', 'rules', 'boolean expressions over the columns of the query, by name'),
            ('etl_targets', 'delete_within', 'columns whose rows belong to one record, and go when it has them no more'),
            ('etl_run_targets', 'target', 'table that the run loaded'),
            ('etl_backfills', 'type', 'type of since, until and next'),
            ('etl_backfills', 'since', 'where it began'),
            ('etl_backfills', 'until', 'where it ends'),
            ('etl_backfills', 'step', 'length of a range'),
            ('etl_backfills', 'next', 'where the next range begins: what is before is done'),
            ('etl_backfills', 'started_at', 'when it was begun'),
            ('etl_ingest_tokens', 'created_at', 'when it was made'),
            ('etl_parts', 'part', 'file, URL, the pages of an API, or topic[partition]'),
            ('etl_parts', 'state', 'reading: to be read on; done: read to its end; set_aside: could not be read on'),
            ('etl_parts', 'rows', 'records of it that are loaded or dead letters'),
            ('etl_parts', 'next_offset', 'of topic[partition]: the offset of the message to be read next'),
            ('etl_parts', 'version', 'size and time, or validator, of what was read; NULL: not known'),
            ('etl_parts', 'attempts', 'tries that have failed since it was last read to its end'),
            ('etl_parts', 'sqlstate', 'SQLSTATE of the last of these'),
            ('etl_parts', 'message', 'its message and place'),
            ('etl_parts', 'first_at', 'when it was read first'),
            ('etl_parts', 'last_at', 'when it was read last, or was tried'),
            ('etl_parts', 'pending', 'whether when_done is still to be done with this version'),
            ('etl_parts', 'missing_since', 'when a run first did not find it any more'),
            ('etl_dead_letters', 'id', 'number of the dead letter'),
            ('etl_dead_letters', 'run', 'run that could not load the record, the last one that read it'),
            ('etl_dead_letters', 'stage', 'where it failed: parse, convert, enrich, rule or load'),
            ('etl_dead_letters', 'source', 'file or URL'),
            ('etl_dead_letters', 'line', 'line on which a record of CSV begins, or an item of NDJSON stands; in the file or page'),
            ('etl_dead_letters', 'page', 'file or page of an item, from 1'),
            ('etl_dead_letters', 'index', 'number of the item in it, from 1'),
            ('etl_dead_letters', 'byte_offset', 'where the record begins in its part'),
            ('etl_dead_letters', 'column_name', 'column that does not take the value'),
            ('etl_dead_letters', 'value', 'the value'),
            ('etl_dead_letters', 'raw', 'the record as it is written'),
            ('etl_dead_letters', 'rule', 'rule that is broken'),
            ('etl_dead_letters', 'detail', 'detail of the error'),
            ('etl_dead_letters', 'attempts', 'how often it was tried'),
            ('etl_dead_letters', 'first_at', 'when it was tried first'),
            ('etl_dead_letters', 'last_at', 'when it was tried last'),
            ('etl_dead_letters', 'replayable', 'whether etl_retry_dead_letters can try it'),
            ('etl_dead_letters', 'key', 'key of the row that an upsert would have made of it; NULL: not known'),
            ('etl_dead_letters', 'state', 'open; loaded, by a retry; or superseded, a later record of its key was loaded'),
            ('etl_dead_letters', 'resolved', 'whether it is not open any more'),
            ('etl_dead_letters', 'resolved_at', 'when'),
            ('etl_dead_letters', 'resolved_by', 'by which run'),
            ('etl_status', 'state', 'idle, waiting for a worker, running, paused, or copy'),
            ('etl_status', 'schedule', 'when it runs by itself'),
            ('etl_status', 'timezone', 'of the schedule'),
            ('etl_status', 'after', 'pipelines after whose success it runs'),
            ('etl_status', 'watch', 'whether it runs when files of its source arrive'),
            ('etl_status', 'continuous', 'whether its run stays when all there is has been read'),
            ('etl_status', 'next_run', 'by the schedule, or by another try after a failure; NULL: nothing will start it by time'),
            ('etl_status', 'not_before', 'until when it waits after failures, or after its run was cancelled'),
            ('etl_status', 'failures', 'in a row, of scheduled runs; tries between two times of the schedule count once'),
            ('etl_status', 'retries', 'tries since the last time of the schedule, of a run that failed then'),
            ('etl_status', 'skipped', 'times of the schedule at which the run before was still under way, or waited for a worker'),
            ('etl_status', 'reason', 'of the latest failure, why it is paused, or why nothing starts it'),
            ('etl_status', 'last_run', 'number of the last run'),
            ('etl_status', 'last_result', 'state of the last run'),
            ('etl_status', 'started_at', 'when the last run started'),
            ('etl_status', 'finished_at', 'when the last run ended'),
            ('etl_status', 'watermark', 'highest value of complete scans; for pg_monitor only numbers, dates and timestamps'),
            ('etl_status', 'lag', 'from the watermark to now, if it is a date or timestamp'),
            ('etl_status', 'open_dead_letters', 'dead letters that are not resolved'),
            ('etl_status', 'parts_set_aside', 'parts of its source that are set aside now, and are there'),
            ('etl_progress', 'stage', 'starting, reading, converting, querying, loading, or waiting (a continuous run, for its source)'),
            ('etl_progress', 'records', 'records taken in, those of the batch in hand included'),
            ('etl_progress', 'source_lag', 'messages that the source is known to have and the run has not been given; NULL: it has none, or that is not known'),
            ('etl_progress', 'pages', 'pages of an API; NULL: the source has none'),
            ('etl_progress', 'batch_rows', 'rows that the stage has before it; while reading, records that a batch may have'),
            ('etl_progress', 'batch_done', 'rows of these that are done'),
            ('etl_progress', 'records_per_second', 'since the run started'),
            ('etl_progress', 'bytes', 'bytes read; NULL: the source does not tell'),
            ('etl_progress', 'bytes_total', 'bytes that there are; NULL: the source does not tell'),
            ('etl_progress', 'bytes_per_second', 'since the run started'),
            ('etl_progress', 'time_left', 'if bytes go on as they did; NULL: not known, or a year or more'))
        SELECT a.attrelid::regclass AS view, a.attname AS "column", v.comment
        FROM pg_class k JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = k.oid AND d.deptype = 'e'
            JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'etl'
            JOIN pg_attribute a ON a.attrelid = k.oid AND a.attnum > 0,
            LATERAL (SELECT m.comment FROM comments m WHERE m."column" = a.attname AND coalesce(m.view, k.relname) = k.relname
                ORDER BY m.view LIMIT 1) v
        WHERE k.relkind = 'v'
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', c.view, c."column", c.comment);
    END LOOP;
END $do$;

/* ----------------------------------------------------------------
 *	Rights
 * ---------------------------------------------------------------- */

/* Of what is in the schema of the extension everybody may call these; the rest has to be granted. */
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT p.oid FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        WHERE e.extname = 'etl' AND p.pronamespace = '@extschema@'::regnamespace
            AND p.proname NOT IN ('etl_metrics', 'etl_next_runs', 'etl_unnest', 'etl_since', 'etl_until')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine);
    END LOOP;
END $$;
