-- No room waits for another. Appends a batch as append_messages does, which stays for the release before, but:
-- who is no member is refused before anything is locked, unless in_expected says that a node has them in the room,
-- and with in_wait_ms null a room that somebody else holds is passed over: its inputs get the status 4 and nothing of
-- them is written. With a number, whoever holds a room is waited for so many milliseconds; after that the batch fails
-- as a whole, with lock_not_available. Only with in_again may messages of the batch have been stored by an earlier
-- try, and are looked for by their ids.
create function append_batch(
    in_rooms bytea[],
    in_ids bytea[],
    in_senders text[],
    in_bodies text[],
    in_client_ids text[],
    in_origins text[],
    in_expected boolean[],
    in_wait_ms integer,
    in_again boolean
) returns table (
    input integer,
    status smallint,
    message_id bytea,
    message_position bigint,
    written_at timestamptz,
    outbox_id bigint
)
language plpgsql
-- A plan made while the tables were small must not outlive that: always look up by index. And what
-- takes a millisecond is not worth compiling, whatever the estimates say.
set enable_seqscan = off
-- Planned once for a session: that a plan for the very batch at hand would seem cheaper is no reason to make one each time.
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
    now_ms timestamptz;
    wanted bytea[];
    ours bytea[];
    setting text;
begin
    -- What all batches do is done without a query of its own.
    if false = any (in_expected) then
        wanted := array(
            select i.room_id
            from unnest(in_rooms, in_senders, in_expected) as i (room_id, sender, expected)
            where i.expected or (
                select true from members m
                where m.room_id = i.room_id and m.user_id = i.sender and not m.departed
            ) is not null
        );
    else
        wanted := in_rooms;
    end if;
    -- Always in the order of ids, so that two batches never wait for each other in a circle.
    if in_wait_ms is null then
        ours := array(
            select r.id from rooms r where r.id = any (wanted)
            order by r.id for no key update skip locked
        );
    else
        setting := set_config('lock_timeout', in_wait_ms::text, true);
        ours := array(
            select r.id from rooms r where r.id = any (wanted)
            order by r.id for no key update
        );
    end if;
    now_ms := date_trunc('milliseconds', clock_timestamp());

    return query
    with given as (
        select
            i.ord::integer as ord,
            i.room_id,
            i.id,
            i.sender,
            i.body,
            i.client_id,
            i.origin,
            case when i.client_id is not null
                then substr(sha256(convert_to(i.body, 'UTF8')), 1, 8)
            end as digest,
            case when i.client_id is null then i.ord
                else min(i.ord) over (partition by i.room_id, i.sender, i.client_id)
            end::integer as first_ord
        from unnest(in_rooms, in_ids, in_senders, in_bodies, in_client_ids, in_origins)
            with ordinality as i (room_id, id, sender, body, client_id, origin, ord)
    ),
    judged as (
        select
            g.*,
            -- Not "exists", which may be planned as one pass over all members there are.
            (
                select true from members m
                where m.room_id = g.room_id and m.user_id = g.sender and not m.departed
            ) is not null as allowed,
            -- Not a join, which would look for every message also where none can have been stored.
            case when in_again then (
                select m.position from messages m where m.id = g.id and m.room_id = g.room_id
            ) end as again_position,
            case when in_again then (
                select m.created_at from messages m where m.id = g.id and m.room_id = g.room_id
            ) end as again_created_at,
            old.id as old_id,
            old.position as old_position,
            old.created_at as old_created_at,
            old.client_digest as old_digest
        from given g
        left join messages old
            on g.client_id is not null
            and old.room_id = g.room_id and old.sender = g.sender and old.client_id = g.client_id
    ),
    fresh as (
        select
            j.ord,
            j.room_id,
            j.id,
            j.sender,
            j.body,
            j.client_id,
            j.digest,
            j.origin,
            r.position + row_number() over (partition by j.room_id order by j.ord) as position,
            greatest(now_ms, r.updated_at) as created_at
        from judged j
        join rooms r on r.id = j.room_id
        where j.allowed and j.room_id = any (ours) and j.again_position is null and j.old_id is null and j.ord = j.first_ord
    ),
    stored as (
        insert into messages (
            room_id, position, id, sender, body, created_at, updated_at, changed_position,
            client_id, client_digest, origin
        )
        select
            f.room_id, f.position, f.id, f.sender, f.body, f.created_at, f.created_at, f.position,
            f.client_id, f.digest, f.origin
        from fresh f
    ),
    heads as (
        select f.room_id, max(f.position) as position, count(*) as written,
            max(f.created_at) as at
        from fresh f
        group by f.room_id
    ),
    moved as (
        update rooms r
        set position = h.position, updated_at = h.at, message_count = r.message_count + h.written
        from heads h
        where r.id = h.room_id
    ),
    posted as (
        insert into outbox (rooms, positions)
        select array_agg(h.room_id), array_agg(h.position) from heads h having count(*) > 0
        returning id
    )
    select
        j.ord,
        case
            when j.again_position is not null then 0
            when not j.allowed then 2
            when coalesce(j.old_digest, first.digest) <> j.digest then 3
            when j.old_id is not null then 1
            when not j.room_id = any (ours) then 4
            when j.ord <> j.first_ord then 1
            else 0
        end::smallint,
        coalesce(j.old_id, first.id),
        coalesce(j.again_position, j.old_position, first.position),
        coalesce(j.again_created_at, j.old_created_at, first.created_at),
        (select p.id from posted p)
    from judged j
    left join fresh first on first.ord = j.first_ord
    order by j.ord;
end
$$;
