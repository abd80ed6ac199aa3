//! What `cargo dev` prints once everything runs: where things are, and something to try.

use std::net::SocketAddr;

use roomwire_dev::servers::{Prometheus, Servers};

use super::nodes::NodeUrls;
use super::observe;

/// The facts of one run.
#[derive(Debug)]
pub(super) struct Welcome<'a> {
    pub(super) front: SocketAddr,
    pub(super) nodes: &'a [NodeUrls],
    /// If there is one.
    pub(super) prometheus: Option<&'a Prometheus>,
    /// Tokens of the two demo users.
    pub(super) alice: String,
    pub(super) bob: String,
}

/// Shell lines with a script for Node.js in it. FRONT stands for the URL of the front.
const SNIPPET: &str = r#"export ROOM=$(curl -sS FRONT/chat/new \
  -H "Authorization: Bearer $ALICE" -H 'Content-Type: application/json' \
  -d '{"roomName": "Lobby", "users": ["bob"]}' | sed 's/.*"roomId" *: *"\([^"]*\)".*/\1/')
npm install --silent --no-audit --no-fund --prefix .roomwire/demo socket.io-client@4
cat > .roomwire/demo/hello.mjs <<'EOF'
import { io } from "socket.io-client";

const connect = (token) => {
  const socket = io("FRONT/chat/", { path: "/realtime", auth: { token } });
  socket.on("connect_error", (error) => console.error(error.message));
  return new Promise((resolve) => socket.on("connect", () => resolve(socket)));
};
const [alice, bob] = await Promise.all([process.env.ALICE, process.env.BOB].map(connect));
const heard = new Promise((resolve) => bob.once("message", resolve));
console.log("stored:", await alice.emitWithAck("message", process.env.ROOM, "Hello, Bob"));
console.log("bob heard:", await heard);
alice.close();
bob.close();
EOF
node .roomwire/demo/hello.mjs"#;

impl Welcome<'_> {
    /// The whole text, without a line break at its end.
    pub(super) fn text(&self, servers: &Servers) -> String {
        let front = format!("http://{}", self.front);
        let database = servers.postgres_pid().map(|_| servers.database_url());
        let redis = servers.redis_pid().map(|_| servers.redis_url());
        let mut lines = vec![
            String::new(),
            format!("Roomwire is up at {front}"),
            String::new(),
        ];
        for (number, NodeUrls { public, admin }) in (1..).zip(self.nodes) {
            lines.push(format!("  node {number:<4} {public}   admin {admin}"));
        }
        lines.extend([
            format!("  Postgres  {}", database.unwrap_or("as in DATABASE_URL")),
            format!("  Redis     {}", redis.unwrap_or("as in REDIS_URL")),
        ]);
        if let Some(prometheus) = self.prometheus {
            let (url, folder) = (prometheus.url(), observe::folder());
            lines.extend([
                format!("  Prometheus {url}   alerts at {url}/alerts"),
                format!("  rules      {}", folder.join("rules").display()),
                format!("  dashboards {}", folder.join("dashboards").display()),
            ]);
        }
        lines.extend([
            "\nTo try it, paste this into another terminal, in this folder:\n".to_owned(),
            format!("export ALICE={}", self.alice),
            format!("export BOB={}", self.bob),
            SNIPPET.replace("FRONT", &front),
            "\nWarnings and errors of the nodes follow. Ctrl-C stops everything.".to_owned(),
        ]);
        lines.join("\n")
    }
}
