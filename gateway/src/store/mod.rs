//! All SQL. One file per table family; rows stay private, domain values come out.
//!
//! Must not: decide what a user may do beyond what a statement checks, or tell anybody.
//! Every use of a connection goes through `pool`, which ends it in time. A call that is dropped
//! half-way costs its connection, so callers run calls to their end where they can.

mod append;
mod changes;
mod changing;
mod chat_members;
mod chats;
mod error;
mod evidence;
mod feeds;
mod known;
mod measure;
mod members;
mod messages;
mod migrate;
mod nodes;
mod outbox;
mod pages;
mod pool;
mod read_marks;
mod rewound;
mod rooms;
mod session;
mod sqlstate;
#[cfg(test)]
mod tests;
mod users;

use std::{sync::Arc, time::Duration};

use sqlx::{ConnectOptions as _, Connection as _, PgExecutor, postgres::PgConnectOptions};
use tokio::sync::watch;

pub(crate) use append::{Appended, Verdict, Writer};
pub(crate) use changes::{ApiChange, CaughtUp, MessageRow, RoomChanges, Since};
pub(crate) use chat_members::{MemberRow, Reach, Role};
pub(crate) use chats::ChatRow;
pub(crate) use error::Error;
pub(crate) use evidence::Evidence;
pub(crate) use feeds::{Absence, Feed, MissedMax};
pub(crate) use members::Membership;
pub(crate) use messages::Changed;
pub(crate) use outbox::Unpublished;
pub(crate) use read_marks::Readers;
pub(crate) use rewound::{Rewound, Shown};
pub(crate) use rooms::{Added, Created, Opened, RoomRow};
pub(crate) use users::{Profile, Standing};

use self::{changing::Changing, pool::Pool, session::Lineages};
use crate::config;

/// The one encoding that holds every text that JSON can.
const ENCODING: &str = "UTF8";
/// Names of the pools, as metric labels.
const PRIMARY: &str = "primary";
const READ: &str = "read";
const FAR: &str = "far";
/// Connections for pages far behind the newest: who asks for them waits for others who do.
const FAR_CONNECTIONS: u32 = 2;
/// How long such a page may take.
const FAR_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the pools wait for running queries when they are closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: Pool,
    /// Serves pages of history where it can.
    replica: Option<Pool>,
    /// Serves pages that are far behind the newest.
    far: Pool,
    lineages: Lineages,
    changing: Arc<Changing>,
}

impl Store {
    /// Prepares the pools; connects lazily, so that a start survives a database that is late.
    pub(crate) fn new(config: &config::Postgres) -> Result<Self, Error> {
        use secrecy::ExposeSecret;
        let lineages = Lineages::new();
        let url = options(config.url.expose_secret())?;
        let read_url = config.read_url.as_ref();
        let read_url = read_url
            .map(|url| options(url.expose_secret()))
            .transpose()?;
        let far = config::Postgres {
            max_connections: FAR_CONNECTIONS,
            statement_timeout: config.statement_timeout.min(FAR_TIMEOUT),
            ..config.clone()
        };
        let far = Pool::new(FAR, url.clone(), &far, None);
        let primary = Pool::new(PRIMARY, url, config, Some(&lineages));
        let replica = read_url.map(|url| Pool::new(READ, url, config, None));
        Ok(Self {
            pool: primary,
            replica,
            far,
            lineages,
            changing: Arc::new(Changing::new(config.max_connections)),
        })
    }

    /// Checks that Postgres answers, and that its database has the right encoding and a schema that suits this
    /// version; and, for a node, that it can write. A server that does not take writes costs all connections to it,
    /// since the next ones may lead to one that does.
    pub(crate) async fn ready(&self, node: Option<&str>) -> Result<(), Error> {
        if examine(&self.pool).await? {
            self.pool.doubt_all();
            return Err(Error::ReadOnly);
        }
        migrate::suits(&self.pool).await?;
        let Some(node) = node else {
            return Ok(());
        };
        sqlx::query!(
            "with gone as (
                delete from probes where written_at < clock_timestamp() - interval '1 hour'
            )
            insert into probes (node) values ($1)
            on conflict (node) do update set written_at = clock_timestamp()",
            node,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Connects once to each server, without a pool that would go on trying: says why that fails, or
    /// that the primary's database cannot be used.
    pub(crate) async fn reach(config: &config::Postgres) -> Result<(), Error> {
        use secrecy::ExposeSecret;
        let url = options(config.url.expose_secret())?;
        let mut primary = url.connect().await?;
        examine(&mut primary).await?;
        primary.close().await?;
        session::refuse_unusable_sharing(&url).await?;
        if let Some(url) = &config.read_url {
            let replica = options(url.expose_secret())?.connect().await?;
            replica.close().await?;
        }
        Ok(())
    }

    /// Sets the gauges of the connections of all pools and of the changes under way.
    pub(crate) fn note_connections(&self) {
        self.pool.note_connections();
        self.far.note_connections();
        if let Some(replica) = &self.replica {
            replica.note_connections();
        }
        self.changing.note();
    }

    /// How often a connection has led to another database than those before it, or to less of it.
    pub(crate) fn changes_of_database(&self) -> watch::Receiver<u64> {
        self.lineages.changes()
    }

    /// Closes the pools, after their running queries if these end soon.
    pub(crate) async fn close(&self) {
        let replica = async {
            if let Some(replica) = &self.replica {
                replica.close(CLOSE_PATIENCE).await;
            }
        };
        tokio::join!(
            self.pool.close(CLOSE_PATIENCE),
            self.far.close(CLOSE_PATIENCE),
            replica
        );
    }
}

/// Looks at the database behind a connection: whether it does not take writes. One of another encoding
/// is an error, since it fails whole batches for a single character.
async fn examine<'e>(executor: impl PgExecutor<'e>) -> Result<bool, Error> {
    let found = sqlx::query!(
        r#"select current_setting('server_encoding') as "encoding!",
            (pg_is_in_recovery()
                or current_setting('transaction_read_only') = 'on') as "read_only!""#
    )
    .fetch_one(executor)
    .await?;
    if found.encoding == ENCODING {
        Ok(found.read_only)
    } else {
        Err(Error::Encoding(found.encoding))
    }
}

fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions = url.parse().map_err(|_| Error::BadUrl)?;
    // Poolers refuse what they do not know at the start of a connection; the rest is set once it is there.
    Ok(options
        .application_name("roomwire")
        .extra_float_digits(None))
}
