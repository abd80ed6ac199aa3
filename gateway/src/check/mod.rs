//! The command `check`: of what `serve` needs, of a node on this machine, or of a whole deployment from
//! outside.

mod needs;
mod outside;
mod ready;
mod socket;

use std::{fmt::Display, io::Write};

use reqwest::Url;
use secrecy::SecretString;

use crate::{
    auth::{self, TokenArgs},
    config::{AuthArgs, Problems, ServeArgs},
};
use outside::{Caller, Outside};
use socket::Transport;

/// The name that messages of a check are sent under, where it signs its own token.
const USER: &str = "roomwire-check";
/// Seconds that such a token is valid, longer than any check takes.
const TOKEN_SECONDS: u64 = 600;

/// What to check.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CheckArgs {
    /// Check the deployment behind this URL from outside instead: what one connection sends must be heard
    /// on others, by each transport. Needs the shared secret of tokens, or a token.
    #[arg(long, value_name = "URL", conflicts_with = "ready")]
    url: Option<Url>,
    /// File with the token to use there, instead of one signed with the shared secret.
    #[arg(long, env = "CHECK_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<String>,
    /// Ask the node behind `ADMIN_ADDR` on this machine instead whether it is ready.
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

impl CheckArgs {
    /// Runs the check that was asked for, and tells of each thing in a line. True if all is well.
    pub(crate) async fn run(self, out: &mut impl Write) -> anyhow::Result<bool> {
        if self.ready {
            return self.ready(out).await;
        }
        if let Some(url) = self.url.clone() {
            return self.outside(url, out).await;
        }
        let config = self.serve.resolve()?;
        Ok(needs::check(&config, out).await?)
    }

    async fn ready(self, out: &mut impl Write) -> anyhow::Result<bool> {
        let mut problems = Problems::default();
        let Some(http) = self.serve.http.resolve(&mut problems) else {
            return Err(problems.into());
        };
        Ok(line(out, "node", ready::ask(http.admin).await)?)
    }

    async fn outside(self, url: Url, out: &mut impl Write) -> anyhow::Result<bool> {
        let mut problems = Problems::default();
        let sockets = self.serve.sockets.resolve(&mut problems);
        let caller = caller(self.token_file, self.serve.auth, &mut problems)?;
        let Some(sockets) = sockets.filter(|_| problems.is_empty()) else {
            return Err(problems.into());
        };
        let transports = [
            (sockets.websocket, Transport::WebSocket),
            (sockets.polling, Transport::Polling),
        ];
        let transports = transports.into_iter().filter(|(on, _)| *on);
        let outside = Outside::new(url, transports.map(|(_, transport)| transport).collect())?;
        Ok(match caller {
            Some(caller) => outside.talk(&caller, out).await?,
            None => outside.reach(out).await?,
        })
    }
}

/// With the token of a file, or one that is signed here; nobody if there is neither.
fn caller(
    token_file: Option<String>,
    auth: AuthArgs,
    problems: &mut Problems,
) -> anyhow::Result<Option<Caller>> {
    let claim = auth.user_claim().to_owned();
    let token = if let Some(text) = problems.file("CHECK_TOKEN_FILE", token_file) {
        text.trim().to_owned()
    } else if auth.names_secret()
        && let Some(auth) = auth.resolve(problems)
    {
        let args = TokenArgs::new(USER.parse()?, TOKEN_SECONDS);
        auth::sign(args, &auth)?
    } else {
        return Ok(None);
    };
    let user = auth::user_of(&token, &claim);
    if user.is_none() {
        problems.add("CHECK_TOKEN_FILE", "holds no token with a user id");
    }
    let token = SecretString::from(token);
    Ok(user.map(|user| Caller { user, token }))
}

/// A line of the answer. True if it is a good one.
fn line(
    out: &mut impl Write,
    what: &str,
    found: Result<(), impl Display>,
) -> std::io::Result<bool> {
    match found {
        Ok(()) => writeln!(out, "{what}: ok").map(|()| true),
        Err(problem) => writeln!(out, "{what}: {problem}").map(|()| false),
    }
}
