// Gathers messages while earlier ones are being written, so that many share one round trip and one
// commit. A room always uses the same lane, and a lane writes one batch at a time: what one process
// takes for a room is stored in the order in which it came.

import { ApiError, notFound } from "./errors.js";

const BATCH_MAX = 128;
const WAITING_MAX = 10_000;
const OUTCOMES = ["stored", "repeated", "conflict", "outside"];

export class Appends {
  #store;
  #stored;
  #lanes;

  /** `stored(messages)` gets what is new after each commit, before anybody is answered. */
  constructor(store, lanes, stored) {
    this.#store = store;
    this.#stored = stored;
    this.#lanes = Array.from({ length: lanes }, () => ({ waiting: [], busy: false }));
  }

  /** Stores `{room, id, user, text, clientId, origin}`; resolves to the ack after the commit. */
  append(message) {
    const lane = this.#lanes[Number.parseInt(message.room.slice(-6), 16) % this.#lanes.length];
    if (lane.waiting.length >= WAITING_MAX) {
      throw new ApiError("TOO_MANY_REQUESTS", "too many messages wait for being stored");
    }
    return new Promise((resolve, reject) => {
      lane.waiting.push({ message, resolve, reject });
      if (!lane.busy) this.#run(lane);
    });
  }

  async #run(lane) {
    lane.busy = true;
    // What else comes within this turn of the event loop belongs to the first batch.
    await new Promise(setImmediate);
    while (lane.waiting.length > 0) {
      const batch = take(lane);
      try {
        const rows = await this.#store.append(batch.map((entry) => entry.message));
        this.#answer(batch, rows);
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
    }
    lane.busy = false;
  }

  #answer(batch, rows) {
    const acks = rows.map((row, index) => {
      const { message } = batch[index];
      const ack = {
        _id: row.message_id,
        position: row.message_position,
        createdAt: row.written_at?.toISOString(),
      };
      return { message, ack, outcome: OUTCOMES[row.outcome] };
    });
    this.#stored(acks.filter(({ outcome }) => outcome === "stored"));
    acks.forEach(({ ack, outcome }, index) => {
      if (outcome === "conflict") {
        batch[index].reject(new ApiError("CONFLICT", "this clientId was used with another text"));
      } else if (outcome === "outside") {
        batch[index].reject(notFound());
      } else {
        batch[index].resolve(ack);
      }
    });
  }
}

/** The next batch. It ends before a key that it has already: the database has the answer. */
function take(lane) {
  const keys = new Set();
  let length = 0;
  for (const { message } of lane.waiting) {
    if (length === BATCH_MAX) break;
    if (message.clientId !== undefined) {
      const key = JSON.stringify([message.room, message.user, message.clientId]);
      if (keys.has(key)) break;
      keys.add(key);
    }
    length += 1;
  }
  return lane.waiting.splice(0, length);
}
