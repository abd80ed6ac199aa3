-- What the second contract shows of a room: descriptions, pictures, invitations, pairs.

alter table rooms
    add column description text,
    add column photo_small text,
    add column photo_big text,
    -- Members who have not left; moves in the transactions that move them.
    add column member_count bigint not null default 0,
    -- Names a group to people outside; random, so that it cannot be guessed. Null for two people.
    add column invite_link text;

-- 17 of 62 characters, 101 random bits. Of a random UUID only those bytes are used that are random
-- throughout, and of those only values that favour no character.
create function random_invite_link() returns text
language sql
volatile
as $$
    select string_agg(
        substr(
            'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
            (drawn.value % 62) + 1,
            1
        ), ''
    )
    from (
        select get_byte(uuid_send(u.id), b.n) as value
        from (select gen_random_uuid() as id from generate_series(1, 4)) u
        cross join unnest(array[0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]) as b (n)
        where get_byte(uuid_send(u.id), b.n) < 248
        limit 17
    ) drawn
$$;

-- Set apart from adding the column, so that no table is rewritten: rows from now on get a link.
alter table rooms alter column invite_link set default random_invite_link();

-- Nothing older than this was ever released, so these are few.
update rooms r
set invite_link = random_invite_link(),
    member_count = (
        select count(*) from members m where m.room_id = r.id and not m.departed
    );

-- The one private room of two users. Not led by room_id, because it is what finds the room.
create table private_pairs (
    low_user text not null,
    high_user text not null,
    room_id bytea not null,
    constraint private_pairs_pkey primary key (low_user, high_user),
    constraint private_pairs_order check (low_user < high_user),
    -- Deferred: the pair is taken first, and then the room is made.
    constraint private_pairs_room_fkey foreign key (room_id) references rooms (id)
        on delete cascade deferrable initially deferred
);
-- A room that is deleted takes its pair along.
create unique index private_pairs_by_room on private_pairs (room_id);
