//! What changed in rooms since a position: for the node's own sockets, and for clients that ask.
//!
//! Both are bounded reads in one snapshot. They differ in order: sockets that are connected are
//! shown a message where it was written, clients that ask get it where it was last changed.

use std::collections::HashMap;

use roomwire_shared::{MessageId, RoomId, Timestamp, UserId};
use time::OffsetDateTime;

use super::{Error, Store, error::id, pool::repeatable};
use crate::domain::{Author, LogEntry, Origin, Stored, What};

/// A room, and the position up to which it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) room: RoomId,
    pub(crate) position: i64,
}

/// What a catch-up found out about one room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// There is no such room any more.
    Gone,
    /// Entries to show, ascending, and the position that the reader then stands at.
    Entries {
        entries: Vec<LogEntry>,
        upto: i64,
        head: i64,
        /// Time of the newest change up to there, if one is known.
        newest: Option<Timestamp>,
    },
}

/// A message as pages and changes show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageRow {
    pub(crate) room: RoomId,
    pub(crate) position: i64,
    pub(crate) id: MessageId,
    pub(crate) sender: UserId,
    pub(crate) text: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// One change, in the newest state of what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiChange {
    Message(MessageRow),
    Deleted(MessageId),
    Member { user: UserId, joined: bool },
    Room { name: String },
}

/// The changes of one room, ascending by position.
#[derive(Debug, Default)]
pub(crate) struct RoomChanges {
    pub(crate) head: i64,
    pub(crate) changes: Vec<(i64, ApiChange)>,
    /// There are more behind the last one.
    pub(crate) more: bool,
}

// What a row of the two queries is about.
const HEAD: i16 = 0;
const WRITTEN: i16 = 1;
const EDITED: i16 = 2;
const DELETED: i16 = 3;
const JOINED: i16 = 4;
const LEFT: i16 = 5;
const NAMED: i16 = 6;
/// Written and deleted again before anybody here was shown it.
const HIDDEN: i16 = 7;

/// A row of the catch-up query.
struct Row {
    room_id: Vec<u8>,
    kind: i16,
    position: i64,
    id: Option<Vec<u8>>,
    who: Option<String>,
    body: Option<String>,
    at: Option<OffsetDateTime>,
    client_id: Option<String>,
    origin: Option<String>,
    name: Option<String>,
    picture: Option<String>,
}

impl Store {
    /// What the node's sockets have not been shown of these rooms, up to `limit` entries of each
    /// kind and room. A message that was edited meanwhile appears where it was written, in its
    /// newest text, so that all members see one order, and again as edited: some may have been shown
    /// it before, or not be shown messages from there. One that was deleted meanwhile appears only as
    /// deleted. Of a member's comings and goings only the latest appears.
    pub(crate) async fn catch_up(
        &self,
        rooms: &[Since],
        limit: i64,
    ) -> Result<HashMap<RoomId, CaughtUp>, Error> {
        let ids: Vec<&[u8]> = rooms
            .iter()
            .map(|since| since.room.as_bytes().as_slice())
            .collect();
        let positions: Vec<i64> = rooms.iter().map(|since| since.position).collect();
        let rows = repeatable!(
            sqlx::query_as!(
                Row,
                r#"select w.room_id as "room_id!", e.kind as "kind!", e.position as "position!",
                e.id, e.who, e.body, e.at, e.client_id, e.origin,
                u.name as "name?", u.picture
            from unnest($1::bytea[], $2::bigint[]) as w (room_id, since)
            cross join lateral (
                select 0::smallint as kind, r.position, null::bytea as id, null::text as who,
                    null::text as body, r.updated_at as at, null::text as client_id,
                    null::text as origin
                from rooms r where r.id = w.room_id and r.member_count > 0
                union all
                (select case when m.deleted then 7 else 1 end::smallint, m.position, m.id,
                    m.sender, m.body, m.created_at, m.client_id, m.origin
                from messages m
                where m.room_id = w.room_id and m.position > w.since
                order by m.position limit $3)
                union all
                (select case when m.deleted then 3 else 2 end::smallint, m.changed_position, m.id,
                    null, m.body, null, null, null
                from messages m
                where m.room_id = w.room_id and m.changed_position > w.since
                    and m.changed_position <> m.position
                order by m.changed_position limit $3)
                union all
                (select case when p.departed then 5 else 4 end::smallint, p.changed_position,
                    null, p.user_id, null, null, null, null
                from members p
                where p.room_id = w.room_id and p.changed_position > w.since
                order by p.changed_position limit $3)
                union all
                select 6::smallint, r.name_position, null, null, r.name, null, null, null
                from rooms r where r.id = w.room_id and r.name_position > w.since
            ) e
            left join users u on e.kind = 1 and u.id = e.who"#,
                ids.as_slice() as &[&[u8]],
                &positions,
                limit,
            )
            .fetch_all(&self.pool)
        )?;
        let mut by_room: HashMap<RoomId, Vec<Row>> = HashMap::new();
        for row in rows {
            by_room
                .entry(id(RoomId::from_bytes(&row.room_id), "rooms")?)
                .or_default()
                .push(row);
        }
        rooms
            .iter()
            .map(|since| Ok((since.room, caught_up(by_room.remove(&since.room), limit)?)))
            .collect()
    }

