-- A page of the messages of all rooms of a user, newest first, as places only. First the newest of each room, as many
-- rooms as may have a part in the page; then, as often as needed, of those rooms all of whose messages read so far
-- belong to it, as many again. So a page near the newest reads a small multiple of what it shows, besides one message
-- of each room, whether all rooms are equally busy or one has them all.
create function newest_messages(in_user text, in_skip bigint, in_limit bigint)
returns table (room_id bytea, message_position bigint)
language plpgsql
stable
rows 50
-- However few messages there were when it was planned: always look up by index.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
#variable_conflict use_column
declare
    wanted bigint := in_skip + in_limit;
    -- Messages that were read of each room that is still open.
    depth bigint := 1;
    -- The newest that were read so far, at most as many as wanted.
    rooms bytea[];
    places bigint[];
    times timestamptz[];
    -- Rooms of which more may belong to the page, and the oldest place that was read of each.
    open_rooms bytea[];
    open_places bigint[];
begin
    select array_agg(n.room_id), array_agg(n.position), array_agg(n.created_at)
    into rooms, places, times
    from (
        select mine.room_id, m.position, m.created_at
        from members mine
        cross join lateral (
            select position, created_at from messages
            where room_id = mine.room_id and not deleted
            order by position desc limit 1
        ) m
        where mine.user_id = in_user and not mine.departed
        order by m.created_at desc, m.position desc, mine.room_id desc
        limit wanted
    ) n;
    open_rooms := rooms;
    open_places := places;
    while cardinality(open_rooms) > 0 and depth < wanted loop
        select array_agg(n.room_id), array_agg(n.position), array_agg(n.created_at)
        into rooms, places, times
        from (
            select k.room_id, k.position, k.created_at
            from (
                select b.room_id, b.position, b.created_at
                from unnest(rooms, places, times) as b (room_id, position, created_at)
                union all
                select o.room_id, m.position, m.created_at
                from unnest(open_rooms, open_places) as o (room_id, place)
                cross join lateral (
                    select position, created_at from messages
                    where room_id = o.room_id and position < o.place and not deleted
                    order by position desc limit depth
                ) m
            ) k
            order by k.created_at desc, k.position desc, k.room_id desc
            limit wanted
        ) n;
        depth := depth * 2;
        -- Whatever was read of such a room belongs to the page, and there were as many as were asked for.
        select array_agg(n.room_id), array_agg(n.place)
        into open_rooms, open_places
        from (
            select b.room_id, min(b.position) as place
            from unnest(rooms, places) as b (room_id, position)
            where b.room_id = any (open_rooms)
            group by b.room_id
            having count(*) = depth
        ) n;
    end loop;
    return query
    select b.room_id, b.position
    from unnest(rooms, places, times) as b (room_id, position, created_at)
    order by b.created_at desc, b.position desc, b.room_id desc
    limit in_limit offset in_skip;
end
$$;
