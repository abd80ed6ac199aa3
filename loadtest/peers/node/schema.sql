-- Rooms, members, messages. Every change of a room takes the next position of that room while its
-- row is locked, so positions have no holes and follow the order of commits.

create table rooms (
  id text primary key,
  name text not null,
  creator text not null,
  -- The creator's own key for a harmless retry.
  client_id text,
  position bigint not null,
  message_count bigint not null default 0,
  created_at timestamptz not null,
  updated_at timestamptz not null
) with (fillfactor = 50);

create unique index rooms_by_key on rooms (creator, client_id) where client_id is not null;

create table members (
  room_id text not null references rooms,
  user_id text not null,
  -- Those who left stay as rows: their read marks still count.
  active boolean not null default true,
  changed_position bigint not null,
  read_position bigint not null default 0,
  primary key (room_id, user_id)
);

create index members_by_user on members (user_id) where active;
create index members_by_change on members (room_id, changed_position);

create table messages (
  room_id text not null,
  position bigint not null,
  id text not null unique,
  sender text not null,
  body text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  changed_position bigint not null,
  deleted boolean not null default false,
  client_id text,
  -- Of the text that came with the key; an edit does not change it.
  client_hash bytea,
  primary key (room_id, position)
);

create unique index messages_by_key on messages (room_id, sender, client_id)
  where client_id is not null;
create index messages_by_change on messages (room_id, changed_position);

-- Writes a batch in one round trip and one commit. Every input has one row in the answer:
-- outcome 0 stored, 1 stored before under this key, 2 the key has another text, 3 no member.
-- Inputs of one batch never share a key.
create function append_messages(
  in_rooms text[], in_ids text[], in_senders text[], in_bodies text[], in_keys text[]
) returns table (
  n integer, outcome integer, message_id text, message_position bigint, written_at timestamptz
)
language plpgsql
-- Plans are kept, and may be made while the tables are still empty.
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
  moment timestamptz;
begin
  -- In one order for all batches, against deadlocks. The next statement sees what others committed
  -- before they let go of these rows.
  perform 1 from rooms where id = any (in_rooms) order by id for no key update;
  moment := date_trunc('milliseconds', clock_timestamp());
  return query
  with judged as (
    select i.*, coalesce(
        (select active from members where room_id = i.room_id and user_id = i.sender), false
      ) as member,
      old.id as old_id, old.position as old_position, old.created_at as old_created_at,
      old.client_hash = sha256(convert_to(i.body, 'UTF8')) as same
    from unnest(in_rooms, in_ids, in_senders, in_bodies, in_keys)
      with ordinality as i (room_id, id, sender, body, client_id, n)
    left join lateral (
      select m.id, m.position, m.created_at, m.client_hash from messages m
      where m.room_id = i.room_id and m.sender = i.sender and m.client_id = i.client_id
    ) old on i.client_id is not null
  ),
  fresh as (
    select j.*, row_number() over (partition by j.room_id order by j.n) as step
    from judged j where j.member and j.old_id is null
  ),
  moved as (
    update rooms r
    set position = r.position + f.total,
      message_count = r.message_count + f.total,
      updated_at = greatest(moment, r.updated_at)
    from (select room_id, count(*) as total from fresh group by room_id) f
    where r.id = f.room_id
    returning r.id, r.position - f.total as base, r.updated_at
  ),
  stored as (
    insert into messages (
      room_id, position, id, sender, body, created_at, updated_at, changed_position,
      client_id, client_hash
    )
    select f.room_id, m.base + f.step, f.id, f.sender, f.body, m.updated_at, m.updated_at,
      m.base + f.step, f.client_id,
      case when f.client_id is not null then sha256(convert_to(f.body, 'UTF8')) end
    from fresh f join moved m on m.id = f.room_id
    returning id, position, created_at
  )
  select j.n::integer,
    case when not j.member then 3 when j.old_id is null then 0 when j.same then 1 else 2 end,
    coalesce(j.old_id, s.id), coalesce(j.old_position, s.position),
    coalesce(j.old_created_at, s.created_at)
  from judged j left join stored s on s.id = j.id
  order by j.n;
end
$$;

