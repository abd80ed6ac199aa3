//! What somebody does in a room of their own while others are measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use roomwire_shared::event::MESSAGE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::client::rest::Rest;
use crate::client::{Connection, Light, Observer, event_payload};
use crate::command::CommandError;
use crate::command::bench::site::Site;
use crate::crowd::cohort::{Access, Room, Shape};

/// How often each of those who make trouble sends.
const SEND_EVERY: Duration = Duration::from_millis(50);
/// Packets of theirs that may wait.
const QUEUE: usize = 64;

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// A session of the database holds a room's row, and a member and an outsider send to that room.
    Held,
    /// Somebody adds very many invented users to a room, and sends there.
    Filled,
    NoneAgain,
}

impl Trouble {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "no trouble",
            Self::Held => "a room is held",
            Self::Filled => "a room is filled",
            Self::NoneAgain => "no trouble again",
        }
    }
}

/// Where trouble is made.
pub(super) struct Place<'a> {
    access: &'a Access,
    site: &'a Site,
    rest: Rest,
    /// Requests at a time that add users, and users in each.
    adding: (u16, u32),
    database: Option<&'a SecretString>,
}

/// Trouble that lasts until it is ended.
pub(super) struct Making {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    made: Arc<AtomicU64>,
    holder: Option<PgConnection>,
}

impl<'a> Place<'a> {
    pub(super) fn new(
        access: &'a Access,
        site: &'a Site,
        adding: (u16, u32),
        database: Option<&'a SecretString>,
    ) -> Result<Self, CommandError> {
        let gate = site.gates.first();
        let gate = gate.ok_or(CommandError::Usage("there is no gateway"))?;
        Ok(Self {
            access,
            site,
            rest: Rest::new(gate.clone()),
            adding,
            database,
        })
    }

    /// Begins it; when this returns it has begun.
    pub(super) async fn begin(&self, trouble: Trouble) -> Result<Making, CommandError> {
        let mut making = Making {
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            made: Arc::default(),
            holder: None,
        };
        match trouble {
            Trouble::None | Trouble::NoneAgain => {}
            Trouble::Held => self.hold(&mut making).await?,
            Trouble::Filled => self.fill(&mut making).await?,
        }
        Ok(making)
    }

    async fn hold(&self, making: &mut Making) -> Result<(), CommandError> {
        let needed = CommandError::Usage("a room's row cannot be held without --database-url");
        let database = self.database.ok_or(needed)?;
        let rooms = self
            .access
            .create(Shape {
                rooms: 2,
                members: 2,
            })
            .await?;
        let [held, other] = rooms.as_slice() else {
            return Err(CommandError::Generator("no rooms were made"));
        };
        let mut holder = PgConnection::connect(database.expose_secret()).await?;
        sqlx::query("begin").execute(&mut holder).await?;
        sqlx::query("select 1 from rooms where id = decode($1, 'hex') for update")
            .bind(&held.id)
            .execute(&mut holder)
            .await?;
        making.holder = Some(holder);
        // A member, and somebody who is none.
        self.send_to(&held.id, held, making).await?;
        self.send_to(&held.id, other, making).await
    }

    async fn fill(&self, making: &mut Making) -> Result<(), CommandError> {
        let rooms = self
            .access
            .create(Shape {
                rooms: 1,
                members: 2,
            })
            .await?;
        let [room] = rooms.as_slice() else {
            return Err(CommandError::Generator("no room was made"));
        };
        let maker = room.members.first();
        let maker = maker.ok_or(CommandError::Generator("a room without members"))?;
        let token = self.site.signer.sign(&maker.user)?;
        let (requests, users) = self.adding;
        for request in 0..requests {
            let (rest, token, stop) = (self.rest.clone(), token.clone(), making.stop.clone());
            let path = format!("/chat/add/{}", room.id);
            let (made, name) = (Arc::clone(&making.made), self.access.cohort());
            let adding = Adding {
                rest,
                token,
                path,
                name: format!("{name}-{request}"),
                users,
            };
            making.tasks.spawn(adding.run(stop, made));
        }
        self.send_to(&room.id, room, making).await
    }

    /// Lets the first member of a room send to some room, without waiting for answers.
    async fn send_to(&self, to: &str, of: &Room, making: &mut Making) -> Result<(), CommandError> {
        let (target, options) = match of.members.first() {
            Some(member) => self.access.way_of(0, member)?,
            None => return Err(CommandError::Generator("a room without members")),
        };
        let connection = Box::pin(Connection::open(target, &options)).await;
        let connection = connection.map_err(|error| CommandError::Refused(error.to_string()))?;
        let (stop, made) = (making.stop.clone(), Arc::clone(&making.made));
        let text = Connection::event_text(None, &event_payload(MESSAGE, &[json!(to), json!("!")]));
        making.tasks.spawn(async move {
            let client = Light::spawn(connection, Deaf, QUEUE, stop.clone());
            let mut ticks = interval(SEND_EVERY);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                if client.send(text.clone()).is_ok() {
                    made.fetch_add(1, Ordering::Relaxed);
                }
            }
            drop(client.join().await);
        });
        Ok(())
    }
}

impl Making {
    /// Ends it, and tells how many messages and requests it was.
    pub(super) async fn end(mut self) -> Result<u64, CommandError> {
        self.stop.cancel();
        if let Some(mut holder) = self.holder.take() {
            sqlx::query("rollback").execute(&mut holder).await?;
            holder.close().await?;
        }
        while self.tasks.join_next().await.is_some() {}
        Ok(self.made.load(Ordering::Relaxed))
    }
}

/// Somebody who adds invented users to a room.
struct Adding {
    rest: Rest,
    token: String,
    path: String,
    /// Start of all their names.
    name: String,
    /// In each request.
    users: u32,
}

impl Adding {
    async fn run(self, stop: CancellationToken, made: Arc<AtomicU64>) {
        let mut wave = 0_u32;
        while !stop.is_cancelled() {
            let names = (0..self.users).map(|n| format!("{}-{wave}-{n}", self.name));
            let body = json!({ "users": names.collect::<Vec<_>>() });
            let added = self
                .rest
                .call(Method::PUT, &self.path, &self.token, Some(&body))
                .await;
            // One that is refused makes less trouble, which the count shows.
            if added.is_ok() {
                made.fetch_add(1, Ordering::Relaxed);
            }
            wave += 1;
        }
    }
}

/// Hears nothing of what comes.
struct Deaf;

impl Observer for Deaf {
    fn event(&mut self, _payload: &str) {}
    fn ack(&mut self, _id: u64, _payload: &str) {}
}
