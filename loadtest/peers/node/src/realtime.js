// The `/chat/` namespace: who comes in, and what their sockets may emit.

import { tokenOfHandshake } from "./auth.js";
import { malformed, notFound, toApiError, unacceptable } from "./errors.js";
import { sync } from "./history.js";
import { isId } from "./ids.js";
import { cause, log } from "./log.js";
import { keyOf, Session } from "./sessions.js";

const CLIENT_ID_CHARS_MAX = 64;
const WATCH_MS = 1_000;
const PACKETS_WAITING_MAX = 10_000;

/** Serves the namespace; returns a function that stops what runs by itself. */
export function serve({ namespace, rooms, store, verify, config }) {
  namespace.use((socket, next) => {
    admit(socket, { rooms, store, verify }).then(
      () => next(),
      (error) => next(refusal(error)),
    );
  });
  namespace.on("connection", (socket) => {
    const { session } = socket.data;
    // Still in the same turn of the event loop in which the answer was written.
    session.begin();
    // The handshake has what is needed of it; the request would be kept as long as the connection.
    socket.conn.request = null;
    socket.onAny((event, ...args) => dispatch({ session, rooms, store, config }, event, args));
    socket.on("disconnect", () => rooms.sessions.remove(session));
  });
  const timer = setInterval(() => watch(rooms.sessions, config.pendingBytesMax), WATCH_MS).unref();
  return () => clearInterval(timer);
}

/** Finds the rooms of a new socket and follows them, so that `begin` misses nothing. */
async function admit(socket, { rooms, store, verify }) {
  const { auth, query } = socket.handshake;
  const identity = verify(tokenOfHandshake(socket.handshake));
  const meta = auth?.meta === true || query.meta === "1";
  const session = new Session(socket, identity, meta);
  socket.data.session = session;
  // Before the database is asked: a membership that changes from now on is noted.
  rooms.sessions.add(session);
  socket.conn.once("close", () => rooms.sessions.remove(session));
  try {
    await follow(session, { rooms, store });
  } catch (error) {
    rooms.sessions.remove(session);
    throw error;
  }
}

async function follow(session, { rooms, store }) {
  const opened = new Set();
  try {
    for (let cold = true; cold; ) {
      const memberships = await store.memberships(session.user);
      const unknown = memberships.filter(({ room }) => !opened.has(room));
      // A room that was not followed until now may have lost this member meanwhile: ask again.
      cold = unknown.some(({ room }) => !rooms.feeds.isReady(room));
      await Promise.all(unknown.map(({ room }) => rooms.feeds.open(room)));
      for (const { room } of unknown) opened.add(room);
      if (cold) continue;
      // What was before the membership is not to be heard.
      await Promise.all(memberships.map((of) => rooms.feeds.reached(of.room, of.position)));
      for (const { room, position } of memberships) session.note(room, true, position);
    }
  } finally {
    for (const room of opened) rooms.feeds.release(room);
  }
}

function refusal(thrown) {
  const error = toApiError(thrown);
  if (error !== thrown) log("error", "connect", cause(thrown));
  return Object.assign(new Error(error.message), { data: error.body() });
}

/** Cuts sockets whose token has expired, and those that do not read. */
function watch(sessions, pendingBytesMax) {
  const now = Date.now();
  for (const { socket, expires } of sessions) {
    const { conn } = socket;
    const stuck =
      (conn.transport?.socket?.bufferedAmount ?? 0) > pendingBytesMax ||
      conn.writeBuffer.length > PACKETS_WAITING_MAX;
    if (expires <= now || stuck) socket.disconnect(true);
  }
}

const HANDLERS = { message: onMessage, messagesRead: onMessagesRead, sync: onSync };

/** Answers every event once: the ack if one was asked for, else an error event if it failed. */
async function dispatch(context, event, args) {
  const { socket } = context.session;
  const ack = typeof args.at(-1) === "function" ? args.pop() : null;
  try {
    const handler = Object.hasOwn(HANDLERS, event) ? HANDLERS[event] : null;
    if (!handler) throw malformed("unknown event");
    const answer = await handler(context, args);
    if (ack) ack(answer);
  } catch (thrown) {
    const error = toApiError(thrown);
    if (error !== thrown) log("error", "event", cause(thrown));
    if (ack) ack({ error: error.body() });
    else socket.emit("conduit_error", { code: error.code, details: error.message });
  }
}

function onMessage({ session, rooms, config }, [room, text, options]) {
  if (typeof room !== "string" || typeof text !== "string") {
    throw malformed("message takes a room id and a text");
  }
  if (text === "" || Buffer.byteLength(text) > config.maxMessageBytes) {
    throw unacceptable("the text is empty or too long");
  }
  if (text.includes("\0")) throw unacceptable("the text has a character that cannot be stored");
  const clientId = options?.clientId;
  if (clientId !== undefined && !isClientId(clientId)) throw unacceptable("bad clientId");
  if (!isId(room)) throw notFound();
  const origin = session.socket.id;
  const sent = rooms.send({ room, user: session.user, text, clientId, origin });
  session.last = sent.catch(() => {});
  return sent;
}

/** Whether a value from outside can be a client's own key. */
export function isClientId(value) {
  return (
    typeof value === "string" &&
    value.length > 0 &&
    [...value].length <= CLIENT_ID_CHARS_MAX &&
    !value.includes("\0")
  );
}

async function onMessagesRead({ session, store }, [room]) {
  if (typeof room !== "string") throw malformed("messagesRead takes a room id");
  // What this socket has sent before is part of what is marked.
  await session.last;
  const marked = isId(room) ? await store.mark(room, session.user) : undefined;
  if (!marked) throw notFound();
  if (marked.moved) {
    const keys = [keyOf(room, false), keyOf(room, true)];
    session.socket.to(keys).emit("messagesRead", { room, readBy: session.user });
  }
  return { position: marked.position };
}

function onSync({ session, store }, [positions]) {
  return sync(store, session.user, positions);
}