-- Changes or, without a new text, deletes a message. No row: unknown, deleted, another's, or its
-- author has left.
create function change_message(in_id text, in_by text, in_body text)
returns table (room_id text, change_position bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  place record;
begin
  select m.room_id, m.position into place from messages m where m.id = in_id and m.sender = in_by;
  if not found then
    return;
  end if;
  perform 1 from rooms where id = place.room_id for no key update;
  perform 1 from messages m join members p on p.room_id = m.room_id and p.user_id = in_by
  where m.room_id = place.room_id and m.position = place.position and not m.deleted and p.active;
  if not found then
    return;
  end if;
  return query
  with moved as (
    update rooms r
    set position = r.position + 1,
      message_count = r.message_count - (in_body is null)::integer,
      updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
    where r.id = place.room_id
    returning r.position, r.updated_at
  )
  update messages m
  set body = coalesce(in_body, ''), deleted = in_body is null,
    changed_position = h.position, updated_at = h.updated_at
  from moved h
  where m.room_id = place.room_id and m.position = place.position
  returning m.room_id, m.changed_position;
end
$$;

-- Makes a room: its name takes position 1, each member one more. The same creator and key give the
-- room that was made before. in_users holds everybody once, the creator first.
create function create_room(in_id text, in_name text, in_users text[], in_key text)
returns table (room_id text, made boolean)
language plpgsql as $$
declare
  moment timestamptz := date_trunc('milliseconds', clock_timestamp());
begin
  insert into rooms (id, name, creator, client_id, position, created_at, updated_at)
  values (in_id, in_name, in_users[1], in_key, 1 + cardinality(in_users), moment, moment)
  on conflict (creator, client_id) where client_id is not null do nothing;
  if not found then
    return query select id, false from rooms where creator = in_users[1] and client_id = in_key;
    return;
  end if;
  insert into members (room_id, user_id, changed_position)
  select in_id, u.id, 1 + u.n from unnest(in_users) with ordinality as u (id, n);
  return query select in_id, true;
end
$$;

-- Adds those who are not members yet, at consecutive positions up to head. No row: no such room, or
-- the caller is no member.
create function add_members(in_room text, in_by text, in_users text[])
returns table (room_name text, head bigint, added text[])
language plpgsql as $$
#variable_conflict use_column
declare
  newcomers text[];
begin
  perform 1 from rooms where id = in_room for no key update;
  perform 1 from members where room_id = in_room and user_id = in_by and active;
  if not found then
    return;
  end if;
  select coalesce(array_agg(u.id order by u.n), '{}') into newcomers
  from unnest(in_users) with ordinality as u (id, n)
  where not exists (
    select from members where room_id = in_room and user_id = u.id and active
  );
  return query
  with base as (select position from rooms where id = in_room),
  joined as (
    insert into members as m (room_id, user_id, changed_position)
    select in_room, u.id, base.position + u.n
    from base, unnest(newcomers) with ordinality as u (id, n)
    on conflict (room_id, user_id)
      do update set active = true, changed_position = excluded.changed_position
  )
  update rooms r
  set position = r.position + cardinality(newcomers),
    updated_at = case when cardinality(newcomers) = 0 then r.updated_at
      else greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at) end
  where r.id = in_room
  returning r.name, r.position, newcomers;
end
$$;

-- Ends a membership, and the room with its last one. No row: not a member.
create function leave_room(in_room text, in_user text) returns table (head bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  left_at bigint;
begin
  perform 1 from rooms where id = in_room for update;
  update members m set active = false, changed_position = r.position + 1
  from rooms r
  where r.id = in_room and m.room_id = in_room and m.user_id = in_user and m.active
  returning m.changed_position into left_at;
  if not found then
    return;
  end if;
  update rooms r
  set position = left_at,
    updated_at = greatest(date_trunc('milliseconds', clock_timestamp()), r.updated_at)
  where r.id = in_room;
  perform 1 from members where room_id = in_room and active limit 1;
  if not found then
    delete from messages where room_id = in_room;
    delete from members where room_id = in_room;
    delete from rooms where id = in_room;
  end if;
  return query select left_at;
end
$$;
