-- Rooms, and who is in them. Locks are taken room first, then users in the order of their ids.

-- Makes sure that a row exists for every id, so that members can refer to it.
create function know_users(in_users text[]) returns void
language sql
as $$
    insert into users (id)
    select distinct u from unnest(in_users) as u order by u
    on conflict (id) do nothing;
$$;

-- Those of the ids whose user has never connected.
create function unseen_users(in_users text[]) returns text[]
language sql
stable
as $$
    select coalesce(array_agg(u order by u), '{}')
    from unnest(in_users) as u
    where not exists (select 1 from users s where s.id = u and s.seen_at is not null);
$$;

-- Makes a group. in_users holds the creator and the others, without duplicates.
-- With in_reject_unknown, ids that never connected are returned and nothing is made.
create function create_room(
    in_id bytea,
    in_name text,
    in_creator text,
    in_users text[],
    in_reject_unknown boolean
) returns table (unknown text[], head bigint, outbox_id bigint)
language plpgsql
as $$
#variable_conflict use_column
declare
    now_ms timestamptz := date_trunc('milliseconds', clock_timestamp());
    size bigint := cardinality(in_users);
    strangers text[];
    posted bigint;
begin
    insert into users (id, seen_at) values (in_creator, now_ms)
    on conflict (id) do update set seen_at = now_ms where users.seen_at is null;
    if in_reject_unknown then
        strangers := unseen_users(in_users);
        if cardinality(strangers) > 0 then
            return query select strangers, null::bigint, null::bigint;
            return;
        end if;
    end if;
    perform know_users(in_users);
    insert into rooms (
        id, kind, name, all_administrators, created_at, updated_at, position, name_position
    ) values (in_id, 2, in_name, true, now_ms, now_ms, 1 + size, 1);
    insert into members (room_id, user_id, role, changed_position)
    select in_id, u.id, case when u.id = in_creator then 3 else 1 end, 1 + u.ord
    from unnest(in_users) with ordinality as u (id, ord);
    insert into outbox (rooms, positions, users) values (array[in_id], array[1 + size], in_users)
    returning id into posted;
    return query select '{}'::text[], 1 + size, posted;
end
$$;

-- Adds users to a room. status 0 done, 1 no such room or not a member, 2 not allowed, 3 unknown ids.
-- Those who are members already are left as they are.
create function add_members(
    in_room bytea,
    in_by text,
    in_users text[],
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
as $$
#variable_conflict use_column
declare
    room record;
    newcomers text[];
    strangers text[] := '{}';
    places bigint[];
    posted bigint;
begin
    select r.kind, r.name, r.all_administrators, r.position, m.role into room
    from rooms r
    join members m on m.room_id = r.id and m.user_id = in_by and not m.departed
    where r.id = in_room
    for no key update of r;
    -- Who waited for the lock saw the past: look again at what it guards.
    select r.kind, r.name, r.all_administrators, r.position, m.role into room
    from rooms r
    join members m on m.room_id = r.id and m.user_id = in_by and not m.departed
    where r.id = in_room;
    if not found then
        return query select 1::smallint, strangers, null::text, '{}'::text[], '{}'::bigint[],
            null::bigint;
        return;
    end if;
    if room.kind = 1 or (room.role = 1 and not room.all_administrators) then
        return query select 2::smallint, strangers, null::text, '{}'::text[], '{}'::bigint[],
            null::bigint;
        return;
    end if;
    if in_reject_unknown then
        strangers := unseen_users(in_users);
    end if;
    if cardinality(strangers) > 0 then
        return query select 3::smallint, strangers, null::text, '{}'::text[], '{}'::bigint[],
            null::bigint;
        return;
    end if;
    select coalesce(array_agg(u.id order by u.ord), '{}') into newcomers
    from unnest(in_users) with ordinality as u (id, ord)
    where not exists (
        select 1 from members m where m.room_id = in_room and m.user_id = u.id and not m.departed
    );
    if cardinality(newcomers) = 0 then
        return query select 0::smallint, strangers, room.name::text, newcomers, '{}'::bigint[],
            null::bigint;
        return;
    end if;
    perform know_users(newcomers);
    select array_agg(room.position + n order by n) into places
    from generate_series(1, cardinality(newcomers)) as n;
    insert into members (room_id, user_id, role, changed_position)
    select in_room, u.id, 1, u.place from unnest(newcomers, places) as u (id, place)
    on conflict (room_id, user_id) do update
    set departed = false, role = 1, changed_position = excluded.changed_position;
    update rooms r
    set position = room.position + cardinality(newcomers),
        updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
    where r.id = in_room;
    insert into outbox (rooms, positions, users)
    values (array[in_room], array[room.position + cardinality(newcomers)], newcomers)
    returning id into posted;
    return query select 0::smallint, strangers, room.name::text, newcomers, places, posted;
end
$$;

-- Ends a membership. No row: there was none. The last to leave takes the room with them.
create function leave_room(in_room bytea, in_user text)
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
    set departed = true, changed_position = place
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
            updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
        where r.id = in_room;
    end if;
    insert into outbox (rooms, positions) values (array[in_room], array[place])
    returning id into posted;
    return query select place, nobody_left, posted;
end
$$;

-- Notes the profiles of connecting users; a row is written only if something is new.
create function see_users(in_users text[], in_names text[], in_pictures text[]) returns void
language sql
as $$
    insert into users (id, name, picture, seen_at)
    select distinct on (u.id) u.id, coalesce(u.name, ''), u.picture, clock_timestamp()
    from unnest(in_users, in_names, in_pictures) as u (id, name, picture)
    order by u.id
    on conflict (id) do update
    set name = excluded.name,
        picture = excluded.picture,
        seen_at = coalesce(users.seen_at, excluded.seen_at)
    where users.seen_at is null
        or users.name <> excluded.name
        or users.picture is distinct from excluded.picture;
$$;
