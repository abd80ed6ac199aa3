//! Rooms as contract B lists them, each with its newest message.

use roomwire_shared::{RoomId, Timestamp, UserId};
use time::OffsetDateTime;

use super::{Error, Store, error::id, pool::repeatable};
use crate::domain::{ChatOrder, ChatSort, Direction, Page, RoomKind};

const PRIVATE: i16 = 1;
const GROUP: i16 = 2;

/// A room, without those who are in it.
#[derive(Debug)]
pub(crate) struct ChatRow {
    pub(crate) id: RoomId,
    pub(crate) kind: RoomKind,
    pub(crate) name: String,
    pub(crate) all_administrators: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) description: Option<String>,
    /// Small and big.
    pub(crate) photo: Option<(String, String)>,
    pub(crate) invite_link: Option<String>,
    pub(crate) member_count: i64,
    /// Text and time of the newest message that is not deleted.
    pub(crate) last_message: Option<(String, Timestamp)>,
}

impl Store {
    /// A page of the user's rooms.
    ///
    /// Looks at the newest message of each room of the user, and at nothing else before the page is
    /// chosen.
    pub(crate) async fn chat_page(
        &self,
        user: &UserId,
        order: ChatOrder,
        page: Page,
    ) -> Result<Vec<ChatRow>, Error> {
        let kind = order.kind.map(|kind| match kind {
            RoomKind::Private => PRIVATE,
            RoomKind::Group => GROUP,
        });
        let records = repeatable!(
            sqlx::query_as!(
                ChatRecord,
                r#"with page as (
                select r.id, last.position as newest,
                    case when $3 then r.created_at
                        else coalesce(last.created_at, r.created_at) end as key
                from members mine
                join rooms r on r.id = mine.room_id
                left join lateral (
                    select m.position, m.created_at from messages m
                    where m.room_id = r.id and not m.deleted
                    order by m.position desc limit 1
                ) last on true
                where mine.user_id = $1 and not mine.departed
                    and ($2::smallint is null or r.kind = $2)
                order by
                    case when $4 then case when $3 then r.created_at
                        else coalesce(last.created_at, r.created_at) end end asc,
                    case when not $4 then case when $3 then r.created_at
                        else coalesce(last.created_at, r.created_at) end end desc,
                    r.id
                limit $5 offset $6
            )
            select r.id, r.kind, r.name, r.all_administrators, r.created_at, r.updated_at,
                r.description, r.photo_small, r.photo_big, r.invite_link, r.member_count,
                m.body as "last_body?", m.created_at as "last_at?"
            from page
            join rooms r on r.id = page.id
            left join lateral (
                select n.body, n.created_at from messages n
                where n.room_id = page.id and n.position = page.newest limit 1
            ) m on true
            order by case when $4 then page.key end asc,
                case when not $4 then page.key end desc, r.id"#,
                user.as_str(),
                kind,
                order.by == ChatSort::Creation,
                order.direction == Direction::Ascending,
                page.limit,
                page.skip,
            )
            .fetch_all(&self.pool)
        )?;
        records.into_iter().map(ChatRecord::row).collect()
    }

    /// Those of the rooms that exist, in any order.
    pub(crate) async fn chats(&self, rooms: &[RoomId]) -> Result<Vec<ChatRow>, Error> {
        let ids: Vec<&[u8]> = rooms
            .iter()
            .map(|room| room.as_bytes().as_slice())
            .collect();
        let records =
            repeatable!(sqlx::query_as!(
            ChatRecord,
            r#"select r.id, r.kind, r.name, r.all_administrators, r.created_at, r.updated_at,
                r.description, r.photo_small, r.photo_big, r.invite_link, r.member_count,
                last.body as "last_body?", last.created_at as "last_at?"
            from rooms r
            left join lateral (
                select m.body, m.created_at from messages m
                where m.room_id = r.id and not m.deleted
                order by m.position desc limit 1
            ) last on true
            where r.id = any ($1)"#,
            ids.as_slice() as &[&[u8]],
        )
        .fetch_all(&self.pool))?;
        records.into_iter().map(ChatRecord::row).collect()
    }
}

/// A room as the queries return it.
struct ChatRecord {
    id: Vec<u8>,
    kind: i16,
    name: String,
    all_administrators: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    description: Option<String>,
    photo_small: Option<String>,
    photo_big: Option<String>,
    invite_link: Option<String>,
    member_count: i64,
    last_body: Option<String>,
    last_at: Option<OffsetDateTime>,
}

impl ChatRecord {
    fn row(self) -> Result<ChatRow, Error> {
        let kind = match self.kind {
            PRIVATE => RoomKind::Private,
            GROUP => RoomKind::Group,
            _ => return Err(Error::Inconsistent("rooms")),
        };
        Ok(ChatRow {
            id: id(RoomId::from_bytes(&self.id), "rooms")?,
            kind,
            name: self.name,
            all_administrators: self.all_administrators,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            description: self.description,
            photo: self.photo_small.zip(self.photo_big),
            invite_link: self.invite_link,
            member_count: self.member_count,
            last_message: self.last_body.zip(self.last_at.map(Timestamp::from)),
        })
    }
}
