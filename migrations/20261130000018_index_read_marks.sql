-- no-transaction
-- Who has read farthest, former members included, without reading everybody's mark.
create index concurrently if not exists members_by_mark on members (room_id, read_position desc);
