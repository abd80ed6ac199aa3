// The admin listener: `/livez`, and `/readyz` once every process listens. For whoever starts this and
// waits for it.

import { createServer } from "node:http";

/** Answers on `host` and `port`; `isReady` says whether everything listens. */
export function serveAdmin({ host, port }, isReady) {
  const status = (path) => {
    if (path === "/livez") return 200;
    if (path === "/readyz") return isReady() ? 200 : 503;
    return 404;
  };
  const server = createServer((request, response) => {
    response.writeHead(status(new URL(request.url, "http://host").pathname)).end();
  });
  return server.listen(port, host);
}
