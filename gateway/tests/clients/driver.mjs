// Drives many Socket.IO clients of several generations from one Node process.
//
// Commands come as JSON lines on standard input, reports leave as JSON lines on standard output.
// Every report names the client (`id`) it is about. The process ends when its input ends.
//
//   {cmd: "connect", id, version, url, path, namespace, transports?, query?, auth?,
//    extraHeaders?, options?, keepAlive?}          with `keepAlive`, requests share connections
//   {cmd: "emit", id, event, args, seq?, ackTimeoutMs?}      asks for an ack if `seq` is given
//   {cmd: "burst", id, event, args, count, seq, ackTimeoutMs?}
//        emits `count` times in one go; "{i}" in texts of `args` stands for the number, from 0
//   {cmd: "tally", id, seq}                                   asks what has happened so far
//   {cmd: "disconnect", id}                                   leaves the namespace politely
//   {cmd: "drop", id}                                         closes the transport without a word
//
//   connected {transport}           connect_error {payload}       error {payload}
//   event {name, args}              disconnect {reason}           upgrade {transport}
//   closed {reason}: the transport is gone                        stray_ack {packet}
//   ack {seq, args} | ack_timeout {seq}
//   burst {seq, acks, order}: acks by number (null where none came), numbers in order of arrival
//   tally {seq, sessions, heartbeats, trouble}: sessions opened, heartbeats exchanged, and how often
//        each kind of trouble was met, none of which a client with a good connection meets
//   failed {message}: the command could not be carried out
//
// Bytes travel as {"$binary": "<base64>"} in both directions. {"$utf16": [55296]} in arguments is a
// text of these code units, which need not be a valid one.

import { Agent } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const CLIENTS_MAX = 1_024;
const BURST_MAX = 10_000;
const ACK_TIMEOUT_MS = 10_000;
const TROUBLE = {
  socket: ["connect_error", "connect_timeout", "disconnect", "error"],
  manager: [
    "close",
    "connect_error",
    "connect_timeout",
    "error",
    "reconnect",
    "reconnect_attempt",
    "reconnect_error",
    "reconnect_failed",
  ],
  engine: ["close", "error", "upgradeError"],
};

const require = createRequire(import.meta.url);
const clients = new Map();
const tallies = new Map();

function report(id, kind, fields) {
  process.stdout.write(JSON.stringify({ id, kind, ...fields }, encode) + "\n");
}

// Buffers have been turned into {type: "Buffer", data} by their own toJSON when this sees them.
function encode(_key, value) {
  if (value instanceof ArrayBuffer) {
    return { $binary: Buffer.from(value).toString("base64") };
  }
  if (value?.type === "Buffer" && Array.isArray(value.data)) {
    return { $binary: Buffer.from(value.data).toString("base64") };
  }
  return value;
}

// Makes arguments out of JSON, anew for each use.
function decode(value, number) {
  if (typeof value === "string") {
    return number === undefined ? value : value.replaceAll("{i}", String(number));
  }
  if (Array.isArray(value)) {
    return value.map((item) => decode(item, number));
  }
  if (value === null || typeof value !== "object") {
    return value;
  }
  if (typeof value.$binary === "string") {
    return Buffer.from(value.$binary, "base64");
  }
  if (Array.isArray(value.$utf16)) {
    return String.fromCharCode(...value.$utf16);
  }
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([key, item]) => [key, decode(item, number)]));
}

// An Error of a refusal carries its text where JSON does not look.
function payload(error) {
  if (error instanceof Error) {
    return { message: error.message, ...(error.data === undefined ? {} : { data: error.data }) };
  }
  return error;
}

function connect(command) {
  const { id } = command;
  if (clients.size >= CLIENTS_MAX) {
    throw new Error(`more than ${CLIENTS_MAX} clients`);
  }
  if (clients.has(id)) {
    throw new Error("this id is in use");
  }
  const io = require(`client-${command.version}`);
  const options = {
    forceNew: true,
    reconnection: false,
    timeout: 10_000,
    path: command.path,
    ...command.options,
  };
  for (const name of ["transports", "query", "auth", "extraHeaders"]) {
    if (command[name] !== undefined && command[name] !== null) {
      options[name] = command[name];
    }
  }
  if (command.keepAlive) {
    options.agent = new Agent({ keepAlive: true });
  }
  const socket = io(command.url + command.namespace, options);
  clients.set(id, socket);
  tallies.set(id, { sessions: 0, heartbeats: 0, trouble: {} });
  watchSocket(id, socket);
  watchTransport(id, socket);
}

