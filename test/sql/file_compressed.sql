--
-- gzip and zstd, known by their first bytes, whatever the file is called.
--
\set one    '''\\x1f8b08000000000002ffcb4cd129e332d4c9cf4be502003b6adc200b000000'''
\set two    '''\\x1f8b08000000000002ff33d22929cfe702006812124b06000000'''
\set z_one  '''\\x28b52ffd045859000069642c760a312c6f6e650a42ad01fd'''
\set z_two  '''\\x28b52ffd0458310000322c74776f0ae80a76f0'''
\set z_skip '''\\x502a4d1804000000736b6970'''

SELECT csv_file('gz', :one::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/gz') AS t(id int, v text, _etl_line bigint, _etl_source text);

-- Members that follow each other are one stream; zeros behind the last are padding.
SELECT csv_file('members.csv', :one::bytea || :two::bytea || '\x000000') AS path;
SELECT * FROM etl_csv('etl_tmp/members.csv') AS t(id int, v text);
SELECT csv_file('garbage.gz', :one::bytea || '\x00677a') AS path;
SELECT * FROM etl_csv('etl_tmp/garbage.gz') AS t(id int, v text);

-- So they are behind one that is empty, and wherever the reads of 64 kB fall.
\set none '''\\x1f8b080000000000000303000000000000000000'''
SELECT csv_file('none.gz', :none::bytea || '\x0000' || :one::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/none.gz') AS t(id int, v text);
SELECT at, (SELECT count(*) FROM etl_csv(csv_file('pad.gz',
		:one::bytea || decode(repeat('00', at), 'hex') || :two::bytea || decode(repeat('00', 65536), 'hex')))
		AS t(id int, v text)) AS rows
	FROM generate_series(65536 - length(:one::bytea) - 1, 65536 - length(:one::bytea) + 1) at;

SELECT csv_file('z', :z_one::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/z') AS t(id int, v text);
SELECT csv_file('frames.zst', :z_one::bytea || :z_skip::bytea || :z_two::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/frames.zst') AS t(id int, v text);
-- Also where a frame that is to be skipped comes first, as pzstd writes it, or nothing else.
SELECT csv_file('first.zst', set_byte(:z_skip::bytea, 0, 95) || :z_one::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/first.zst') AS t(id int, v text);
SELECT csv_file('only.zst', :z_skip::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/only.zst') AS t(id int, v text);
-- The header of a frame whose window is 2 GB.
SELECT csv_file('window.zst', '\x28b52ffd00a8010000'::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/window.zst') AS t(id int, v text);

-- A frame that says which dictionary it was made with.
SELECT csv_file('dictionary.zst', '\x28b52ffd210502110000610a'::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/dictionary.zst') AS t(id int, v text);

-- What other programs compress is told by its name.
SELECT csv_file('zip', '\x504b030414000000'::bytea), csv_file('xz', '\xfd377a585a000004'::bytea), csv_file('bz2', 'BZh91AY&SY');
SELECT * FROM etl_peek('etl_tmp/zip');
SELECT * FROM etl_peek('etl_tmp/xz');
SELECT * FROM etl_peek('etl_tmp/bz2');

SELECT csv_file('garbage.zst', :z_one::bytea || 'garbage') AS path;
SELECT * FROM etl_csv('etl_tmp/garbage.zst') AS t(id int, v text);

-- Cut off anywhere, it is an error that says so: the end of the data is not its end.  (Below the four bytes
-- that tell zstd, or the two that tell gzip, it is not compressed data at all.)
CREATE FUNCTION state_of_cut(content bytea, len int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM count(*) FROM etl_csv(csv_file('cut', substr(content, 1, len)), header => false) AS t(a text, b text);
	RETURN 'read';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || regexp_replace(sqlerrm, '".*"', '');
END $$;
SELECT state_of_cut(:one::bytea, len), count(*), min(len), max(len)
	FROM generate_series(2, length(:one::bytea)) len GROUP BY 1 ORDER BY 3;
SELECT state_of_cut(:z_one::bytea, len), count(*), min(len), max(len)
	FROM generate_series(4, length(:z_one::bytea)) len GROUP BY 1 ORDER BY 3;

-- Damage is found: here in the checksums at the end.
SELECT csv_file('crc.gz', set_byte(:one::bytea, length(:one::bytea) - 6, 0)) AS path;
SELECT * FROM etl_csv('etl_tmp/crc.gz') AS t(id int, v text);
SELECT csv_file('checksum.zst', set_byte(:z_one::bytea, length(:z_one::bytea) - 1, 0)) AS path;
SELECT * FROM etl_csv('etl_tmp/checksum.zst') AS t(id int, v text);

-- Decompression comes before decoding: this is UTF-16 inside gzip.
SELECT csv_file('utf16.gz', '\x1f8b08000000000002fffbff2f9321854187a18c818bc11048bf6458a3c0c50000e69e29b716000000'::bytea) AS path;
SELECT * FROM etl_csv('etl_tmp/utf16.gz') AS t(id int, v text);

-- What a few bytes unpack to is read through the same fixed buffers, and bounded like any field.
COPY (SELECT repeat('a', 50000000)) TO PROGRAM 'gzip > etl_tmp/bomb';
SELECT length(a) FROM etl_csv('etl_tmp/bomb', header => false) AS t(a text);
SET etl.max_field_size = '1MB';
SELECT length(a) FROM etl_csv('etl_tmp/bomb', header => false) AS t(a text);
RESET etl.max_field_size;

-- Read again, it is unpacked again.
SELECT n, t.* FROM generate_series(1, 2) n LEFT JOIN LATERAL
	(SELECT * FROM etl_csv('etl_tmp/members.csv') AS t(id int, v text) WHERE id = n OFFSET 0) t ON true;
SELECT explain_analyze($$ SELECT * FROM etl_csv('etl_tmp/members.csv') AS t(id int, v text) $$);
DROP FUNCTION state_of_cut;
