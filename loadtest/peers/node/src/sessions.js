// The sockets of this process by user, and the rooms they are in, also while they still connect.

/** One socket of one user. */
export class Session {
  #rooms = new Map();
  #live = false;

  constructor(socket, { user, expires }, meta) {
    this.socket = socket;
    this.user = user;
    this.expires = expires;
    this.meta = meta;
    /** The last message of this socket that is being stored. */
    this.last = Promise.resolve();
  }

  /**
   * Notes a membership that began or ended at a position. Says whether that is news: the same may
   * be learnt from the database and from a feed, in any order.
   */
  note(room, joined, position) {
    const known = this.#rooms.get(room);
    if (known && known.position >= position) return false;
    this.#rooms.set(room, { joined, position });
    if (this.#live) this.#move(room, joined);
    return true;
  }

  /** Lets the socket into its rooms. From now on it follows its memberships at once. */
  begin() {
    this.#live = true;
    for (const [room, { joined }] of this.#rooms) if (joined) this.#move(room, joined);
  }

  get live() {
    return this.#live;
  }

  #move(room, joined) {
    const key = keyOf(room, this.meta);
    if (joined) this.socket.join(key);
    else this.socket.leave(key);
  }
}

/** The name of the Socket.IO room for one kind of sockets of a chat room. */
export const keyOf = (room, meta) => (meta ? `${room}+` : room);

/** All sessions of this process. */
export class Sessions {
  #byUser = new Map();

  add(session) {
    const of = this.#byUser.get(session.user);
    if (of) of.add(session);
    else this.#byUser.set(session.user, new Set([session]));
  }

  remove(session) {
    const of = this.#byUser.get(session.user);
    if (of?.delete(session) && of.size === 0) this.#byUser.delete(session.user);
  }

  has(user) {
    return this.#byUser.has(user);
  }

  of(user) {
    return this.#byUser.get(user) ?? [];
  }

  *[Symbol.iterator]() {
    for (const of of this.#byUser.values()) yield* of;
  }
}
