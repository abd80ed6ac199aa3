// Two processes' worth of servers in one, on a database of their own, and clients for them.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import jwt from "jsonwebtoken";
import pg from "pg";
import { io } from "socket.io-client";
import { readConfig } from "../src/config.js";
import { start } from "../src/server.js";
import { migrate } from "../src/store.js";

export const SECRET = "a secret of tests, 32 bytes or more";
const DEADLINE_MS = 20_000;

async function onServer(statement) {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Makes an empty database with the schema on the server of DATABASE_URL. */
export async function createDatabase() {
  const name = `peer_test_${randomBytes(6).toString("hex")}`;
  await onServer(`create database ${name}`);
  const url = new URL(process.env.DATABASE_URL);
  url.pathname = `/${name}`;
  await migrate(url.href, await readFile(new URL("../schema.sql", import.meta.url), "utf8"));
  return { url: url.href, drop: () => onServer(`drop database ${name} with (force)`) };
}

export function token(user, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  return jwt.sign({ sub: user, exp: now + 600, ...claims }, SECRET, { algorithm: "HS256" });
}

/** Servers, and everything that must end with them. */
export class Stack {
  #database;
  #servers = [];
  #sockets = [];

  /** Starts as many servers as named. */
  static async start(count, redisUrl = process.env.REDIS_URL) {
    const stack = new Stack();
    stack.#database = await createDatabase();
    const config = readConfig({
      LISTEN_ADDR: "127.0.0.1:0",
      DATABASE_URL: stack.#database.url,
      REDIS_URL: redisUrl,
      JWT_HS256_SECRET: SECRET,
    });
    for (let number = 0; number < count; number += 1) stack.#servers.push(await start(config));
    return stack;
  }

  async stop() {
    for (const socket of this.#sockets) socket.disconnect();
    for (const server of this.#servers) await server.close();
    await this.#database.drop();
  }

  url(node) {
    return `http://127.0.0.1:${this.#servers[node].port}`;
  }

  /** A REST call; `{status, body}`. */
  async call(user, method, path, body) {
    const headers = { Authorization: `Bearer ${token(user)}` };
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(this.url(0) + path, { method, headers, body: text });
    return { status: response.status, body: await response.json() };
  }

  /** The body of a call that must succeed. */
  async done(user, method, path, body) {
    const answer = await this.call(user, method, path, body);
    if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  }

  async room(user, ...users) {
    const { roomId } = await this.done(user, "POST", "/chat/new", { roomName: "tea", users });
    return roomId;
  }

  /** A socket that is not waited for. */
  socket(user, node = 0, auth = {}, options = {}) {
    const socket = io(`${this.url(node)}/chat/`, {
      path: "/realtime",
      transports: ["websocket"],
      auth: { token: token(user), ...auth },
      reconnection: false,
      forceNew: true,
      ...options,
    });
    this.#sockets.push(socket);
    return socket;
  }

  /** A connected client that keeps what it hears. */
  async client(user, node = 0, auth = {}) {
    const client = new Client(this.socket(user, node, auth));
    await once(client.socket, "connect");
    return client;
  }
}

/** A way to a server that can be closed and opened again. */
export class Door {
  #listener;
  #sockets = new Set();
  #port = 0;

  /** Opens a door to the server of this URL, on the port of the time before. */
  async open(url) {
    const { hostname, port } = new URL(url);
    this.#listener = createServer((client) => {
      const server = connect(Number(port || 6379), hostname);
      for (const [socket, other] of [[client, server], [server, client]]) {
        this.#sockets.add(socket);
        socket.pipe(other);
        socket.on("error", () => other.destroy());
        socket.on("close", () => this.#sockets.delete(socket));
      }
    });
    this.#listener.listen(this.#port, "127.0.0.1");
    await once(this.#listener, "listening");
    this.#port = this.#listener.address().port;
    return `redis://127.0.0.1:${this.#port}`;
  }

  async close() {
    const closed = once(this.#listener, "close");
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Asks until the answer is yes. */
export async function eventually(question) {
  const end = Date.now() + DEADLINE_MS;
  while (!(await question())) {
    if (Date.now() > end) throw new Error("it has not come true");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A socket and what it has heard, as `[event, payload]`. */
export class Client {
  heard = [];
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    socket.onAny((event, payload) => {
      this.heard.push([event, payload]);
      for (const check of this.#waiting) check();
    });
  }

  /** Emits and resolves to the ack. */
  ask(...args) {
    return this.socket.timeout(DEADLINE_MS).emitWithAck(...args);
  }

  /** Payloads of one event so far. */
  of(event) {
    return this.heard.filter(([name]) => name === event).map(([, payload]) => payload);
  }

  /** Waits until so many of an event were heard; resolves to them. */
  until(event, count) {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`${this.of(event).length} of ${count} ${event}`));
      const timer = setTimeout(late, DEADLINE_MS);
      const check = () => {
        if (this.of(event).length < count) return;
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((other) => other !== check);
        resolve(this.of(event));
      };
      this.#waiting.push(check);
      check();
    });
  }
}