    /// The heads of those of the rooms that have members.
    pub(crate) async fn heads(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, i64>, Error> {
        let ids: Vec<&[u8]> = rooms
            .iter()
            .map(|room| room.as_bytes().as_slice())
            .collect();
        let rows = repeatable!(
            sqlx::query!(
                "select id, position from rooms where id = any ($1) and member_count > 0",
                ids.as_slice() as &[&[u8]],
            )
            .fetch_all(&self.pool)
        )?;
        rows.into_iter()
            .map(|row| Ok((id(RoomId::from_bytes(&row.id), "rooms")?, row.position)))
            .collect()
    }

    /// For each user the heads of those of the rooms that they are a member of, in the order of
    /// the question.
    pub(crate) async fn heads_for(
        &self,
        asked: &[(UserId, Vec<RoomId>)],
    ) -> Result<Vec<HashMap<RoomId, i64>>, Error> {
        let mut places: Vec<i64> = Vec::new();
        let mut users: Vec<&str> = Vec::new();
        let mut rooms: Vec<&[u8]> = Vec::new();
        for (place, (user, of_user)) in (0..).zip(asked) {
            places.extend(of_user.iter().map(|_| place));
            users.extend(of_user.iter().map(|_| user.as_str()));
            rooms.extend(of_user.iter().map(|room| room.as_bytes().as_slice()));
        }
        let mut heads = vec![HashMap::new(); asked.len()];
        if places.is_empty() {
            return Ok(heads);
        }
        let rows = repeatable!(
            sqlx::query!(
                r#"select w.place as "place!", r.id, r.position
            from unnest($1::bigint[], $2::text[], $3::bytea[]) as w (place, who, room)
            join members m on m.room_id = w.room and m.user_id = w.who and not m.departed
            join rooms r on r.id = w.room"#,
                &places,
                users.as_slice() as &[&str],
                rooms.as_slice() as &[&[u8]],
            )
            .fetch_all(&self.pool)
        )?;
        for row in rows {
            let place = usize::try_from(row.place).unwrap_or(usize::MAX);
            if let Some(of_user) = heads.get_mut(place) {
                of_user.insert(id(RoomId::from_bytes(&row.id), "rooms")?, row.position);
            }
        }
        Ok(heads)
    }

    #[expect(clippy::too_many_lines, reason = "one statement that belongs together")]
    /// Up to `limit` changes of each room after the given positions, for a member.
    /// Rooms of which the user is not a member are left out.
    pub(crate) async fn changes(
        &self,
        user: &UserId,
        rooms: &[Since],
        limit: i64,
    ) -> Result<HashMap<RoomId, RoomChanges>, Error> {
        // Whoever comes back after a moment mostly missed nothing.
        if rooms.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<&[u8]> = rooms
            .iter()
            .map(|since| since.room.as_bytes().as_slice())
            .collect();
        let positions: Vec<i64> = rooms.iter().map(|since| since.position).collect();
        let rows = repeatable!(
            sqlx::query!(
                r#"select w.room_id as "room_id!", e.kind as "kind!", e.position as "position!",
                e.written, e.id, e.who, e.body, e.created_at, e.updated_at
            from unnest($2::bytea[], $3::bigint[]) as w (room_id, since)
            join members me on me.room_id = w.room_id and me.user_id = $1 and not me.departed
            cross join lateral (
                select 0::smallint as kind, r.position, null::bigint as written, null::bytea as id,
                    null::text as who, null::text as body, null::timestamptz as created_at,
                    null::timestamptz as updated_at
                from rooms r where r.id = w.room_id
                union all
                (select 1::smallint, m.position, m.position, m.id, m.sender, m.body, m.created_at,
                    m.updated_at
                from messages m
                where m.room_id = w.room_id and m.position > w.since
                    and m.changed_position = m.position
                order by m.position limit $4::bigint + 1)
                union all
                (select case when m.deleted then 3 else 1 end::smallint, m.changed_position,
                    m.position, m.id, m.sender, m.body, m.created_at, m.updated_at
                from messages m
                where m.room_id = w.room_id and m.changed_position > w.since
                    and m.changed_position <> m.position
                order by m.changed_position limit $4::bigint + 1)
                union all
                (select case when p.departed then 5 else 4 end::smallint, p.changed_position,
                    null, null, p.user_id, null, null, null
                from members p
                where p.room_id = w.room_id and p.changed_position > w.since
                order by p.changed_position limit $4::bigint + 1)
                union all
                select 6::smallint, r.name_position, null, null, null, r.name, null, null
                from rooms r where r.id = w.room_id and r.name_position > w.since
            ) e
            order by e.position"#,
                user.as_str(),
                ids.as_slice() as &[&[u8]],
                &positions,
                limit,
            )
            .fetch_all(&self.pool)
        )?;
        let mut found: HashMap<RoomId, RoomChanges> = HashMap::new();
        for row in rows {
            let room = id(RoomId::from_bytes(&row.room_id), "rooms")?;
            let target = found.entry(room).or_default();
            if row.kind == HEAD {
                target.head = row.position;
                continue;
            }
            let written = row.written.zip(row.created_at).zip(row.updated_at);
            let change = api_change(room, row.kind, (row.id, row.who, row.body), written)?;
            target.changes.push((row.position, change));
        }
        let keep = usize::try_from(limit).unwrap_or(0);
        for target in found.values_mut() {
            target.more = target.changes.len() > keep;
            target.changes.truncate(keep);
        }
        Ok(found)
    }
}

/// Orders the rows of one room, and cuts them where one of the kinds was cut by its limit.
fn caught_up(rows: Option<Vec<Row>>, limit: i64) -> Result<CaughtUp, Error> {
    let Some(mut rows) = rows else {
        return Ok(CaughtUp::Gone);
    };
    let Some(head) = rows
        .iter()
        .find(|row| row.kind == HEAD)
        .map(|row| row.position)
    else {
        return Ok(CaughtUp::Gone);
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let end_of = |kinds: &[i16]| {
        let mut count = 0;
        let mut last = 0;
        for row in rows.iter().filter(|row| kinds.contains(&row.kind)) {
            count += 1;
            last = last.max(row.position);
        }
        if count >= limit { last } else { head }
    };
    let upto = end_of(&[WRITTEN, HIDDEN])
        .min(end_of(&[EDITED, DELETED]))
        .min(end_of(&[JOINED, LEFT]));
    let of_room = |row: &&Row| row.kind != HEAD || upto == head;
    let shown = rows.iter().filter(|row| row.position <= upto);
    let newest = shown.filter(of_room).filter_map(|row| row.at).max();
    rows.retain(|row| ![HEAD, HIDDEN].contains(&row.kind) && row.position <= upto);
    rows.sort_by_key(|row| row.position);
    let entries = rows.into_iter().map(entry).collect::<Result<_, _>>()?;
    Ok(CaughtUp::Entries {
        entries,
        upto,
        head,
        newest: newest.map(Timestamp::from),
    })
}

fn entry(row: Row) -> Result<LogEntry, Error> {
    let what = match (row.kind, row.id, row.who, row.body) {
        (WRITTEN, Some(message), Some(sender), Some(text)) => What::Written(Stored {
            id: id(MessageId::from_bytes(&message), "messages")?,
            sender: id(sender.parse(), "messages")?,
            text,
            at: row.at.ok_or(Error::Inconsistent("messages"))?.into(),
            client_id: row.client_id,
            origin: row.origin.map(|origin| Origin(origin.into())),
            author: Author::new(row.name.as_deref(), row.picture.as_deref()),
        }),
        (EDITED, Some(message), _, Some(text)) => What::Edited {
            id: id(MessageId::from_bytes(&message), "messages")?,
            text,
        },
        (DELETED, Some(message), ..) => What::Deleted {
            id: id(MessageId::from_bytes(&message), "messages")?,
        },
        (JOINED, _, Some(user), _) => What::Joined {
            user: id(user.parse(), "members")?,
        },
        (LEFT, _, Some(user), _) => What::Left {
            user: id(user.parse(), "members")?,
        },
        (NAMED, _, _, Some(name)) => What::Named { name },
        _ => return Err(Error::Inconsistent("messages")),
    };
    Ok(LogEntry {
        position: row.position,
        what,
    })
}

/// Place, creation and latest edit of a message.
type Written = ((i64, OffsetDateTime), OffsetDateTime);

fn api_change(
    room: RoomId,
    kind: i16,
    what: (Option<Vec<u8>>, Option<String>, Option<String>),
    written: Option<Written>,
) -> Result<ApiChange, Error> {
    Ok(match (kind, what, written) {
        (WRITTEN, (Some(message), Some(sender), Some(text)), Some(((position, at), edited))) => {
            ApiChange::Message(MessageRow {
                room,
                position,
                id: id(MessageId::from_bytes(&message), "messages")?,
                sender: id(sender.parse(), "messages")?,
                text,
                created_at: at.into(),
                updated_at: edited.into(),
            })
        }
        (DELETED, (Some(message), ..), _) => {
            ApiChange::Deleted(id(MessageId::from_bytes(&message), "messages")?)
        }
        (JOINED | LEFT, (_, Some(user), _), _) => ApiChange::Member {
            user: id(user.parse(), "members")?,
            joined: kind == JOINED,
        },
        (NAMED, (_, _, Some(name)), _) => ApiChange::Room { name },
        _ => return Err(Error::Inconsistent("messages")),
    })
}
