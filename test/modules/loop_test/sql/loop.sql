CREATE FUNCTION loop_readable() RETURNS text LANGUAGE c AS 'loop_test';
CREATE FUNCTION loop_writable() RETURNS text LANGUAGE c AS 'loop_test';
CREATE FUNCTION loop_removed() RETURNS text LANGUAGE c AS 'loop_test';
CREATE FUNCTION loop_forever() RETURNS void LANGUAGE c AS 'loop_test';
CREATE FUNCTION loop_sleep() RETURNS text LANGUAGE c AS 'loop_test';
-- Not called before there is a byte, then once; and the timer that sent it is not due any more.
SELECT loop_readable();
SELECT loop_readable();
-- Called while there is room, and not when the pipe is full.
SELECT loop_writable();
-- One of two, then both.
SELECT loop_removed();
-- A wait for ever can be cancelled.
SET statement_timeout = '100ms';
SELECT loop_forever();
RESET statement_timeout;
SELECT loop_readable();
SELECT loop_sleep();
