// The order in which this process shows what happens in a room.
//
// Two processes that write to one room at the same time publish in any order. Positions have no
// holes, so each process can put right what it hears: it applies a change when it has applied the
// one before. A hole that is not filled in time is passed over, since its change may never come.

const HOLD_MS = 2_000;
const HELD_MAX = 1_000;
const SWEEP_MS = 10_000;

/** One room as this process follows it. */
class Feed {
  constructor(apply) {
    this.apply = apply;
    /** Position of the newest change that was applied; null until it is known where to begin. */
    this.last = null;
    this.held = new Map();
    this.passedOver = new Set();
    this.waiting = [];
    this.timer = null;
    /** Users of the feed that are not sockets in the room. */
    this.holds = 0;
    this.idle = false;
    this.ready = null;
  }

  start(position) {
    this.last = position;
    // Members who came before the beginning still have to be let in: see `push`.
    for (const [at, { change }] of [...this.held].sort(([one], [other]) => one - other)) {
      if (at > position) continue;
      this.held.delete(at);
      if (change.type === "member") this.apply(change);
    }
    this.#drain();
  }

  push(change) {
    const { position } = change;
    if (this.last === null || position > this.last + 1) {
      if (this.held.size >= HELD_MAX && this.last !== null) this.#passOver(0);
      if (this.held.size < HELD_MAX) this.held.set(position, { change, since: Date.now() });
      this.#hold();
    } else if (position === this.last + 1) {
      this.last = position;
      this.apply(change);
      this.#drain();
    } else if (this.passedOver.delete(position) || change.type === "member") {
      this.apply(change);
    }
  }

  /** Resolves once everything up to here has been applied or passed over. */
  reached(position) {
    if (this.last >= position) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting.push({ position, since: Date.now(), resolve });
      this.#hold();
    });
  }

  /** Applies what is held as far as nothing is missing. */
  #drain() {
    for (let next; (next = this.held.get(this.last + 1)); ) {
      this.last += 1;
      this.held.delete(this.last);
      this.apply(next.change);
    }
    if (this.waiting.length > 0) {
      const due = this.waiting.filter(({ position }) => position <= this.last);
      this.waiting = this.waiting.filter(({ position }) => position > this.last);
      for (const { resolve } of due) resolve();
    }
  }

  /** Waits for what is missing, for as long as the oldest that waits for it may. */
  #hold() {
    if (this.timer || this.last === null) return;
    const since = Math.min(...this.#waits().map((wait) => wait.since));
    if (!Number.isFinite(since)) return;
    const left = Math.max(since + HOLD_MS - Date.now(), 1);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.#passOver(HOLD_MS);
      this.#hold();
    }, left);
  }

  /** Positions before which something is missing, and since when that is so. */
  #waits() {
    const held = [...this.held].map(([position, { since }]) => ({ position, since }));
    const asked = this.waiting.map(({ position, since }) => ({ position: position + 1, since }));
    return [...held, ...asked];
  }

  /** Goes on behind every hole that something has waited for that long. */
  #passOver(held) {
    const now = Date.now();
    const old = this.#waits().filter(({ since }) => now - since >= held);
    const upTo = Math.max(...old.map(({ position }) => position));
    while (this.last + 1 < upTo) {
      const next = Math.min(upTo, ...this.held.keys());
      const first = Math.max(this.last + 1, next - HELD_MAX);
      for (let position = first; position < next; position += 1) {
        if (this.passedOver.size < HELD_MAX) this.passedOver.add(position);
      }
      this.last = next - 1;
      this.#drain();
    }
  }

  close() {
    clearTimeout(this.timer);
    for (const { resolve } of this.waiting.splice(0)) resolve();
  }
}

/** All rooms that this process follows. */
export class Feeds {
  #feeds = new Map();
  #source;
  #timer;

  /**
   * `source` says how to follow a room: `subscribe(room)`, `unsubscribe(room)`, `head(room)`,
   * `apply(room, change)` and `occupied(room)`, whether a socket here is in it.
   */
  constructor(source) {
    this.#source = source;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** Follows a room and keeps it until `release`; resolves when nothing new is missed any more. */
  async open(room) {
    let feed = this.#feeds.get(room);
    if (!feed) {
      feed = new Feed((change) => this.#source.apply(room, change));
      this.#feeds.set(room, feed);
      feed.ready = this.#begin(room, feed);
    }
    feed.holds += 1;
    try {
      await feed.ready;
    } catch (error) {
      feed.holds -= 1;
      throw error;
    }
    return feed;
  }

  /** Ends one `open`. The room is followed while a socket is in it, and a little longer. */
  release(room) {
    const feed = this.#feeds.get(room);
    if (feed) {
      feed.holds -= 1;
      feed.idle = false;
    }
  }

  /** Whether a room is followed and its beginning is known. */
  isReady(room) {
    const feed = this.#feeds.get(room);
    return feed !== undefined && feed.last !== null;
  }

  /** Takes changes, from here or elsewhere; ignores rooms that are not followed. */
  push(room, changes) {
    const feed = this.#feeds.get(room);
    if (feed) for (const change of changes) feed.push(change);
  }

  /** See `Feed.reached`; done at once for a room that is not followed. */
  async reached(room, position) {
    const feed = this.#feeds.get(room);
    if (!feed) return;
    await feed.ready;
    await feed.reached(position);
  }

  close() {
    clearInterval(this.#timer);
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  async #begin(room, feed) {
    try {
      await this.#source.subscribe(room);
      // Asked after that: whatever is newer will be heard.
      feed.start(await this.#source.head(room));
    } catch (error) {
      this.#feeds.delete(room);
      feed.close();
      throw error;
    }
  }

  /** Lets go of rooms that were empty at two sweeps in a row. */
  #sweep() {
    for (const [room, feed] of this.#feeds) {
      const used = feed.holds > 0 || feed.last === null || this.#source.occupied(room);
      if (!used && feed.idle) {
        this.#feeds.delete(room);
        feed.close();
        this.#source.unsubscribe(room);
      }
      feed.idle = !used;
    }
  }
}
