import assert from "node:assert/strict";
import { test } from "node:test";
import { Door, eventually, Stack } from "./support.js";

test("without Redis messages are stored and heard here, and with it elsewhere again", async () => {
  const door = new Door();
  const stack = await Stack.start(2, await door.open(process.env.REDIS_URL));
  let open = true;
  try {
    const room = await stack.room("ann", "bob", "cat");
    const clients = [["ann", 0], ["bob", 0], ["cat", 1]].map((of) => stack.client(...of));
    const [ann, bob, cat] = await Promise.all(clients);
    const isReady = async (node) => (await fetch(`${stack.url(node)}/readyz`)).ok;

    await door.close();
    open = false;
    await eventually(async () => !(await isReady(0)) && !(await isReady(1)));
    const ack = await ann.ask("message", room, "into the dark");
    assert.equal(ack.position, 5);
    assert.equal((await bob.until("message", 1))[0].message, "into the dark");
    assert.deepEqual(await bob.ask("messagesRead", room), { position: 5 });
    const refused = await stack.call("ann", "POST", "/chat/new", { roomName: "x", users: ["bob"] });
    assert.equal(refused.status, 503);

    await door.open(process.env.REDIS_URL);
    open = true;
    await eventually(async () => (await isReady(0)) && (await isReady(1)));
    await ann.ask("message", room, "light");
    assert.equal((await cat.until("message", 1))[0].message, "light");
    await stack.room("ann", "cat");
  } finally {
    await stack.stop();
    if (open) await door.close();
  }
});
