-- no-transaction
-- The newest messages of a room that are not deleted, however many deleted ones lie before them.
create index concurrently if not exists messages_shown on messages (room_id, position) where not deleted;
