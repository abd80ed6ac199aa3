// The REST routes under `/chat/`, and `/readyz`.

import { isUserId, tokenOfRequest } from "./auth.js";
import { ApiError, malformed, notFound, toApiError, unacceptable } from "./errors.js";
import { messagePage, oneMessage, oneRoom, roomChanges, roomList } from "./history.js";
import { isId } from "./ids.js";
import { cause, log } from "./log.js";
import { isClientId } from "./realtime.js";

const BODY_BYTES_MAX = 256 * 1024;
const USERS_MAX = 1_000;
const NAME_CHARS_MAX = 256;
const PAGE = 50;
const PAGE_MAX = 200;
const PARTICIPANTS = 1_000;

/** The request listener of the HTTP server. `ready()` tells whether this process can serve. */
export function listener({ rooms, store, verify, config, ready }) {
  return async (request, response) => {
    try {
      const url = new URL(request.url, "http://host");
      if (url.pathname === "/readyz") {
        const isReady = await ready();
        return answer(response, isReady ? 200 : 503, { ready: isReady });
      }
      const { user } = verify(tokenOfRequest(request.headers) || url.searchParams.get("token"));
      const context = { request, query: url.searchParams, user, rooms, store, config };
      answer(response, 200, await route(context, url.pathname));
    } catch (thrown) {
      const error = toApiError(thrown);
      if (error !== thrown) log("error", "request", { method: request.method, ...cause(thrown) });
      if (!request.complete) response.setHeader("Connection", "close");
      if (error.status === 503 || error.status === 429) response.setHeader("Retry-After", "1");
      answer(response, error.status, error.body());
    }
  };
}

function answer(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  });
  response.end(text);
}

/** Method and path, `:` for one segment. */
const ROUTES = [
  ["POST /chat/new", createRoom],
  ["PUT /chat/add/:", addMembers],
  ["PUT /chat/leave/:", leave],
  ["GET /chat/messages", listMessages],
  ["GET /chat/messages/:", (of, id) => oneMessage(of.store, of.user, id)],
  ["PUT /chat/messages/:", editMessage],
  ["DELETE /chat/messages/:", deleteMessage],
  ["GET /chat/rooms", (of) => roomList(of.store, of.user, page(of.query, PAGE, PAGE_MAX))],
  ["GET /chat/rooms/:", readRoom],
  ["GET /chat/rooms/:/changes", readChanges],
  ["GET /chat/message/list", listForOtherContract],
].map(([pattern, handler]) => ({
  pattern: new RegExp(`^${pattern.replaceAll(":", "([^/]+)")}$`),
  handler,
}));

function route(context, path) {
  const asked = `${context.request.method} ${path}`;
  for (const { pattern, handler } of ROUTES) {
    const match = pattern.exec(asked);
    if (match) return handler(context, ...match.slice(1));
  }
  throw notFound();
}

async function createRoom(context) {
  const body = await readBody(context.request);
  const name = typeof body.roomName === "string" ? body.roomName.trim() : "";
  if (name === "") throw malformed("roomName is missing");
  if ([...name].length > NAME_CHARS_MAX || name.includes("\0")) {
    throw unacceptable("roomName is too long, or has a character that cannot be stored");
  }
  const { clientId } = body;
  if (clientId !== undefined && !isClientId(clientId)) throw unacceptable("bad clientId");
  const users = usersOf(body);
  return { roomId: await context.rooms.create(context.user, name, users, clientId) };
}

async function addMembers({ request, user, rooms }, room) {
  const users = usersOf(await readBody(request));
  if (!isId(room)) throw notFound();
  await rooms.add(room, user, users);
  return { result: "Users added" };
}

async function leave({ user, rooms }, room) {
  if (!isId(room)) throw notFound();
  await rooms.leave(room, user);
  return { result: "Ok" };
}

function listMessages({ query, user, store }) {
  const room = query.get("roomId") || undefined;
  return messagePage(store, user, { room, ...page(query, PAGE, PAGE_MAX) });
}

async function editMessage({ request, user, rooms, config }, id) {
  const { newMessage } = await readBody(request);
  if (typeof newMessage !== "string") throw malformed("newMessage is missing");
  const bytes = Buffer.byteLength(newMessage);
  if (bytes === 0 || bytes > config.maxMessageBytes || newMessage.includes("\0")) {
    throw unacceptable("newMessage is empty, too long, or cannot be stored");
  }
  if (!isId(id)) throw notFound();
  await rooms.edit(id, user, newMessage);
  return { result: "Message updated successfully" };
}

async function deleteMessage({ user, rooms }, id) {
  if (!isId(id)) throw notFound();
  await rooms.remove(id, user);
  return { result: "Message deleted successfully" };
}

function readRoom({ query, user, store }, room) {
  return oneRoom(store, user, room, page(query, PARTICIPANTS, PARTICIPANTS));
}

function readChanges({ query, user, store }, room) {
  const since = whole(query, "since", 0);
  return roomChanges(store, user, room, since, whole(query, "limit", 1_000) || 1);
}

/**
 * A page of a room in the shape of the contract of chats, oldest first: the checker compares the
 * pages of both contracts. Nothing else of that contract is served.
 */
async function listForOtherContract({ query, user, store }) {
  const offset = whole(query, "offset", 0);
  const limit = Math.min(whole(query, "limit", 20), 100);
  const room = query.get("chat_id") ?? "";
  const { count } = await messagePage(store, user, { room, skip: 0, limit: 0 });
  // The oldest are the last of the page that is newest first.
  const end = Math.max(count - offset, 0);
  const skip = Math.max(end - limit, 0);
  const { messages } = await messagePage(store, user, { room, skip, limit: end - skip });
  const data = messages.reverse().map((message) => ({
    _id: message._id,
    __v: 0,
    createdAt: message.createdAt,
    updatedAt: message.updatedAt,
    from: { _id: message.senderUser, name: "", profile_picture: "none" },
    chat_id: message.room,
    text: message.message,
    new_chat_members: [],
    photo: [],
    caption_entities: [],
    entities: [],
    read: message.readBy.length > 1,
  }));
  return { error: false, data };
}

function page(query, limit, most) {
  return { skip: whole(query, "skip", 0), limit: Math.min(whole(query, "limit", limit), most) };
}

function whole(query, name, fallback) {
  const text = query.get(name);
  if (text === null || text === "") return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw malformed(`${name} is a whole number, 0 or more`);
  }
  return value;
}

function usersOf({ users }) {
  const list = typeof users === "string" ? [users] : users;
  if (!Array.isArray(list) || list.length === 0) throw malformed("users is missing");
  if (list.length > USERS_MAX) throw unacceptable("too many users");
  if (!list.every(isUserId)) throw malformed("users holds something that is no user id");
  return list;
}

/** The JSON object of a request. */
async function readBody(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new ApiError("PAYLOAD_TOO_LARGE", "the body is too large");
    chunks.push(chunk);
  }
  let body;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw malformed("the body is not JSON");
  }
  if (body === null || typeof body !== "object" || Array.isArray(body)) {
    throw malformed("the body is not an object");
  }
  return body;
}
