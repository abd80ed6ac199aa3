import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createDatabase, SECRET } from "./support.js";

const MAIN = fileURLToPath(new URL("../src/main.js", import.meta.url));

const run = (env) => spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "ignore", "pipe"] });

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

test("two processes serve one port and end at SIGTERM", async () => {
  const database = await createDatabase();
  try {
    const [port, admin] = [await freePort(), await freePort()];
    const child = run({
      LISTEN_ADDR: `127.0.0.1:${port}`,
      ADMIN_ADDR: `127.0.0.1:${admin}`,
      DATABASE_URL: database.url,
      REDIS_URL: process.env.REDIS_URL,
      JWT_HS256_SECRET: SECRET,
      WORKERS: "2",
    });
    const exit = once(child, "exit");
    let ready;
    for await (const line of createInterface({ input: child.stderr })) {
      ready = JSON.parse(line);
      if (ready.event === "ready") break;
    }
    assert.equal(ready.event, "ready");
    assert.equal(ready.workers.length, 2);
    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${admin}/readyz`)).status, 200);
    child.kill("SIGTERM");
    assert.deepEqual(await exit, [0, null]);
  } finally {
    await database.drop();
  }
});

test("all wrong settings are told at once", async () => {
  const child = run({ WORKERS: "none" });
  let told = "";
  child.stderr.on("data", (data) => (told += data));
  const [code] = await once(child, "close");
  assert.equal(code, 2);
  for (const name of ["DATABASE_URL", "REDIS_URL", "JWT_HS256_SECRET", "WORKERS"]) {
    assert.ok(told.includes(name), name);
  }
});
