// What is read: pages, rooms, changes, in the shapes that clients get.

import { malformed, notFound, unacceptable } from "./errors.js";
import { isId } from "./ids.js";
import { LISTED_MAX } from "./store.js";

const CHANGES_MAX = 1_000;
const SYNC_ROOMS_MAX = 1_000;

/** Messages of one room, or of all rooms of the user; newest first, with the number of all. */
export async function messagePage(store, user, { room, skip, limit }) {
  let count;
  if (room === undefined) {
    count = (await store.totals(user)).messages;
  } else {
    const found = isId(room) ? await store.room(room, user) : undefined;
    if (!found) throw notFound();
    count = found.message_count;
  }
  const rows =
    room === undefined
      ? await store.pageOfUser(user, skip, limit)
      : await store.pageOfRoom(room, skip, limit);
  return { messages: await shown(store, rows), count };
}

export async function oneMessage(store, user, id) {
  const row = isId(id) ? await store.message(id, user) : undefined;
  if (!row) throw notFound();
  return (await shown(store, [row]))[0];
}

export async function roomList(store, user, { skip, limit }) {
  const rows = await store.rooms(user, skip, limit);
  const count = rows[0]?.total ?? (await store.totals(user)).rooms;
  return { rooms: rows.map((row) => roomOf(row, row.participants)), count };
}

export async function oneRoom(store, user, id, { skip, limit }) {
  const row = isId(id) ? await store.room(id, user) : undefined;
  if (!row) throw notFound();
  const { users, total } = await store.participants(id, skip, limit);
  return { ...roomOf(row, users), participantsCount: total };
}

const roomOf = (row, participants) => ({
  _id: row.id,
  name: row.name,
  participants,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  position: row.position,
});

/** Rows of messages as clients see them, with those who have read them. */
async function shown(store, rows) {
  const least = new Map();
  for (const { room_id: room, position } of rows) {
    least.set(room, Math.min(position, least.get(room) ?? Infinity));
  }
  const marks = new Map([...least.keys()].map((room) => [room, []]));
  if (rows.length > 0) {
    for (const mark of await store.marks([...least.keys()], [...least.values()])) {
      marks.get(mark.room_id).push(mark);
    }
  }
  return rows.map((row) => ({
    _id: row.id,
    message: row.body,
    senderUser: row.sender,
    room: row.room_id,
    readBy: readers(row, marks.get(row.room_id)),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }));
}

/** The sender, then the others by id. */
function readers({ sender, position }, marks) {
  const others = marks.filter((mark) => mark.read_position >= position && mark.user_id !== sender);
  return [sender, ...others.slice(0, LISTED_MAX - 1).map((mark) => mark.user_id)];
}

/** What changed in a room after a position; undefined for whoever is no member. */
async function changesOf(store, user, room, since, limit) {
  const rows = await store.changes(room, user, since, limit + 1);
  if (rows.length === 0) return undefined;
  const { head } = rows[0];
  const found = rows.filter((row) => row.type !== null);
  const more = found.length > limit;
  const page = found.slice(0, limit);
  const messages = await shown(store, page.filter((row) => row.type === "message"));
  const byId = new Map(messages.map((message) => [message._id, message]));
  const changes = page.map((row) => {
    const { type, at: position } = row;
    switch (type) {
      case "message":
        return { type, position, message: byId.get(row.id) };
      case "deleted":
        return { type, position, messageId: row.id };
      case "member":
        return { type, position, userId: row.member, joined: row.joined };
      default:
        return { type, position, name: row.body };
    }
  });
  const position = more ? (changes.at(-1)?.position ?? since) : head;
  return { position, more, ...(since > head && { reset: true }), changes };
}

/** The same for one room, for REST. */
export async function roomChanges(store, user, room, since, limit) {
  const most = Math.min(limit, CHANGES_MAX);
  const changes = isId(room) ? await changesOf(store, user, room, since, most) : undefined;
  if (!changes) throw notFound();
  return changes;
}

/** The same for several rooms, `{room: position}`, with at most 1,000 changes in all. */
export async function sync(store, user, positions) {
  if (positions === null || typeof positions !== "object" || Array.isArray(positions)) {
    throw malformed("sync takes an object of positions by room");
  }
  const asked = Object.entries(positions);
  if (asked.length > SYNC_ROOMS_MAX) throw unacceptable("too many rooms");
  if (!asked.every(([, since]) => Number.isSafeInteger(since) && since >= 0)) {
    throw malformed("a position is a whole number");
  }
  const rooms = {};
  let left = CHANGES_MAX;
  for (const [room, since] of asked) {
    const page = isId(room) ? await changesOf(store, user, room, since, left) : undefined;
    rooms[room] = page ?? { gone: true };
    left -= page?.changes.length ?? 0;
  }
  return { rooms };
}
