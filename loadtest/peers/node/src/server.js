// One process: HTTP, Socket.IO, Postgres and Redis put together.

import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { Server } from "socket.io";
import { verifier } from "./auth.js";
import { Bus } from "./bus.js";
import { cause, log } from "./log.js";
import { serve } from "./realtime.js";
import { listener } from "./rest.js";
import { Rooms } from "./rooms.js";
import { Store } from "./store.js";

/** How long the other processes may take to answer. */
const SURVEY_MS = 3_000;
/** Longest packet from a client: any text is at most six times as long in JSON. */
const packetBytesMax = (messageBytes) => messageBytes * 6 + 4 * 1024;

/** Starts serving; resolves to `{port, close}` once it listens. */
export async function start(config) {
  const store = new Store({ ...config, onError: (error) => log("warn", "postgres", cause(error)) });
  const bus = new Bus(config.redisUrl);
  let rooms;
  await Promise.all([store.ping(), bus.connect((room, changes) => rooms?.hear(room, changes))]);

  const http = createServer();
  const io = new Server(http, {
    path: "/realtime",
    // With polling the requests of one session would have to come to the same process.
    transports: ["websocket"],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: packetBytesMax(config.maxMessageBytes),
    adapter: createAdapter(bus.publisher, bus.adapterSubscriber, { requestsTimeout: SURVEY_MS }),
  });
  const namespace = io.of("/chat/");
  rooms = new Rooms({ store, bus, namespace });
  const verify = verifier(config.secret, config.leewaySeconds);
  const stop = serve({ namespace, rooms, store, verify, config });
  const ready = () => store.ping().then(() => bus.isReady(), () => false);
  http.on("request", listener({ rooms, store, verify, config, ready }));

  await new Promise((resolve, reject) => {
    http.once("error", reject);
    http.listen(config.port, config.host, resolve);
  });
  const close = async () => {
    stop();
    await io.close();
    rooms.feeds.close();
    await store.close();
    bus.close();
  };
  return { port: http.address().port, close };
}
