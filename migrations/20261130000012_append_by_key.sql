-- A plan that was made while there were few messages reads all that have a key, for each batch, until
-- statistics are there: it hashes them instead of looking up the few that are asked for.
alter function append_messages(bytea[], bytea[], text[], text[], text[], text[])
    set enable_hashjoin = off;
alter function append_messages(bytea[], bytea[], text[], text[], text[], text[])
    set enable_mergejoin = off;
