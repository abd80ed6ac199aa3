//! Rooms as contract B shows them: with members, what each has not read, and the newest message.
//!
//! However many rooms, members and messages there are, it takes one query for the rooms, one for
//! the members and one for the newest messages, each with a bound per room.

use std::collections::HashMap;

use roomwire_shared::{RoomId, UserId};

use super::Chat;
use crate::{
    domain::{ChatError, ChatOrder, Page, Unread, Window},
    presence::Status,
    store::{ChatRow, MemberRow, Reach},
};

/// Newest messages of a room that are looked at first. Enough to count to the maximum for everybody
/// who did not write most of them.
const DEPTH: i64 = 1_250;
/// Newest messages that are looked at if that leaves a count open. Unread messages farther back than
/// this are not counted.
const DEPTH_MAX: i64 = 20_000;

/// A room, and those who are in it.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) chat: ChatRow,
    /// The first members, up to the configured number, in the order of joining.
    pub(crate) listed: Vec<Seen>,
    /// Viewers who are members and not among those.
    pub(crate) beyond: Vec<Seen>,
    /// Of a private room: who has left it.
    pub(crate) former: Vec<Seen>,
}

/// A member, and how many messages they have not read.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) member: MemberRow,
    pub(crate) unread: u32,
}

impl Chat {
    /// A page of the user's rooms.
    pub(crate) async fn chat_page(
        &self,
        user: &UserId,
        order: ChatOrder,
        page: Page,
    ) -> Result<Vec<Overview>, ChatError> {
        let chats = self.0.store.chat_page(user, order, page).await?;
        let viewers = chats.iter().map(|chat| (chat.id, user.clone())).collect();
        self.overviews(chats, viewers).await
    }

    /// One room of the user's.
    pub(crate) async fn chat(&self, user: &UserId, room: RoomId) -> Result<Overview, ChatError> {
        let mut found = self.chats(&[room], vec![(room, user.clone())]).await?;
        let overview = found.pop().ok_or_else(ChatError::no_room)?;
        let mut members = overview.listed.iter().chain(&overview.beyond);
        if members.any(|seen| seen.member.user == *user) {
            Ok(overview)
        } else {
            Err(ChatError::no_room())
        }
    }

    /// Those of the rooms that exist, with all the `viewers` who are members.
    pub(crate) async fn chats(
        &self,
        rooms: &[RoomId],
        viewers: Vec<(RoomId, UserId)>,
    ) -> Result<Vec<Overview>, ChatError> {
        let chats = self.0.store.chats(rooms).await?;
        self.overviews(chats, viewers).await
    }

    /// Whether a user is there.
    pub(crate) async fn status(&self, user: &UserId) -> Result<Option<Status>, ChatError> {
        Ok(self.0.presence.status(user).await?)
    }

    async fn overviews(
        &self,
        chats: Vec<ChatRow>,
        viewers: Vec<(RoomId, UserId)>,
    ) -> Result<Vec<Overview>, ChatError> {
        if chats.is_empty() {
            return Ok(Vec::new());
        }
        let limit = self.0.rules.chat_members_max;
        let rooms: Vec<RoomId> = chats.iter().map(|chat| chat.id).collect();
        let mut members = self
            .0
            .store
            .chat_members(&rooms, &viewers, i64::try_from(limit).unwrap_or(i64::MAX))
            .await?;
        let unread = self.unread(&members).await?;
        let overviews = chats.into_iter().map(|chat| {
            let seen = members.remove(&chat.id).unwrap_or_default();
            let seen = seen.into_iter().map(|member| {
                let unread = unread.get(&(chat.id, member.user.clone()));
                let unread = unread.copied().unwrap_or_default();
                Seen { member, unread }
            });
            let (former, mut listed): (Vec<_>, Vec<_>) =
                seen.partition(|seen| seen.member.departed);
            let beyond = listed.split_off(limit.min(listed.len()));
            Overview {
                chat,
                listed,
                beyond,
                former,
            }
        });
        Ok(overviews.collect())
    }

    async fn unread(
        &self,
        members: &HashMap<RoomId, Vec<MemberRow>>,
    ) -> Result<HashMap<(RoomId, UserId), u32>, ChatError> {
        let reach = |(room, members): (&RoomId, &Vec<MemberRow>)| {
            let marks = members.iter().map(|member| member.read_position);
            marks.min().map(|after| Reach { room: *room, after })
        };
        let mut reaches: Vec<Reach> = members.iter().filter_map(reach).collect();
        let mut counts = HashMap::new();
        for depth in [DEPTH, DEPTH_MAX] {
            if reaches.is_empty() {
                break;
            }
            let windows = self.0.store.windows(&reaches, depth).await?;
            reaches.retain(|reach| {
                let (Some(window), Some(members)) =
                    (windows.get(&reach.room), members.get(&reach.room))
                else {
                    return false;
                };
                count(reach.room, members, window, &mut counts)
            });
        }
        Ok(counts)
    }
}

/// Counts for all members of a room; true if a deeper window would count better.
fn count(
    room: RoomId,
    members: &[MemberRow],
    window: &Window,
    counts: &mut HashMap<(RoomId, UserId), u32>,
) -> bool {
    let mut open = false;
    for member in members {
        let unread = window.unread(&member.user, member.read_position);
        open |= matches!(unread, Unread::AtLeast(_));
        counts.insert((room, member.user.clone()), unread.count());
    }
    open
}
