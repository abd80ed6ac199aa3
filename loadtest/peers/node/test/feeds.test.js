import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Feeds } from "../src/feeds.js";

const change = (position) => ({ position, type: "message" });

async function following(head) {
  const applied = [];
  const feeds = new Feeds({
    subscribe: async () => {},
    unsubscribe: () => {},
    head: async () => head,
    apply: (_, { position }) => applied.push(position),
    occupied: () => true,
  });
  await feeds.open("r");
  return { feeds, applied };
}

test("changes are applied in the order of positions, each once", async () => {
  const { feeds, applied } = await following(3);
  for (const position of [6, 3, 5, 4, 5, 7]) feeds.push("r", [change(position)]);
  feeds.close();
  assert.deepEqual(applied, [4, 5, 6, 7]);
});

test("a change that never comes is passed over, and applied if it comes after all", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const { feeds, applied } = await following(0);
    feeds.push("r", [change(2), change(3)]);
    assert.deepEqual(applied, []);
    mock.timers.tick(60_000);
    assert.deepEqual(applied, [2, 3]);
    feeds.push("r", [change(1), change(1), change(4)]);
    feeds.close();
    assert.deepEqual(applied, [2, 3, 1, 4]);
  } finally {
    mock.timers.reset();
  }
});

test("many holes cost no more time than one", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const { feeds, applied } = await following(0);
    const even = Array.from({ length: 50 }, (_, n) => 2 * n + 2);
    feeds.push("r", even.map(change));
    mock.timers.tick(10);
    feeds.push("r", [change(103)]);
    mock.timers.tick(1_995);
    assert.deepEqual(applied, even);
    mock.timers.tick(10);
    feeds.close();
    assert.deepEqual(applied, [...even, 103]);
  } finally {
    mock.timers.reset();
  }
});

test("what is heard before the beginning is known waits for it", async () => {
  let begin;
  const applied = [];
  const feeds = new Feeds({
    subscribe: async () => {},
    unsubscribe: () => {},
    head: () => new Promise((resolve) => (begin = resolve)),
    apply: (_, { position }) => applied.push(position),
    occupied: () => true,
  });
  const opened = feeds.open("r");
  await Promise.resolve();
  feeds.push("r", [change(6), change(5)]);
  begin(5);
  await opened;
  feeds.close();
  assert.deepEqual(applied, [6]);
});
