-- Everything durable. Ids of rooms and messages are twelve raw bytes (shown as 24 hex characters).
-- Room-owned tables lead every primary and unique key with room_id, so that they can be
-- partitioned or distributed by room without changing a query.

create table users (
    id text not null,
    name text not null default '',
    picture text,
    suspended boolean not null default false,
    -- First connect or request with a token of this user; null while only others have named the id.
    seen_at timestamptz,
    last_active timestamptz,
    constraint users_pkey primary key (id),
    constraint users_id_length check (char_length(id) between 1 and 128)
);

create table rooms (
    id bytea not null,
    -- 1 private, 2 group.
    kind smallint not null,
    name text not null,
    all_administrators boolean not null,
    created_at timestamptz not null,
    -- Time of the newest change; no later change is given an earlier time.
    updated_at timestamptz not null,
    -- Place of the newest change in the room's log. Gapless: taken while holding this row.
    position bigint not null,
    -- Place of the newest change of the room's own data (its name).
    name_position bigint not null,
    -- Messages that are not deleted; moves in the transactions that write and delete them.
    message_count bigint not null default 0,
    constraint rooms_pkey primary key (id),
    constraint rooms_id_length check (octet_length(id) = 12),
    constraint rooms_kind_known check (kind in (1, 2))
);

create table members (
    room_id bytea not null,
    user_id text not null,
    -- 1 member, 2 administrator, 3 creator.
    role smallint not null,
    -- A member who left stays as a row, because their read mark still counts.
    departed boolean not null default false,
    -- Place of the latest coming or going.
    changed_position bigint not null,
    -- All messages up to here have been read. State, not log: moving it takes no position.
    read_position bigint not null default 0,
    constraint members_pkey primary key (room_id, user_id),
    constraint members_room_fkey foreign key (room_id) references rooms (id),
    constraint members_user_fkey foreign key (user_id) references users (id),
    constraint members_role_known check (role in (1, 2, 3))
);

create index members_by_user on members (user_id) where not departed;
create index members_by_change on members (room_id, changed_position);

create table messages (
    room_id bytea not null,
    -- Place of its creation, and so its place among the room's messages.
    position bigint not null,
    id bytea not null,
    sender text not null,
    -- Empty once deleted.
    body text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    -- Place of the latest edit or the deletion; equal to position until then.
    changed_position bigint not null,
    deleted boolean not null default false,
    -- The sender's own key for a harmless retry, and a digest of the text it came with.
    client_id text,
    client_digest bytea,
    -- The socket that sent it, which must not hear it again, whichever way it is delivered.
    origin text,
    constraint messages_pkey primary key (room_id, position)
);

create unique index messages_client_key on messages (room_id, sender, client_id)
    where client_id is not null;
create index messages_by_change on messages (room_id, changed_position)
    where changed_position <> position;
-- Edits and deletions name a message without its room. Not unique: ids are random.
create index messages_by_id on messages (id);

-- One row for every transaction that changed rooms, until its hints are published. What a row
-- says is enough to wake every node; the changes themselves are read from the log.
create table outbox (
    id bigint generated always as identity,
    created_at timestamptz not null default clock_timestamp(),
    rooms bytea[] not null,
    positions bigint[] not null,
    -- Users who became members and whose nodes may not serve the room yet.
    users text[] not null default '{}',
    constraint outbox_pkey primary key (id)
);
