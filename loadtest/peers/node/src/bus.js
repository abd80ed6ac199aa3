// Redis: one channel for each room with a member connected here, and what the adapter needs.

import { randomBytes } from "node:crypto";
import Redis from "ioredis";
import { cause, log } from "./log.js";
import { unavailable } from "./errors.js";

const PREFIX = "room:";
const ORIGIN_CHARS = 12;

/** Connections of one process. What is published while Redis is away is lost. */
export class Bus {
  #origin = randomBytes(ORIGIN_CHARS / 2).toString("hex");
  #rooms;
  #failing = false;

  constructor(url) {
    // Nothing waits in memory for Redis to come back.
    const options = { enableOfflineQueue: false, lazyConnect: true, maxRetriesPerRequest: 0 };
    this.publisher = new Redis(url, options);
    this.adapterSubscriber = this.publisher.duplicate();
    this.#rooms = this.publisher.duplicate();
    this.#heed(this.publisher, "publish");
    this.#heed(this.adapterSubscriber, "punsubscribe", "unsubscribe");
    for (const client of this.#all()) client.on("error", (error) => this.#failed(error));
    this.publisher.on("ready", () => (this.#failing = false));
  }

  #all() {
    return [this.publisher, this.adapterSubscriber, this.#rooms];
  }

  /** The adapter ignores what becomes of these, and an unheeded rejection ends a process. */
  #heed(client, ...commands) {
    for (const command of commands) {
      const call = client[command].bind(client);
      client[command] = (...args) => call(...args).catch((error) => this.#failed(error));
    }
  }

  #failed(error) {
    if (!this.#failing) log("warn", "redis", cause(error));
    this.#failing = true;
  }

  /** Connects; `heard(room, changes)` gets what other processes publish from then on. */
  async connect(heard) {
    await Promise.all(this.#all().map((client) => client.connect()));
    this.#rooms.on("message", (channel, text) => {
      // What comes from here was applied when it was published.
      if (text.startsWith(this.#origin)) return;
      heard(channel.slice(PREFIX.length), JSON.parse(text.slice(ORIGIN_CHARS)));
    });
  }

  /** Whether Redis can be published to and heard. */
  isReady() {
    return this.#all().every((client) => client.status === "ready");
  }

  async subscribe(room) {
    try {
      await this.#rooms.subscribe(PREFIX + room);
    } catch {
      throw unavailable("rooms cannot be followed now; nothing was done");
    }
  }

  unsubscribe(room) {
    this.#rooms.unsubscribe(PREFIX + room).catch((error) => this.#failed(error));
  }

  /** Tells the other processes, without waiting. */
  publish(room, changes) {
    this.publisher.publish(PREFIX + room, this.#origin + JSON.stringify(changes));
  }

  close() {
    for (const client of this.#all()) client.disconnect();
  }
}
