-- Feeds of contract B outlive the socket that asked for them: sockets that come later take them up.

alter table members
    -- When the user last asked for the room's feed, or a new socket took it up; null without one, and
    -- for who is no member. State, not log: moving it takes no position.
    add column feed_at timestamptz;

-- As before, and the feed goes with the membership: who comes back has to ask for it again.
create or replace function leave_room(in_room bytea, in_user text)
returns table (head bigint, deleted boolean, outbox_id bigint)
language plpgsql
as $$
#variable_conflict use_column
declare
    place bigint;
    posted bigint;
    nobody_left boolean;
begin
    select r.position + 1 into place from rooms r where r.id = in_room for no key update;
    update members m
    set departed = true, changed_position = place, feed_at = null
    where m.room_id = in_room and m.user_id = in_user and not m.departed;
    if not found then
        return;
    end if;
    nobody_left := not exists (
        select 1 from members m where m.room_id = in_room and not m.departed
    );
    if nobody_left then
        delete from messages m where m.room_id = in_room;
        delete from members m where m.room_id = in_room;
        delete from rooms r where r.id = in_room;
    else
        update rooms r
        set position = place,
            member_count = r.member_count - 1,
            updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
        where r.id = in_room;
    end if;
    insert into outbox (rooms, positions) values (array[in_room], array[place])
    returning id into posted;
    return query select place, nobody_left, posted;
end
$$;
