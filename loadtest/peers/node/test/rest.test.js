import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Stack } from "./support.js";

let stack;
before(async () => (stack = await Stack.start(1)));
after(() => stack.stop());

test("pages show messages newest first with the number of all", async () => {
  const room = await stack.room("ann", "bob");
  const other = await stack.room("ann", "cat");
  const ann = await stack.client("ann");
  for (const text of ["one", "two", "three"]) await ann.ask("message", room, text);
  await ann.ask("message", other, "elsewhere");
  const texts = ({ messages, count }) => [messages.map(({ message }) => message), count];
  const page = await stack.done("bob", "GET", `/chat/messages?roomId=${room}&skip=1&limit=1`);
  assert.deepEqual(texts(page), [["two"], 3]);
  const keys = ["_id", "createdAt", "message", "readBy", "room", "senderUser", "updatedAt"];
  assert.deepEqual(Object.keys(page.messages[0]).sort(), keys);
  const all = await stack.done("ann", "GET", "/chat/messages?limit=2");
  assert.deepEqual(texts(all), [["elsewhere", "three"], 4]);
  const none = await stack.done("ann", "GET", "/chat/messages?limit=0");
  assert.deepEqual(texts(none), [[], 4]);
});

test("the sender and those whose mark is past a message have read it", async () => {
  const room = await stack.room("ann", "bob", "cat");
  const [ann, bob] = [await stack.client("ann"), await stack.client("bob")];
  await ann.ask("message", room, "old");
  await bob.ask("messagesRead", room);
  await ann.ask("message", room, "new");
  const { messages } = await stack.done("cat", "GET", `/chat/messages?roomId=${room}`);
  assert.deepEqual(messages.map((m) => m.readBy), [["ann"], ["ann", "bob"]]);
});

test("the same key makes one room", async () => {
  const body = { roomName: " tea ", users: ["bob"], clientId: "r1" };
  const [one, other] = await Promise.all([
    stack.done("eve", "POST", "/chat/new", body),
    stack.done("eve", "POST", "/chat/new", body),
  ]);
  assert.deepEqual(one, other);
  const { rooms, count } = await stack.done("eve", "GET", "/chat/rooms");
  assert.equal(count, 1);
  assert.deepEqual([rooms[0].name, rooms[0].participants], ["tea", ["bob", "eve"]]);
});

test("a room goes with its last member", async () => {
  const room = await stack.room("ann", "ann");
  const { _id } = await (await stack.client("ann")).ask("message", room, "alone");
  await stack.done("ann", "PUT", `/chat/leave/${room}`);
  for (const path of [`/chat/rooms/${room}`, `/chat/messages/${_id}`]) {
    assert.equal((await stack.call("ann", "GET", path)).status, 404);
  }
  assert.equal((await stack.call("ann", "PUT", `/chat/leave/${room}`)).status, 404);
});

test("only the author changes a message, and only as a member", async () => {
  const room = await stack.room("ann", "bob");
  const ann = await stack.client("ann");
  const { _id } = await ann.ask("message", room, "mine");
  const edit = (user) => stack.call(user, "PUT", `/chat/messages/${_id}`, { newMessage: "x" });
  assert.equal((await edit("bob")).status, 404);
  assert.equal((await edit("ann")).status, 200);
  await stack.done("ann", "PUT", `/chat/leave/${room}`);
  assert.equal((await edit("ann")).status, 404);
});

test("changes are read in pieces that together are the whole log", async () => {
  const room = await stack.room("ann", "bob");
  const ann = await stack.client("ann");
  for (const text of ["one", "two"]) await ann.ask("message", room, text);
  await stack.done("bob", "PUT", `/chat/leave/${room}`);
  const found = [];
  let page = { position: 0, more: true };
  while (page.more) {
    const path = `/chat/rooms/${room}/changes?since=${page.position}&limit=2`;
    page = await stack.done("ann", "GET", path);
    found.push(...page.changes.map(({ type, position }) => `${type} ${position}`));
  }
  const log = ["room 1", "member 2", "message 4", "message 5", "member 6"];
  assert.deepEqual(found, log);
  assert.equal(page.position, 6);
});

test("mistakes have the status and the name of the contract", async () => {
  const room = await stack.room("ann", "bob");
  const cases = [
    ["POST", "/chat/new", { roomName: "x" }, 400, "USER_INPUT_ERROR"],
    ["POST", "/chat/new", { roomName: " ", users: ["b"] }, 400, "USER_INPUT_ERROR"],
    ["POST", "/chat/new", { roomName: "x".repeat(257), users: ["b"] }, 400, "INVALID_ARGUMENTS"],
    ["POST", "/chat/new", { pad: "x".repeat(300_000) }, 413, "PAYLOAD_TOO_LARGE"],
    ["GET", "/chat/messages?limit=-1", undefined, 400, "USER_INPUT_ERROR"],
    ["PUT", `/chat/leave/${"0".repeat(24)}`, undefined, 404, "NOT_FOUND"],
    ["PUT", `/chat/add/${room}`, { users: [7] }, 400, "USER_INPUT_ERROR"],
    ["GET", "/elsewhere", undefined, 404, "NOT_FOUND"],
  ];
  for (const [method, path, body, status, name] of cases) {
    const answer = await stack.call("ann", method, path, body);
    assert.deepEqual([answer.status, answer.body.name, answer.body.status], [status, name, status]);
  }
  const bare = await fetch(`${stack.url(0)}/chat/rooms`);
  assert.equal(bare.status, 401);
});
