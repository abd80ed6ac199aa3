// `node src/main.js [serve]` serves, on as many processes as WORKERS says; `node src/main.js migrate`
// makes the schema. Exit codes: 0 ended as asked, 1 failed, 2 wrong settings or usage.

import cluster from "node:cluster";
import { readFile } from "node:fs/promises";
import { serveAdmin } from "./admin.js";
import { ConfigError, readConfig } from "./config.js";
import { cause, log } from "./log.js";
import { start } from "./server.js";
import { migrate } from "./store.js";

const SCHEMA = new URL("../schema.sql", import.meta.url);
const AGAIN_MS = 1_000;
/** How long a process may take to end. */
const GRACE_MS = 10_000;

async function main(command) {
  const config = readConfig(process.env);
  if (command === "migrate") {
    const done = await migrate(config.databaseUrl, await readFile(SCHEMA, "utf8"));
    log("info", done ? "schema_made" : "schema_there");
  } else if (command !== undefined && command !== "serve") {
    throw new ConfigError("the commands are serve and migrate");
  } else if (cluster.isPrimary && config.workers > 1) {
    lead(config);
  } else {
    await work(config);
  }
}

/** Keeps the processes running until a signal comes, then waits for their end. */
function lead(config) {
  let ending = false;
  const listening = new Set();
  const complete = () => listening.size === config.workers;
  const admin = config.admin && serveAdmin(config.admin, complete);
  const fork = () => cluster.fork();
  for (let number = 0; number < config.workers; number += 1) fork();
  let started = false;
  cluster.on("listening", (worker, { port }) => {
    listening.add(worker.id);
    if (started || !complete()) return;
    started = true;
    const workers = Object.values(cluster.workers).map((worker) => worker.process.pid);
    log("info", "ready", { port, workers });
  });
  cluster.on("exit", (worker, code, signal) => {
    listening.delete(worker.id);
    if (ending) return;
    log("error", "worker_ended", { worker: worker.process.pid, code, signal });
    if (!started) end(1);
    else setTimeout(() => ending || fork(), AGAIN_MS);
  });
  const end = (code) => {
    if (ending) return;
    ending = true;
    process.exitCode = code;
    admin?.close();
    for (const worker of Object.values(cluster.workers)) worker.process.kill("SIGTERM");
  };
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => end(0));
}

async function work(config) {
  let ending = false;
  const server = await start(config);
  const admin = config.admin && !cluster.isWorker && serveAdmin(config.admin, () => !ending);
  if (!cluster.isWorker) log("info", "ready", { port: server.port, workers: [process.pid] });
  const end = async () => {
    if (ending) return;
    ending = true;
    setTimeout(() => process.exit(1), GRACE_MS).unref();
    if (admin) admin.close();
    await server.close();
    process.exit(0);
  };
  // The terminal sends SIGINT to all; the first process passes on what it gets.
  process.on("SIGTERM", end);
  process.on("SIGINT", cluster.isWorker ? () => {} : end);
  // Without the first process there is nobody to listen with.
  if (cluster.isWorker) process.on("disconnect", end);
}

main(process.argv[2]).catch((error) => {
  log("error", "failed", cause(error));
  process.exit(error instanceof ConfigError ? 2 : 1);
});
