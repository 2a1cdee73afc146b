--
-- Takes away what setup brought.
--
DROP FUNCTION csv_file(text, bytea), csv_file(text, text), explain_analyze, explain;
COPY (SELECT WHERE false) TO PROGRAM 'rm -r etl_fixtures etl_tmp';

-- Whatever the tests made with the extension's types or functions, they have dropped again.
DROP EXTENSION etl;
