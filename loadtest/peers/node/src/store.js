// Everything durable. Each method is one statement, prepared once on each connection of the pool.

import pg from "pg";

// Positions and counts stay far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const STATEMENT_MS = 30_000;
const CONNECT_MS = 5_000;
/** Most users that one answer lists for a room or a message. */
export const LISTED_MAX = 1_000;

const MESSAGE = `m.id, m.body, m.sender, m.room_id, m.position, m.created_at, m.updated_at`;

const SQL = {
  append: `select * from append_messages($1, $2, $3, $4, $5)`,
  change: `select * from change_message($1, $2, $3)`,
  create: `select * from create_room($1, $2, $3, $4)`,
  add: `select * from add_members($1, $2, $3)`,
  leave: `select * from leave_room($1, $2)`,
  head: `select position from rooms where id = $1`,
  memberships: `select room_id as room, changed_position as position
    from members where user_id = $1 and active`,
  mark: `with head as (
      select r.position from rooms r join members m on m.room_id = r.id
      where r.id = $1 and m.user_id = $2 and m.active
    ), moved as (
      update members m set read_position = h.position from head h
      where m.room_id = $1 and m.user_id = $2 and m.read_position < h.position returning 1
    )
    select position, exists (select from moved) as moved from head`,
  room: `select r.id, r.name, r.position, r.message_count, r.created_at, r.updated_at
    from rooms r join members m on m.room_id = r.id
    where r.id = $1 and m.user_id = $2 and m.active`,
  participants: `select user_id, count(*) over () as total from members
    where room_id = $1 and active order by user_id collate "C" offset $2 limit $3`,
  participantsCount: `select count(*) as total from members where room_id = $1 and active`,
  rooms: `select r.id, r.name, r.position, r.created_at, r.updated_at, count(*) over () as total,
      array(select p.user_id from members p where p.room_id = r.id and p.active
        order by p.user_id collate "C" limit ${LISTED_MAX}) as participants
    from members m join rooms r on r.id = m.room_id
    where m.user_id = $1 and m.active order by r.updated_at desc, r.id offset $2 limit $3`,
  totals: `select count(*) as rooms, coalesce(sum(r.message_count), 0)::bigint as messages
    from members m join rooms r on r.id = m.room_id where m.user_id = $1 and m.active`,
  pageOfRoom: `select ${MESSAGE} from messages m where m.room_id = $1 and not m.deleted
    order by m.position desc offset $2 limit $3`,
  pageOfUser: `select m.* from members p cross join lateral (
      select ${MESSAGE} from messages m where m.room_id = p.room_id and not m.deleted
      order by m.position desc limit $2::bigint + $3::bigint
    ) m where p.user_id = $1 and p.active
    order by m.created_at desc, m.position desc, m.room_id offset $2 limit $3`,
  message: `select ${MESSAGE} from messages m
    join members p on p.room_id = m.room_id and p.user_id = $2 and p.active
    where m.id = $1 and not m.deleted`,
  // Those who have read at least the oldest message that is shown of their room.
  marks: `select w.room_id, p.user_id, p.read_position
    from unnest($1::text[], $2::bigint[]) as w (room_id, least) cross join lateral (
      select user_id, read_position from members
      where room_id = w.room_id and read_position >= w.least
      order by user_id collate "C" limit ${LISTED_MAX}
    ) p`,
  // Room, members and messages in the order of their newest change; the head of the same moment.
  changes: `with head as (
      select r.id, r.name, r.position from rooms r join members m on m.room_id = r.id
      where r.id = $1 and m.user_id = $2 and m.active
    ), since as (
      select case when $3::bigint > position then 0 else $3::bigint end as position from head
    ), found as (
      (select m.changed_position as at,
        case when m.deleted then 'deleted' else 'message' end as type,
        null::text as member, null::boolean as joined, ${MESSAGE}
      from messages m where m.room_id = $1 and m.changed_position > (select position from since)
      order by m.changed_position limit $4)
      union all
      (select p.changed_position, 'member', p.user_id, p.active,
        null, null, null, null, null, null, null
      from members p where p.room_id = $1 and p.changed_position > (select position from since)
      order by p.changed_position limit $4)
      union all
      select 1, 'room', null, null, null, name, null, null, null, null, null
      from head where (select position from since) < 1
    )
    select h.position as head, f.* from head h
    left join (select * from found order by at limit $4) f on true order by f.at`,
};

