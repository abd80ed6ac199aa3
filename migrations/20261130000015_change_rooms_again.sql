-- Whatever changes a room may be asked for again, when the connection broke between the commit and its answer;
-- and nobody waits long for whoever holds a room: the gateway tries again, and takes no connection meanwhile.
-- The functions of the release before stay, and wait no longer either.

alter function delete_message(bytea, text) set lock_timeout = '500ms';
alter function add_members(bytea, text, text[], boolean) set lock_timeout = '500ms';

-- Keys under which users made groups: the same user and key give the same group. Not led by room_id, because
-- it is what finds the room.
create table room_keys (
    creator text not null,
    client_id text not null,
    room_id bytea not null,
    constraint room_keys_pkey primary key (creator, client_id),
    -- Deferred: the key is taken first, and then the room is made.
    constraint room_keys_room_fkey foreign key (room_id) references rooms (id)
        on delete cascade deferrable initially deferred
);
-- A room that is deleted takes its key along.
create unique index room_keys_by_room on room_keys (room_id);

-- Rooms that everybody has left. To every reader they are gone at once, since nobody is a member; their rows go
-- little by little.
create table gone_rooms (
    room_id bytea not null,
    gone_at timestamptz not null default clock_timestamp(),
    -- Messages up to here are deleted.
    cleared_position bigint not null default -1,
    constraint gone_rooms_pkey primary key (room_id),
    constraint gone_rooms_room_fkey foreign key (room_id) references rooms (id)
);

-- Gives a message a new text. Null row: unknown, deleted, not the caller's, or the caller has left.
create or replace function edit_message(in_id bytea, in_by text, in_body text)
returns table (
    room_id bytea,
    message_position bigint,
    changed_position bigint,
    changed_at timestamptz,
    outbox_id bigint
)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
declare
    place record;
    head record;
    posted bigint;
begin
    select m.room_id, m.position into place from messages m where m.id = in_id and m.sender = in_by;
    if not found then
        return;
    end if;
    -- Who is no member never locks.
    perform 1 from members m
    where m.room_id = place.room_id and m.user_id = in_by and not m.departed;
    if not found then
        return;
    end if;
    perform 1 from rooms r where r.id = place.room_id for no key update;
    if not exists (
        select 1 from members m
        where m.room_id = place.room_id and m.user_id = in_by and not m.departed
    ) then
        return;
    end if;
    update messages m
    set body = in_body,
        changed_position = r.position + 1,
        updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
    from rooms r
    where r.id = place.room_id
        and m.room_id = place.room_id and m.position = place.position and not m.deleted
    returning m.changed_position, m.updated_at into head;
    if not found then
        return;
    end if;
    update rooms r
    set position = head.changed_position, updated_at = head.updated_at
    where r.id = place.room_id;
    insert into outbox (rooms, positions)
    values (array[place.room_id], array[head.changed_position])
    returning id into posted;
    return query select
        place.room_id::bytea, place.position::bigint, head.changed_position::bigint,
        head.updated_at::timestamptz, posted;
end
$$;

-- Deletes a message as the other one does. With in_again an earlier try may have done so already: a message of
-- the caller's that is deleted is then answered too, and owes nothing.
create function delete_message(in_id bytea, in_by text, in_again boolean)
returns table (room_id bytea, changed_position bigint, outbox_id bigint)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
begin
    return query select d.room_id, d.changed_position, d.outbox_id from delete_message(in_id, in_by) d;
    if not found and in_again then
        return query select m.room_id, m.changed_position, null::bigint
        from messages m
        where m.id = in_id and m.sender = in_by and m.deleted;
    end if;
end
$$;

-- Ends a membership. No row: there was none. The last to leave takes the room with them, whatever its size: it is
-- marked, and cleared away later.
create or replace function leave_room(in_room bytea, in_user text)
returns table (head bigint, deleted boolean, outbox_id bigint)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
declare
    place bigint;
    others bigint;
    posted bigint;
