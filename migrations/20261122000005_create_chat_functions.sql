-- Groups and pairs of the second contract. The functions that move memberships are replaced, under
-- the same names and arguments, so that they move the count of members too.

create or replace function create_room(
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
        id, kind, name, all_administrators, created_at, updated_at, position, name_position,
        member_count
    ) values (in_id, 2, in_name, true, now_ms, now_ms, 1 + size, 1, size);
    insert into members (room_id, user_id, role, changed_position)
    select in_id, u.id, case when u.id = in_creator then 3 else 1 end, 1 + u.ord
    from unnest(in_users) with ordinality as u (id, ord);
    insert into outbox (rooms, positions, users) values (array[in_id], array[1 + size], in_users)
    returning id into posted;
    return query select '{}'::text[], 1 + size, posted;
end
$$;

-- Makes a group with everything that the second contract lets its creator say.
create function create_group(
    in_id bytea,
    in_name text,
    in_creator text,
    in_users text[],
    in_reject_unknown boolean,
    in_all_administrators boolean,
    in_description text,
    in_photo_small text,
    in_photo_big text
) returns table (unknown text[], head bigint, outbox_id bigint)
language plpgsql
as $$
#variable_conflict use_column
declare
    made record;
begin
    select * into made from create_room(in_id, in_name, in_creator, in_users, in_reject_unknown);
    update rooms r
    set all_administrators = in_all_administrators,
        description = in_description,
        photo_small = in_photo_small,
        photo_big = in_photo_big
    where r.id = in_id;
    return query select made.unknown::text[], made.head::bigint, made.outbox_id::bigint;
end
$$;

-- Adds users to a room. status 0 done, 1 no such room or not a member, 2 not allowed, 3 unknown ids.
-- Those who are members already are left as they are.
create or replace function add_members(
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
    places := admit_members(in_room, newcomers, room.position);
    insert into outbox (rooms, positions, users)
    values (array[in_room], array[room.position + cardinality(newcomers)], newcomers)
    returning id into posted;
    return query select 0::smallint, strangers, room.name::text, newcomers, places, posted;
end
$$;

-- Makes users who are no members into members, at the places after in_head. The caller holds the
-- room's row, whose position in_head is.
create function admit_members(in_room bytea, in_users text[], in_head bigint) returns bigint[]
language plpgsql
as $$
#variable_conflict use_column
declare
    places bigint[];
begin
    select array_agg(in_head + n order by n) into places
    from generate_series(1, cardinality(in_users)) as n;
    insert into members (room_id, user_id, role, changed_position)
    select in_room, u.id, 1, u.place from unnest(in_users, places) as u (id, place)
    on conflict (room_id, user_id) do update
    set departed = false, role = 1, changed_position = excluded.changed_position;
    update rooms r
    set position = in_head + cardinality(in_users),
        member_count = r.member_count + cardinality(in_users),
        updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
    where r.id = in_room;
    return places;
end
$$;

-- Ends a membership. No row: there was none. The last to leave takes the room with them.
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
            member_count = r.member_count - 1,
            updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
        where r.id = in_room;
    end if;
    insert into outbox (rooms, positions) values (array[in_room], array[place])
    returning id into posted;
    return query select place, nobody_left, posted;
end
$$;

-- The one private room of two users, made if there is none; whoever of the two has left it is a
-- member again. joined and positions say who became a member, and where in the log.
create function open_private_room(
    in_id bytea,
    in_by text,
    in_with text,
    in_reject_unknown boolean
) returns table (
    unknown text[],
    room_id bytea,
    joined text[],
    positions bigint[],
    outbox_id bigint
)
language plpgsql
as $$
#variable_conflict use_column
declare
    now_ms timestamptz := date_trunc('milliseconds', clock_timestamp());
    both_users text[] := array[in_by, in_with];
    place bytea;
    head bigint;
    newcomers text[];
    places bigint[];
    posted bigint;
begin
    select p.room_id into place
    from private_pairs p
    where p.low_user = least(in_by, in_with) and p.high_user = greatest(in_by, in_with)
        and not exists (select 1 from members m where m.room_id = p.room_id and m.departed);
    if found then
        return query select '{}'::text[], place, '{}'::text[], '{}'::bigint[], null::bigint;
        return;
    end if;
    insert into users (id, seen_at) values (in_by, now_ms)
    on conflict (id) do update set seen_at = now_ms where users.seen_at is null;
    if in_reject_unknown and cardinality(unseen_users(both_users)) > 0 then
        return query select unseen_users(both_users), null::bytea, '{}'::text[], '{}'::bigint[],
            null::bigint;
        return;
    end if;
    perform know_users(both_users);
    loop
        -- Of two who try at the same time, one waits here for the other's commit.
        insert into private_pairs (low_user, high_user, room_id)
        values (least(in_by, in_with), greatest(in_by, in_with), in_id)
        on conflict do nothing;
        if found then
            insert into rooms (
                id, kind, name, all_administrators, created_at, updated_at, position,
                name_position, invite_link
            ) values (in_id, 1, '', true, now_ms, now_ms, 1, 1, null);
            places := admit_members(in_id, both_users, 1);
            update members m set role = 3 where m.room_id = in_id and m.user_id = in_by;
            place := in_id;
            head := 1;
            newcomers := both_users;
            exit;
        end if;
        select r.id, r.position into place, head
        from private_pairs p
        join rooms r on r.id = p.room_id
        where p.low_user = least(in_by, in_with) and p.high_user = greatest(in_by, in_with)
        for no key update of r;
        -- Not found if both have left meanwhile, which took the room away: then make it anew.
        if found then
            select coalesce(array_agg(m.user_id order by m.user_id), '{}') into newcomers
            from members m
            where m.room_id = place and m.departed;
            if cardinality(newcomers) > 0 then
                places := admit_members(place, newcomers, head);
            end if;
            exit;
        end if;
    end loop;
    if cardinality(newcomers) > 0 then
        insert into outbox (rooms, positions, users)
        values (array[place], array[head + cardinality(newcomers)], newcomers)
        returning id into posted;
    end if;
    return query select '{}'::text[], place, newcomers, coalesce(places, '{}'), posted;
end
$$;
