//! Whether the logs of rooms were set back behind what was shown of them.

use roomwire_shared::{RoomId, Timestamp, UserId};
use time::OffsetDateTime;

use super::{Error, Store, error::id, pool::repeatable};

/// How many of those who joined last are looked for in a room that was set back.
const JOINED_MAX: i64 = 200;

/// How far a room was shown.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) room: RoomId,
    pub(crate) position: i64,
    /// Time of the newest change up to there; without it only a shorter log is seen.
    pub(crate) newest: Option<Timestamp>,
    /// Who is in the room here.
    pub(crate) users: Vec<UserId>,
}

/// A room whose log is not the one that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewound {
    pub(crate) room: RoomId,
    /// Up to here it is.
    pub(crate) to: i64,
    pub(crate) head: i64,
    /// Members by the log as it is now: of those who were asked about, and of those who joined lately. With the place
    /// of their joining.
    pub(crate) members: Vec<(UserId, i64)>,
}

impl Store {
    /// Those of the rooms whose log is shorter than what was shown, or has a message there which is newer than all
    /// that was shown. Every message that was lost is older than every one that was written since, as the one server
    /// had gone before the other took its place; how far the clocks of the two are apart must be less than that took.
    pub(crate) async fn rewound(&self, shown: &[Shown]) -> Result<Vec<Rewound>, Error> {
        let rooms: Vec<&[u8]> = shown.iter().map(|s| s.room.as_bytes().as_slice()).collect();
        let positions: Vec<i64> = shown.iter().map(|s| s.position).collect();
        let newest: Vec<Option<OffsetDateTime>> =
            shown.iter().map(|s| s.newest.map(Into::into)).collect();
        let rows = repeatable!(
            sqlx::query!(
                r#"select r.id as "id!", r.position as "head!", w.shown as "shown!",
                    least(r.position, w.shown, (
                        select m.position - 1 from messages m
                        where m.room_id = r.id and m.position <= w.shown
                            and m.position > coalesce((
                                select k.position from messages k
                                where k.room_id = r.id and k.position <= w.shown
                                    and k.created_at <= coalesce(w.newest, 'infinity')
                                order by k.position desc limit 1
                            ), 0)
                        order by m.position limit 1
                    )) as "to!"
                from unnest($1::bytea[], $2::bigint[], $3::timestamptz[])
                    as w (room_id, shown, newest)
                join rooms r on r.id = w.room_id"#,
                rooms.as_slice() as &[&[u8]],
                &positions,
                newest.as_slice() as &[Option<OffsetDateTime>],
            )
            .fetch_all(&self.pool)
        )?;
        let mut rewound = Vec::new();
        for row in rows.into_iter().filter(|row| row.to < row.shown) {
            let room = id(RoomId::from_bytes(&row.id), "rooms")?;
            let users = shown.iter().find(|s| s.room == room);
            let users = users.map_or(&[][..], |s| s.users.as_slice());
            rewound.push(Rewound {
                room,
                to: row.to,
                head: row.head,
                members: self.members_among(room, users).await?,
            });
        }
        Ok(rewound)
    }

    /// Those of the users who are members, and those who joined last.
    async fn members_among(
        &self,
        room: RoomId,
        users: &[UserId],
    ) -> Result<Vec<(UserId, i64)>, Error> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = repeatable!(
            sqlx::query!(
                r#"select user_id as "user_id!", changed_position as "joined!" from members
                where room_id = $1 and user_id = any ($2) and not departed
                union
                (select user_id, changed_position from members
                where room_id = $1 and not departed
                order by changed_position desc limit $3)"#,
                room.as_bytes().as_slice(),
                users.as_slice() as &[&str],
                JOINED_MAX,
            )
            .fetch_all(&self.pool)
        )?;
        let member = |user: String, joined| Ok((id(user.parse(), "members")?, joined));
        rows.into_iter()
            .map(|row| member(row.user_id, row.joined))
            .collect()
    }
}