begin
    -- Who is no member never locks.
    perform 1 from members m where m.room_id = in_room and m.user_id = in_user and not m.departed;
    if not found then
        return;
    end if;
    select r.position + 1, r.member_count - 1 into place, others
    from rooms r where r.id = in_room for no key update;
    update members m
    set departed = true, changed_position = place, feed_at = null
    where m.room_id = in_room and m.user_id = in_user and not m.departed;
    if not found then
        return;
    end if;
    update rooms r
    set position = place,
        member_count = others,
        updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
    where r.id = in_room;
    if others <= 0 then
        insert into gone_rooms (room_id) values (in_room) on conflict do nothing;
        delete from private_pairs p where p.room_id = in_room;
        delete from room_keys k where k.room_id = in_room;
    end if;
    insert into outbox (rooms, positions) values (array[in_room], array[place])
    returning id into posted;
    return query select place, others <= 0, posted;
end
$$;

-- As the other one. With in_again an earlier try may have ended the membership already: that is then answered
-- too, and owes nothing.
create function leave_room(in_room bytea, in_user text, in_again boolean)
returns table (head bigint, outbox_id bigint)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
begin
    return query select l.head, l.outbox_id from leave_room(in_room, in_user) l;
    if not found and in_again then
        return query select m.changed_position, null::bigint
        from members m
        where m.room_id = in_room and m.user_id = in_user and m.departed;
    end if;
end
$$;