function watchSocket(id, socket) {
  socket.on("connect", () => report(id, "connected", { transport: transportOf(socket) }));
  socket.on("connect_error", (error) => report(id, "connect_error", { payload: payload(error) }));
  socket.on("disconnect", (reason) => report(id, "disconnect", { reason }));
  // Events of the server pass through here in all generations; only 1.x and 2.x have a word of
  // their own called "error", which does not.
  const onEvent = socket.onevent;
  socket.onevent = function (packet) {
    const [name, ...args] = packet.data;
    report(id, "event", { name, args });
    // The library must not take the server's events for its own.
    return onEvent.call(this, { ...packet, data: [`heard ${name}`] });
  };
  socket.on("error", (error) => report(id, "error", { payload: payload(error) }));
  const onAck = socket.onack;
  socket.onack = function (packet) {
    if (typeof this.acks?.[packet.id] !== "function") {
      report(id, "stray_ack", { packet: { id: packet.id, data: packet.data } });
    }
    return onAck.call(this, packet);
  };
}

// Counts what `emitter` says of trouble, under names like "socket.disconnect".
function watchTrouble(id, what, emitter) {
  const { trouble } = tallies.get(id);
  for (const name of TROUBLE[what]) {
    emitter.on(name, () => {
      trouble[`${what}.${name}`] = (trouble[`${what}.${name}`] ?? 0) + 1;
    });
  }
}

function watchTransport(id, socket) {
  const tally = tallies.get(id);
  watchTrouble(id, "socket", socket);
  watchTrouble(id, "manager", socket.io);
  socket.io.on("open", () => (tally.sessions += 1));
  const watched = new WeakSet();
  const watch = () => {
    const engine = socket.io.engine;
    if (engine && !watched.has(engine)) {
      watched.add(engine);
      watchTrouble(id, "engine", engine);
      engine.on("pong", () => (tally.heartbeats += 1));
      engine.on("upgrade", (transport) => report(id, "upgrade", { transport: transport.name }));
      engine.on("close", (reason) => report(id, "closed", { reason }));
    }
  };
  watch();
  socket.io.on("open", watch);
}

function transportOf(socket) {
  return socket.io.engine?.transport?.name ?? null;
}

function clientOf(command) {
  const socket = clients.get(command.id);
  if (!socket) {
    throw new Error("no such client");
  }
  return socket;
}

function emit(command) {
  const { id, event, seq } = command;
  const socket = clientOf(command);
  const args = decode(command.args ?? []);
  if (seq === undefined || seq === null) {
    socket.emit(event, ...args);
    return;
  }
  const timer = setTimeout(
    () => report(id, "ack_timeout", { seq }),
    command.ackTimeoutMs ?? ACK_TIMEOUT_MS,
  );
  socket.emit(event, ...args, (...answer) => {
    clearTimeout(timer);
    report(id, "ack", { seq, args: answer });
  });
}

function burst(command) {
  const { id, event, args, count, seq } = command;
  if (!(count > 0 && count <= BURST_MAX)) {
    throw new Error(`a burst is 1 to ${BURST_MAX} events`);
  }
  const socket = clientOf(command);
  const acks = new Array(count).fill(null);
  const order = [];
  const finish = () => {
    clearTimeout(timer);
    report(id, "burst", { seq, acks, order });
  };
  const timer = setTimeout(finish, command.ackTimeoutMs ?? ACK_TIMEOUT_MS);
  for (let number = 0; number < count; number += 1) {
    socket.emit(event, ...decode(args, number), (answer) => {
      acks[number] = answer ?? null;
      order.push(number);
      if (order.length === count) {
        finish();
      }
    });
  }
}

const commands = {
  connect,
  emit,
  burst,
  tally: ({ id, seq }) => report(id, "tally", { seq, ...tallies.get(id) }),
  disconnect: (command) => clientOf(command).disconnect(),
  drop: (command) => clientOf(command).io.engine.close(),
};

function obey(line) {
  let command = {};
  try {
    command = JSON.parse(line);
    const act = commands[command.cmd];
    if (!act) {
      throw new Error("unknown command");
    }
    act(command);
  } catch (error) {
    report(command.id ?? null, "failed", { message: String(error?.message ?? error) });
  }
}

process.stdout.on("error", () => process.exit(1));
createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on("line", obey)
  .on("close", () => process.exit(0));
