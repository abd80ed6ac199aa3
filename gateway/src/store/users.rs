//! Users: their profiles, whether they may connect, and when they were last there.

use std::collections::{HashMap, HashSet};

use roomwire_shared::{Timestamp, UserId};
use time::OffsetDateTime;

use super::{Error, Store, error::id, pool::repeatable};
use crate::domain::Author;

/// What a token says about a connecting user.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) user: UserId,
    pub(crate) author: Author,
}

/// What became of suspending or restoring a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Changed,
    /// It was so already.
    Unchanged,
    /// There is no such user to restore.
    Unknown,
}

impl Store {
    /// Suspends a user, who need not have connected yet. All nodes end that user's sockets; the
    /// hint that makes them look is owed by the same statement.
    pub(crate) async fn suspend(&self, user: &UserId) -> Result<Standing, Error> {
        let done = repeatable!(
            sqlx::query!(
                "insert into users (id, suspended) values ($1, true)
            on conflict (id) do update set suspended = true where not users.suspended",
                user.as_str(),
            )
            .execute(&self.pool)
        )?;
        Ok(match done.rows_affected() {
            0 => Standing::Unchanged,
            _ => Standing::Changed,
        })
    }

    /// Lets a suspended user connect again.
    pub(crate) async fn restore(&self, user: &UserId) -> Result<Standing, Error> {
        let row = repeatable!(
            sqlx::query!(
                r#"with restored as (
                update users set suspended = false where id = $1 and suspended returning id
            )
            select exists (select 1 from restored) as "restored!",
                exists (select 1 from users where id = $1) as "known!""#,
                user.as_str(),
            )
            .fetch_one(&self.pool)
        )?;
        Ok(match (row.restored, row.known) {
            (true, _) => Standing::Changed,
            (false, true) => Standing::Unchanged,
            (false, false) => Standing::Unknown,
        })
    }

    /// Notes the profiles of many users in one statement; writes only what is new.
    pub(crate) async fn see_users(&self, profiles: &[Profile]) -> Result<(), Error> {
        let users: Vec<&str> = profiles.iter().map(|p| p.user.as_str()).collect();
        let names: Vec<Option<&str>> = profiles.iter().map(|p| p.author.name.as_deref()).collect();
        let pictures: Vec<Option<&str>> = profiles
            .iter()
            .map(|p| p.author.picture.as_deref())
            .collect();
        repeatable!(
            sqlx::query!(
                "select see_users($1, $2, $3)",
                users.as_slice() as &[&str],
                names.as_slice() as &[Option<&str>],
                pictures.as_slice() as &[Option<&str>],
            )
            .fetch_one(&self.pool)
        )?;
        Ok(())
    }

    /// Those of the users who are suspended.
    pub(crate) async fn suspended(&self, users: &[UserId]) -> Result<HashSet<UserId>, Error> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = repeatable!(
            sqlx::query_scalar!(
                "select id from users where id = any ($1) and suspended",
                users.as_slice() as &[&str],
            )
            .fetch_all(&self.pool)
        )?;
        rows.into_iter()
            .map(|user| id(user.parse(), "users"))
            .collect()
    }

    /// The profiles of those of the users who are known.
    pub(crate) async fn profiles(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Author>, Error> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = repeatable!(
            sqlx::query!(
                "select id, name, picture from users where id = any ($1)",
                users.as_slice() as &[&str],
            )
            .fetch_all(&self.pool)
        )?;
        rows.into_iter()
            .map(|row| {
                let author = Author::new(Some(&row.name), row.picture.as_deref());
                Ok((id(row.id.parse(), "users")?, author))
            })
            .collect()
    }

    /// When a user was last there, if ever; `None` if there is no such user.
    pub(crate) async fn last_active(
        &self,
        user: &UserId,
    ) -> Result<Option<Option<Timestamp>>, Error> {
        let row = repeatable!(
            sqlx::query_scalar!("select last_active from users where id = $1", user.as_str(),)
                .fetch_optional(&self.pool)
        )?;
        Ok(row.map(|at| at.map(Timestamp::from)))
    }

    /// Notes when users were last there; an earlier time than the known one changes nothing. Answers
    /// with those whose row somebody else holds, of whom nothing is noted: nobody waits for them.
    pub(crate) async fn note_last_active(
        &self,
        users: &[(UserId, Timestamp)],
    ) -> Result<HashSet<UserId>, Error> {
        let ids: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
        let times: Vec<OffsetDateTime> = users.iter().map(|(_, at)| (*at).into()).collect();
        let busy = repeatable!(
            sqlx::query_scalar!(
                r#"with gone as (
                select g.id, max(g.at) as at
                from unnest($1::text[], $2::timestamptz[]) as g (id, at)
                group by g.id
            ),
            locked as (
                select u.id from users u where u.id in (select id from gone)
                for no key update skip locked
            ),
            noted as (
                update users u set last_active = gone.at
                from gone join locked on locked.id = gone.id
                where u.id = gone.id and (u.last_active is null or u.last_active < gone.at)
            )
            select u.id from users u
            where u.id in (select id from gone) and u.id not in (select id from locked)"#,
                ids.as_slice() as &[&str],
                &times,
            )
            .fetch_all(&self.pool)
        )?;
        busy.into_iter()
            .map(|user| id(user.parse(), "users"))
            .collect()
    }
}
