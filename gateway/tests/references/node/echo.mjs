// The stock server with the echo that the official test suites of both protocols ask for. Says its port.

import { createServer } from "node:http";
import { Server as Engine } from "engine.io";
import { Server } from "socket.io";

const [pingInterval, pingTimeout, connectTimeout] = process.argv.slice(2).map(Number);
const http = createServer();

const io = new Server(http, { pingInterval, pingTimeout, connectTimeout, allowEIO3: true, path: "/socket.io" });
const greet = (socket) => {
  socket.emit("auth", socket.handshake.auth);
  socket.on("message", (...args) => socket.emit("message-back", ...args));
  socket.on("message-with-ack", (...args) => args.pop()(...args));
};
io.on("connection", greet);
io.of("/custom").on("connection", greet);

const engine = new Engine({ pingInterval, pingTimeout, allowEIO3: true });
engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
engine.attach(http, { path: "/engine.io" });

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
