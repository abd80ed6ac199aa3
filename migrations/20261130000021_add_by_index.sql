-- Whoever is added is looked up one by one. As a join that was one pass over everybody in the room for each of them,
-- whenever the statistics were from a time when the room was small.

-- Makes those of the users members who are none, at the places after in_head, and owes them and the room their hints.
-- The caller holds the room's row, whose position in_head is.
create function admit_newcomers(in_room bytea, in_users text[], in_head bigint)
returns table (added text[], positions bigint[], outbox_id bigint)
language plpgsql
as $$
#variable_conflict use_column
declare
    newcomers text[];
    places bigint[] := '{}';
    posted bigint;
begin
    -- Not "not exists", which may be planned as a join.
    select coalesce(array_agg(u.id order by u.ord), '{}') into newcomers
    from unnest(in_users) with ordinality as u (id, ord)
    where (
        select true from members m where m.room_id = in_room and m.user_id = u.id and not m.departed
    ) is null;
    if cardinality(newcomers) > 0 then
        perform know_users(newcomers);
        places := admit_members(in_room, newcomers, in_head);
        insert into outbox (rooms, positions, users)
        values (array[in_room], array[in_head + cardinality(newcomers)], newcomers)
        returning id into posted;
    end if;
    return query select newcomers, places, posted;
end
$$;

create or replace function add_members(
    in_room bytea,
    in_by text,
    in_users text[],
    in_checked text[],
    in_reject_unknown boolean
) returns table (
    status smallint,
    unknown text[],
    room_name text,
    added text[],
    positions bigint[],
    outbox_id bigint
)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
declare
    room record;
    is_locked boolean;
    refused smallint;
    strangers text[] := '{}';
begin
    -- Who is no member never locks, nor does who may not add.
    perform 1
    from rooms r
    join members m on m.room_id = r.id and m.user_id = in_by and not m.departed
    where r.id = in_room and r.kind = 2 and (m.role <> 1 or r.all_administrators)
    for no key update of r;
    is_locked := found;
    -- Who waited for the lock saw the past: look again at what it guards.
    select r.kind, r.name, r.all_administrators, r.position, m.role into room
    from rooms r
    join members m on m.room_id = r.id and m.user_id = in_by and not m.departed
    where r.id = in_room;
    if not found then
        refused := 1;
    elsif room.kind = 1 or (room.role = 1 and not room.all_administrators) then
        refused := 2;
    elsif not is_locked then
        raise exception 'allowed only just now' using errcode = 'lock_not_available';
    elsif in_reject_unknown then
        strangers := unseen_users(in_checked);
        if cardinality(strangers) > 0 then
            refused := 3;
        end if;
    end if;
    if refused is not null then
        return query select refused, strangers, null::text, '{}'::text[], '{}'::bigint[], null::bigint;
        return;
    end if;
    return query
    select 0::smallint, strangers, room.name::text, a.added, a.positions, a.outbox_id
    from admit_newcomers(in_room, in_users, room.position) a;
end
$$;

create or replace function add_more_members(in_room bytea, in_users text[])
returns table (room_name text, added text[], positions bigint[], outbox_id bigint)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
declare
    room record;
begin
    perform 1 from rooms r where r.id = in_room and r.member_count > 0 for no key update;
    -- Who waited for the lock saw the past: look again at what it guards.
    select r.name, r.position into room from rooms r where r.id = in_room and r.member_count > 0;
    if found then
        return query
        select room.name::text, a.added, a.positions, a.outbox_id
        from admit_newcomers(in_room, in_users, room.position) a;
    end if;
end
$$;
