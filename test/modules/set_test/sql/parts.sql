CREATE FUNCTION set_with_past(parts text) RETURNS text LANGUAGE c AS 'set_test';
CREATE FUNCTION set_twice(parts text) RETURNS text LANGUAGE c AS 'set_test';
CREATE FUNCTION set_is_small(parts text) RETURNS text LANGUAGE c AS 'set_test';
-- Each part has a past of its own: unchanged, gone on with in its midst, or read anew.
SELECT set_with_past('0'), set_with_past('1');
SELECT set_with_past('5');
-- What came over the network once is there for a second reading.
SELECT set_twice('3'), set_twice('1'), set_twice('0');
-- Parts that were read leave nothing behind.
SELECT set_is_small('100000');
