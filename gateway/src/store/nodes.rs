//! Which nodes hear Redis: asked by one that does not.

use std::time::Duration;

use super::{Error, Store};

impl Store {
    /// Notes how long ago this node last heard Redis, if ever, and says whether some other has heard
    /// it since: in the last 6 s, and at least 1.5 s later. When Redis goes, each node stops hearing at
    /// its own last canary, up to a second apart; that must not count as others hearing it.
    pub(crate) async fn do_others_hear(
        &self,
        node: &str,
        heard: Option<Duration>,
    ) -> Result<bool, Error> {
        Ok(sqlx::query_scalar!(
            r#"with mine as (
                insert into nodes (id, heard_at, seen_at)
                values ($1, clock_timestamp() - make_interval(secs => $2), clock_timestamp())
                on conflict (id) do update
                    set heard_at = excluded.heard_at, seen_at = excluded.seen_at
            ),
            gone as (
                delete from nodes where seen_at < clock_timestamp() - interval '1 minute'
            )
            select exists (
                select 1 from nodes
                where id <> $1 and heard_at > greatest(
                    clock_timestamp() - make_interval(secs => $2) + interval '1500 milliseconds',
                    clock_timestamp() - interval '6 seconds')
            ) as "others!""#,
            node,
            heard.map(|heard| heard.as_secs_f64()),
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