-- As before, but a chat that both have left is none: who waited for the last departure finds the room marked, whose
-- pair is gone, and makes a new one.
create or replace function open_private_room(
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
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
declare
    now_ms timestamptz := date_trunc('milliseconds', clock_timestamp());
    both_users text[] := array[in_by, in_with];
    strangers text[];
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
    strangers := meet_users(in_by, both_users, in_reject_unknown);
    if cardinality(strangers) > 0 then
        return query select strangers, null::bytea, '{}'::text[], '{}'::bigint[], null::bigint;
        return;
    end if;
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
            and r.member_count > 0
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

-- Deletes at most in_rows rows of one room that is gone, passing over a room that somebody else is clearing away.
-- Returns how many these were; with the last, the room itself goes.
create function clear_gone_room(in_rows integer) returns bigint
language plpgsql
as $$
declare
    gone record;
    upto bigint;
    cleared bigint;
begin
    select g.room_id, g.cleared_position into gone
    from gone_rooms g order by g.gone_at, g.room_id limit 1 for update skip locked;
    if not found then
        return 0;
    end if;
    -- A room with members is not gone, whatever was noted.
    if (select r.member_count from rooms r where r.id = gone.room_id for no key update) > 0 then
        delete from gone_rooms g where g.room_id = gone.room_id;
        return 1;
    end if;
    -- Past what was deleted before, of which the index still knows until it is vacuumed.
    with due as (
        select m.position from messages m
        where m.room_id = gone.room_id and m.position > gone.cleared_position
        order by m.position limit in_rows
    ),
    deleted as (
        delete from messages m using due where m.room_id = gone.room_id and m.position = due.position
    )
    select count(*), max(due.position) into cleared, upto from due;
    if cleared > 0 then
        update gone_rooms g set cleared_position = upto where g.room_id = gone.room_id;
        return cleared;
    end if;
    with due as (
        select m.user_id from members m where m.room_id = gone.room_id and m.departed limit in_rows
    )
    delete from members m using due where m.room_id = gone.room_id and m.user_id = due.user_id;
    get diagnostics cleared = row_count;
    if cleared > 0 then
        return cleared;
    end if;
    delete from gone_rooms g where g.room_id = gone.room_id;
    delete from rooms r where r.id = gone.room_id;
    return 1;
end
$$;

-- Adds users to a room. status 0 done, 1 no such room or not a member, 2 not allowed, 3 unknown ids.
-- Those who are members already are left as they are. in_users may be the first of a longer list, in_checked, of
-- which all are looked for; the others are added by add_more_members.
create function add_members(
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
    newcomers text[];
    strangers text[] := '{}';
    places bigint[];
    posted bigint;
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
        return query select 1::smallint, strangers, null::text, '{}'::text[], '{}'::bigint[],
            null::bigint;
        return;
    end if;
    if room.kind = 1 or (room.role = 1 and not room.all_administrators) then
        return query select 2::smallint, strangers, null::text, '{}'::text[], '{}'::bigint[],
            null::bigint;
        return;
    end if;
    if not is_locked then
        raise exception 'allowed only just now' using errcode = 'lock_not_available';
    end if;
    if in_reject_unknown then
        strangers := unseen_users(in_checked);
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

-- Adds some users to a room for somebody who has been found to be allowed to, together with others: see
-- add_members, which every long list begins with. Nobody waits for a long one, as it is cut into short ones.
create function add_more_members(in_room bytea, in_users text[])
returns table (room_name text, added text[], positions bigint[], outbox_id bigint)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
declare
    room record;
    newcomers text[];
    places bigint[];
    posted bigint;
begin
    perform 1 from rooms r where r.id = in_room and r.member_count > 0 for no key update;
    -- Who waited for the lock saw the past: look again at what it guards.
    select r.name, r.position into room from rooms r where r.id = in_room and r.member_count > 0;
    if not found then
        return;
    end if;
    select coalesce(array_agg(u.id order by u.ord), '{}') into newcomers
    from unnest(in_users) with ordinality as u (id, ord)
    where not exists (
        select 1 from members m where m.room_id = in_room and m.user_id = u.id and not m.departed
    );
    if cardinality(newcomers) = 0 then
        return query select room.name::text, newcomers, '{}'::bigint[], null::bigint;
        return;
    end if;
    perform know_users(newcomers);
    places := admit_members(in_room, newcomers, room.position);
    insert into outbox (rooms, positions, users)
    values (array[in_room], array[room.position + cardinality(newcomers)], newcomers)
    returning id into posted;
    return query select room.name::text, newcomers, places, posted;
end
$$;

-- Makes a group as the other one does. With a key, the same creator and key give the same group: made says whether
-- it was made just now. Asked for again with the same id, it is the same group too.
create function create_group(
    in_id bytea,
    in_name text,
    in_creator text,
    in_users text[],
    in_reject_unknown boolean,
    in_all_administrators boolean,
    in_description text,
    in_photo_small text,
    in_photo_big text,
    in_client_id text
) returns table (unknown text[], room_id bytea, head bigint, outbox_id bigint)
language plpgsql
set lock_timeout = '500ms'
as $$
#variable_conflict use_column
declare
    made record;
    earlier record;
begin
    select r.id, r.position into earlier from rooms r where r.id = in_id;
    if found then
        return query select '{}'::text[], earlier.id::bytea, earlier.position::bigint, null::bigint;
        return;
    end if;
    if in_client_id is not null then
        -- Of two who try at the same time, one waits here for the other's commit.
        insert into room_keys (creator, client_id, room_id) values (in_creator, in_client_id, in_id)
        on conflict do nothing;
        if not found then
            select r.id, r.position into earlier
            from room_keys k
            join rooms r on r.id = k.room_id
            where k.creator = in_creator and k.client_id = in_client_id;
            return query select '{}'::text[], earlier.id::bytea, earlier.position::bigint, null::bigint;
            return;
        end if;
    end if;
    select * into made from create_group(
        in_id, in_name, in_creator, in_users, in_reject_unknown, in_all_administrators, in_description,
        in_photo_small, in_photo_big
    );
    if cardinality(made.unknown) > 0 then
        -- Nothing is made, so nothing is kept under the key.
        delete from room_keys k where k.creator = in_creator and k.client_id = in_client_id;
    end if;
    return query select made.unknown::text[], in_id, made.head::bigint, made.outbox_id::bigint;
end
$$;