/** A pool of at most `connections`, and the statements. */
export class Store {
  #pool;

  constructor({ databaseUrl, databaseConnections, onError }) {
    this.#pool = new pg.Pool({
      connectionString: databaseUrl,
      max: databaseConnections,
      connectionTimeoutMillis: CONNECT_MS,
      statement_timeout: STATEMENT_MS,
      application_name: "roomwire-peer-node",
    });
    // An idle connection that breaks is replaced by the pool.
    this.#pool.on("error", onError);
  }

  async #all(name, values) {
    const { rows } = await this.#pool.query({ name, text: SQL[name], values });
    return rows;
  }

  async #one(name, values) {
    return (await this.#all(name, values))[0];
  }

  /** Fails unless Postgres answers and has the schema. */
  async ping() {
    await this.#pool.query("select from rooms limit 0");
  }

  /** Ends all connections once they are idle. */
  close() {
    return this.#pool.end();
  }

  /** Writes messages `{room, id, user, text, clientId}`; one row for each, in their order. */
  append(batch) {
    const column = (of) => batch.map(of);
    return this.#all("append", [
      column((m) => m.room),
      column((m) => m.id),
      column((m) => m.user),
      column((m) => m.text),
      column((m) => m.clientId ?? null),
    ]);
  }

  /** A new text, or `null` to delete; undefined if that is not to be done. */
  change(id, user, text) {
    return this.#one("change", [id, user, text]);
  }

  create(id, name, users, clientId) {
    return this.#one("create", [id, name, users, clientId ?? null]);
  }

  add(room, user, users) {
    return this.#one("add", [room, user, users]);
  }

  leave(room, user) {
    return this.#one("leave", [room, user]);
  }

  /** The position of a room; 0 if there is none. */
  async head(room) {
    return (await this.#one("head", [room]))?.position ?? 0;
  }

  /** Rooms of a user, with the positions at which they came in. */
  memberships(user) {
    return this.#all("memberships", [user]);
  }

  /** Moves a read mark to the room's head; undefined if the user is no member. */
  mark(room, user) {
    return this.#one("mark", [room, user]);
  }

  room(room, user) {
    return this.#one("room", [room, user]);
  }

  async participants(room, skip, limit) {
    const rows = await this.#all("participants", [room, skip, limit]);
    const total = rows[0]?.total ?? (await this.#one("participantsCount", [room])).total;
    return { users: rows.map((row) => row.user_id), total };
  }

  rooms(user, skip, limit) {
    return this.#all("rooms", [user, skip, limit]);
  }

  totals(user) {
    return this.#one("totals", [user]);
  }

  pageOfRoom(room, skip, limit) {
    return this.#all("pageOfRoom", [room, skip, limit]);
  }

  pageOfUser(user, skip, limit) {
    return this.#all("pageOfUser", [user, skip, limit]);
  }

  message(id, user) {
    return this.#one("message", [id, user]);
  }

  marks(rooms, least) {
    return this.#all("marks", [rooms, least]);
  }

  /** One row at least, with `head`, for a member; none for anybody else. */
  changes(room, user, since, limit) {
    return this.#all("changes", [room, user, since, limit]);
  }
}

/** Applies the schema to an empty database; does nothing to one that has it. */
export async function migrate(databaseUrl, schema) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query("begin");
    // Two that start at once: the second waits, and finds it done.
    await client.query("select pg_advisory_xact_lock(7310925)");
    const { rows } = await client.query("select to_regclass('rooms') is not null as there");
    if (!rows[0].there) await client.query(schema);
    await client.query("commit");
    return !rows[0].there;
  } finally {
    await client.end();
  }
}
