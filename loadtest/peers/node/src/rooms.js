// What can be done to rooms: first in the database, then on every process that shows them.

import { Appends } from "./appends.js";
import { notFound, unavailable } from "./errors.js";
import { Feeds } from "./feeds.js";
import { newId } from "./ids.js";
import { log, cause } from "./log.js";
import { keyOf, Sessions } from "./sessions.js";

/** Batches that one process writes at the same time. */
const LANES = 2;
/** How long all processes may take to do something; above the adapter's own limit. */
const EVERYWHERE_MS = 5_000;

export class Rooms {
  #store;
  #bus;
  #namespace;
  #appends;

  constructor({ store, bus, namespace }) {
    this.#store = store;
    this.#bus = bus;
    this.#namespace = namespace;
    this.sessions = new Sessions();
    this.feeds = new Feeds({
      subscribe: (room) => bus.subscribe(room),
      unsubscribe: (room) => bus.unsubscribe(room),
      head: (room) => store.head(room),
      apply: (room, change) => this.#apply(room, change),
      occupied: (room) => [true, false].some((meta) => this.#has(keyOf(room, meta))),
    });
    this.#appends = new Appends(store, LANES, (stored) => this.#spread(stored));
    namespace.on("prepare", (asked, done) => this.#answer(this.#prepare(asked), done));
    namespace.on("members", (moved, done) => this.#answer(this.#moveMembers(moved), done));
  }

  /** What other processes have published. */
  hear(room, changes) {
    this.feeds.push(room, changes);
  }

  /** Stores a message; resolves to its ack. `origin` is the socket that shall not hear it. */
  send({ room, user, text, clientId, origin }) {
    return this.#appends.append({ room, user, text, clientId, origin, id: newId() });
  }

  async create(user, name, users, clientId) {
    const id = newId();
    const members = [...new Set([user, ...users])];
    await this.#prepareEverywhere(id, members);
    const made = await this.#store.create(id, name, members, clientId);
    if (made.made) {
      const changes = members.map((member, index) => joined(member, name, 2 + index));
      changes.unshift({ type: "room", position: 1 });
      await this.#everywhere("members", { room: id, changes });
    }
    return made.room_id;
  }

  async add(room, user, users) {
    if (!(await this.#store.room(room, user))) throw notFound();
    await this.#prepareEverywhere(room, users);
    const done = await this.#store.add(room, user, [...new Set(users)]);
    if (!done) throw notFound();
    const first = done.head - done.added.length + 1;
    const changes = done.added.map((member, index) =>
      joined(member, done.room_name, first + index),
    );
    // What is not done in time is done when those sockets connect again.
    if (changes.length > 0) await this.#everywhere("members", { room, changes });
  }

  async leave(room, user) {
    const done = await this.#store.leave(room, user);
    if (!done) throw notFound();
    const change = { type: "member", position: done.head, user, joined: false };
    await this.#everywhere("members", { room, changes: [change] });
  }

  async edit(id, user, text) {
    const done = await this.#store.change(id, user, text);
    if (!done) throw notFound();
    const { room_id: room, change_position: position } = done;
    this.#tell(room, [{ type: "edited", position, messageId: id, message: text }]);
  }

  async remove(id, user) {
    const done = await this.#store.change(id, user, null);
    if (!done) throw notFound();
    this.#tell(done.room_id, [{ type: "deleted", position: done.change_position, messageId: id }]);
  }

  #spread(stored) {
    const byRoom = new Map();
    for (const { message, ack } of stored) {
      const { room, user, text, clientId, origin } = message;
      const change = { type: "message", ...ack, clientId, sender: user, message: text, origin };
      const changes = byRoom.get(room);
      if (changes) changes.push(change);
      else byRoom.set(room, [change]);
    }
    for (const [room, changes] of byRoom) this.#tell(room, changes);
  }

  #tell(room, changes) {
    this.#bus.publish(room, changes);
    this.feeds.push(room, changes);
  }

  /** Has every process do something; whether all have done it, in time. */
  async #everywhere(event, message) {
    const handle = event === "prepare" ? this.#prepare(message) : this.#moveMembers(message);
    try {
      const [, others] = await Promise.all([handle, this.#elsewhere(event, message)]);
      return others.every((done) => done === true);
    } catch (error) {
      log("warn", "not_everywhere", { asked: event, ...cause(error) });
      return false;
    }
  }

  /** The answers of the other processes. */
  async #elsewhere(event, message) {
    // The adapter never answers at all if it cannot count the processes.
    if (!this.#bus.isReady()) throw new Error("Redis is away");
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer in time")), EVERYWHERE_MS);
    });
    try {
      return await Promise.race([this.#namespace.serverSideEmitWithAck(event, message), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #prepareEverywhere(room, users) {
    const prepared = await this.#everywhere("prepare", { room, users });
    if (!prepared) throw unavailable("sockets cannot be let into rooms now; nothing was done");
  }

  #answer(work, done) {
    work.then(
      () => done(true),
      (error) => {
        log("warn", "not_here", cause(error));
        done(false);
      },
    );
  }

  /** Follows a room before somebody here becomes a member, so that nothing is missed after that. */
  async #prepare({ room, users }) {
    if (!users.some((user) => this.sessions.has(user))) return;
    await this.feeds.open(room);
    this.feeds.release(room);
  }

  async #moveMembers({ room, changes }) {
    const here = changes.some(({ user, joined }) => joined && this.sessions.has(user));
    // Usually prepared; not for somebody who has connected since.
    if (here) await this.feeds.open(room);
    this.feeds.push(room, changes);
    await this.feeds.reached(room, changes.at(-1).position);
    if (here) this.feeds.release(room);
  }

  #has(key) {
    return this.#namespace.adapter.rooms.has(key);
  }

  /** Shows one change to the sockets here; called in the order of positions. */
  #apply(room, change) {
    switch (change.type) {
      case "message":
        return this.#showMessage(room, change);
      case "edited":
        return this.#show(room, "message-edited", {
          messageId: change.messageId,
          message: change.message,
          room,
        });
      case "deleted":
        return this.#show(room, "message-deleted", { messageId: change.messageId, room });
      case "member":
        for (const session of this.sessions.of(change.user)) {
          const news = session.note(room, change.joined, change.position);
          if (news && change.joined && session.live) {
            session.socket.emit("room-joined", { room, roomName: change.name });
          }
        }
    }
  }

  #showMessage(room, { _id, position, createdAt, clientId, sender, message, origin }) {
    const plain = { sender, message, room };
    const meta = { ...plain, _id, position, createdAt, clientId };
    for (const [key, payload] of [[keyOf(room, false), plain], [keyOf(room, true), meta]]) {
      if (!this.#has(key)) continue;
      this.#namespace.local.to(key).except(origin ?? []).emit("message", payload);
    }
  }

  #show(room, event, payload) {
    const keys = [keyOf(room, false), keyOf(room, true)];
    if (keys.some((key) => this.#has(key))) this.#namespace.local.to(keys).emit(event, payload);
  }
}

const joined = (user, name, position) => ({ type: "member", position, user, name, joined: true });
