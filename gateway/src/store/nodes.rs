//! Which nodes hear Redis: asked by one that does not.

use super::{Error, Store};

impl Store {
    /// Notes whether this node hears Redis, and says whether some other does.
    pub(crate) async fn do_others_hear(&self, node: &str, hears: bool) -> Result<bool, Error> {
        Ok(sqlx::query_scalar!(
            r#"with mine as (
                insert into nodes (id, hears, seen_at) values ($1, $2, clock_timestamp())
                on conflict (id) do update set hears = $2, seen_at = clock_timestamp()
            ),
            gone as (
                delete from nodes where seen_at < clock_timestamp() - interval '1 minute'
            )
            select exists (
                select 1 from nodes
                where id <> $1 and hears and seen_at > clock_timestamp() - interval '6 seconds'
            ) as "others!""#,
            node,
            hears,
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
