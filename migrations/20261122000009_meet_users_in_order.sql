-- Two new users who named each other at the same moment waited for each other: each had noted itself
-- first and the other one then. Now whoever is named is noted in the order of ids, oneself included.

-- Makes rows for all these users and notes that in_by was seen; with in_reject_unknown, returns those
-- others who never connected instead.
create function meet_users(in_by text, in_users text[], in_reject_unknown boolean) returns text[]
language plpgsql
as $$
declare
    strangers text[] := '{}';
begin
    if in_reject_unknown then
        strangers := unseen_users(array_remove(in_users, in_by));
    end if;
    if cardinality(strangers) > 0 then
        return strangers;
    end if;
    perform know_users(array(select u from unnest(in_users) as u where u < in_by));
    insert into users (id, seen_at) values (in_by, clock_timestamp())
    on conflict (id) do update set seen_at = excluded.seen_at where users.seen_at is null;
    perform know_users(array(select u from unnest(in_users) as u where u > in_by));
    return strangers;
end
$$;

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
    strangers := meet_users(in_creator, in_users, in_reject_unknown);
    if cardinality(strangers) > 0 then
        return query select strangers, null::bigint, null::bigint;
        return;
    end if;
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

-- As before but for who is noted when: the chat of two users, made if there is none.
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
