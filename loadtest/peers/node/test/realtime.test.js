import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { Stack, token } from "./support.js";

let stack;
before(async () => (stack = await Stack.start(2)));
after(() => stack.stop());

test("a message reaches the other sockets on both processes and not its own", async () => {
  const room = await stack.room("ann", "bob");
  const [sender, device, bob] = await Promise.all([
    stack.client("ann", 0),
    stack.client("ann", 1),
    stack.client("bob", 1),
  ]);
  await sender.ask("message", room, "hello");
  const expected = [{ sender: "ann", message: "hello", room }];
  assert.deepEqual(await device.until("message", 1), expected);
  assert.deepEqual(await bob.until("message", 1), expected);
  // What comes back to the sender after its own would have come before this.
  await bob.ask("message", room, "hi");
  await sender.until("message", 1);
  assert.deepEqual(sender.of("message"), [{ sender: "bob", message: "hi", room }]);
});

test("acks name places in the log without holes", async () => {
  const room = await stack.room("ann", "bob");
  const ann = await stack.client("ann");
  const acks = await Promise.all([1, 2, 3].map((n) => ann.ask("message", room, `m${n}`)));
  // The name and two members come first.
  assert.deepEqual(acks.map((ack) => ack.position), [4, 5, 6]);
  for (const ack of acks) {
    assert.deepEqual(Object.keys(ack).sort(), ["_id", "createdAt", "position"]);
    assert.match(ack._id, /^[0-9a-f]{24}$/);
    assert.match(ack.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
});

test("only clients that ask for it are told id and place", async () => {
  const room = await stack.room("ann", "bob");
  const ann = await stack.client("ann");
  const bob = await stack.client("bob", 1, { meta: true });
  const ack = await ann.ask("message", room, "hello", { clientId: "k1" });
  const [heard] = await bob.until("message", 1);
  assert.deepEqual(heard, { sender: "ann", message: "hello", room, clientId: "k1", ...ack });
});

test("a repeated key gives the first ack again and is heard once", async () => {
  const room = await stack.room("ann", "bob");
  const bob = await stack.client("bob", 1);
  const clients = await Promise.all([stack.client("ann", 0), stack.client("ann", 1)]);
  const sends = Array.from({ length: 20 }, (_, n) =>
    clients[n % 2].ask("message", room, "once", { clientId: "same" }),
  );
  const acks = await Promise.all(sends);
  for (const ack of acks) assert.deepEqual(ack, acks[0]);
  const other = await clients[0].ask("message", room, "another", { clientId: "same" });
  assert.equal(other.error.name, "CONFLICT");
  await clients[0].ask("message", room, "last");
  const heard = await bob.until("message", 2);
  assert.deepEqual(heard.map(({ message }) => message), ["once", "last"]);
});

test("two members on two processes hear the same order from many senders", async () => {
  const names = Array.from({ length: 8 }, (_, n) => `writer${n}`);
  const room = await stack.room("ann", "bob", ...names);
  const readers = [
    await stack.client("ann", 0, { meta: true }),
    await stack.client("bob", 1, { meta: true }),
  ];
  const writers = await Promise.all(names.map((name, n) => stack.client(name, n % 2)));
  const sends = writers.flatMap((writer, w) =>
    Array.from({ length: 25 }, (_, n) => writer.ask("message", room, `${w}-${n}`)),
  );
  await Promise.all(sends);
  const positions = await Promise.all(
    readers.map(async (reader) => (await reader.until("message", 200)).map((m) => m.position)),
  );
  const ascending = positions[0].toSorted((a, b) => a - b);
  assert.equal(new Set(ascending).size, 200);
  assert.deepEqual(positions, [ascending, ascending]);
});

test("an added user's open sockets are in the room before the answer", async () => {
  const room = await stack.room("ann", "bob");
  const [ann, cat] = [await stack.client("ann", 0), await stack.client("cat", 1)];
  await stack.done("ann", "PUT", `/chat/add/${room}`, { users: ["cat", "bob"] });
  await ann.ask("message", room, "welcome");
  await cat.until("message", 1);
  assert.deepEqual(cat.of("room-joined"), [{ room, roomName: "tea" }]);
});

test("who has left hears nothing more, and those who came meanwhile do", async () => {
  const room = await stack.room("ann", "bob", "dan");
  const clients = ["ann", "bob", "dan"].map((user, n) => stack.client(user, n % 2));
  const [ann, bob, dan] = await Promise.all(clients);
  await stack.done("bob", "PUT", `/chat/leave/${room}`);
  await ann.ask("message", room, "without bob");
  await dan.until("message", 1);
  assert.equal((await bob.ask("message", room, "no")).error.name, "NOT_FOUND");
  await stack.done("ann", "PUT", `/chat/add/${room}`, { users: "bob" });
  await ann.ask("message", room, "with bob");
  assert.deepEqual((await bob.until("message", 1))[0].message, "with bob");
});

test("edits, deletions and read marks are heard on the other process", async () => {
  const room = await stack.room("ann", "bob");
  const [ann, bob] = [await stack.client("ann", 0), await stack.client("bob", 1)];
  const { _id } = await ann.ask("message", room, "firts");
  await stack.done("ann", "PUT", `/chat/messages/${_id}`, { newMessage: "first" });
  assert.deepEqual(await bob.until("message-edited", 1), [
    { messageId: _id, message: "first", room },
  ]);
  await bob.ask("messagesRead", room);
  await bob.ask("messagesRead", room);
  await stack.done("ann", "DELETE", `/chat/messages/${_id}`);
  await bob.until("message-deleted", 1);
  await ann.until("message-deleted", 1);
  // The mark that did not move is not told.
  assert.deepEqual(await ann.until("messagesRead", 1), [{ room, readBy: "bob" }]);
});

test("sync tells what changed since a position, and what is gone", async () => {
  const room = await stack.room("ann", "bob");
  const other = await stack.room("bob", "bob");
  const ann = await stack.client("ann");
  const first = await ann.ask("message", room, "one");
  await ann.ask("message", room, "two");
  await stack.done("ann", "DELETE", `/chat/messages/${first._id}`);
  const { rooms } = await ann.ask("sync", { [room]: 3, [other]: 0 });
  assert.deepEqual(rooms[other], { gone: true });
  assert.equal(rooms[room].position, 6);
  assert.equal(rooms[room].more, false);
  const changes = rooms[room].changes.map((change) => {
    const { type, position, message, messageId } = change;
    return [type, position, message?.message ?? messageId];
  });
  assert.deepEqual(changes, [["message", 5, "two"], ["deleted", 6, first._id]]);
  const beyond = await ann.ask("sync", { [room]: 99 });
  assert.equal(beyond.rooms[room].reset, true);
  assert.equal(beyond.rooms[room].changes.length, 5);
});

test("a failure is told by the ack, and without one by an event", async () => {
  const room = await stack.room("ann", "bob");
  const ann = await stack.client("ann");
  const wrong = [
    ["message", [room], 3],
    ["message", [room, ""], 3],
    ["message", [room, "x".repeat(16 * 1024 + 1)], 3],
    ["message", [room, Buffer.from("x")], 3],
    ["message", ["no room", "x"], 5],
    ["messagesRead", ["0".repeat(24)], 5],
    ["constructor", [], 3],
  ];
  for (const [n, [event, args, code]] of wrong.entries()) {
    const ack = await ann.ask(event, ...args);
    assert.ok(ack.error.status >= 400, event);
    ann.socket.emit(event, ...args);
    const errors = await ann.until("conduit_error", n + 1);
    assert.equal(errors.at(-1).code, code);
  }
});

test("a token may come in a header, in auth or in the query", async () => {
  const room = await stack.room("ann", "ann");
  const ways = [
    [{ token: undefined }, { extraHeaders: { Authorization: `Bearer ${token("ann")}` } }],
    [{ token: undefined, accessToken: token("ann") }],
    [{ token: undefined, authorization: `Bearer ${token("ann")}` }],
    [{ token: undefined }, { query: { token: token("ann") } }],
    [{ token: undefined }, { query: { auth_token: token("ann") } }],
  ];
  for (const [auth, options] of ways) {
    const socket = stack.socket("ann", 0, auth, options);
    await once(socket, "connect");
    const ack = await socket.timeout(20_000).emitWithAck("message", room, "in");
    assert.match(ack._id ?? "", /^[0-9a-f]{24}$/);
  }
});

test("a socket without a good token is refused, and ends when its token expires", async () => {
  const past = Math.floor(Date.now() / 1000) - 1;
  const cases = [
    [{ token: "" }, /missing/],
    [{ token: "x" }, /malformed/],
    [{ token: token("ann", { exp: past }) }, /expired/],
    [{ token: `${token("ann")}x` }, /refused/],
  ];
  for (const [auth, words] of cases) {
    const [error] = await once(stack.socket("ann", 0, auth), "connect_error");
    assert.match(error.message, words);
    assert.deepEqual(Object.keys(error.data), ["name", "status", "message"]);
  }
  const soon = Math.floor(Date.now() / 1000) + 2;
  const short = await stack.client("ann", 0, { token: token("ann", { exp: soon }) });
  const [reason] = await once(short.socket, "disconnect");
  assert.equal(reason, "io server disconnect");
});
