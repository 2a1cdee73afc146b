-- What the other tests call, and one column for each type and typmod they go through.
CREATE FUNCTION convert_known(type regtype, typmod int) RETURNS boolean
  LANGUAGE C AS '$libdir/convert_test';
CREATE FUNCTION convert_try(type regtype, typmod int, value text,
                            OUT taken boolean, OUT mismatch text)
  LANGUAGE C AS '$libdir/convert_test';
CREATE FUNCTION convert_differential(type regtype, typmod int, kind text, seed bigint, n bigint,
                                     OUT taken bigint, OUT mismatches bigint,
                                     OUT first_mismatch text)
  LANGUAGE C AS '$libdir/convert_test';

-- The character types in this database's encoding.
CREATE FUNCTION check_texts(strings bigint)
  RETURNS TABLE (encoding name, type text, kind text, all_taken boolean, some_taken boolean,
                 mismatches bigint, first_mismatch text)
  LANGUAGE sql AS $$
    SELECT getdatabaseencoding(), format_type(type, typmod), kind, taken = strings, taken > 0,
           mismatches, first_mismatch
    FROM (VALUES ('text'::regtype, -1), ('varchar', 7 + 4), ('bpchar', 7 + 4)) v(type, typmod),
         unnest('{canonical,boundary}'::text[]) kind,
         LATERAL convert_differential(type, typmod, kind, 1, strings)
$$;
