//! From what use cases return to what contract B shows.

use std::borrow::Cow;

use roomwire_shared::{
    RoomId, UserId,
    chats::{
        Chat, Kind, Member, Message, Photo, Profile, Status,
        event::{Myself, SUCCESS_MESSAGE, Welcome},
        object::NO_PICTURE,
    },
};
use serde_json::value::RawValue;

use crate::{
    chat::{AuthoredMessage, Overview, Receipt, Seen},
    domain::{Author, Principal, RoomKind, Stored},
    store::{MemberRow, Role},
};

/// A user inside other objects.
pub(super) fn profile(user: &UserId, author: &Author) -> Profile {
    Profile {
        id: user.clone(),
        name: author.name.as_deref().unwrap_or_default().to_owned(),
        profile_picture: author.picture.as_deref().unwrap_or(NO_PICTURE).to_owned(),
    }
}

/// What a socket is told first.
pub(super) fn welcome(principal: &Principal) -> Welcome {
    let Profile {
        id,
        name,
        profile_picture,
    } = profile(&principal.user, &principal.author);
    Welcome {
        message: SUCCESS_MESSAGE.to_owned(),
        user: Myself {
            object_id: id.clone(),
            name,
            profile_picture,
            is_suspend: false,
            id,
            logged_in: true,
        },
    }
}

/// A message that was just written.
pub(super) fn written(chat: RoomId, stored: &Stored) -> Message {
    let author = profile(&stored.sender, &stored.author);
    let times = (stored.at, stored.at);
    message(
        (stored.id, chat),
        author,
        stored.text.clone(),
        (times, false),
    )
}

/// The caller's message, as its receipt has it.
pub(super) fn sent(by: &Principal, chat: RoomId, text: String, receipt: Receipt) -> Message {
    let author = profile(&by.user, &by.author);
    let times = (receipt.at, receipt.at);
    message((receipt.id, chat), author, text, (times, false))
}

/// A message out of the history.
pub(super) fn authored(found: AuthoredMessage) -> Message {
    let AuthoredMessage {
        message: row,
        author,
        read,
    } = found;
    let author = profile(&row.sender, &author);
    let times = (row.created_at, row.updated_at);
    message((row.id, row.room), author, row.text, (times, read))
}

fn message(
    (id, chat_id): (roomwire_shared::MessageId, RoomId),
    from: Profile,
    text: String,
    ((created_at, updated_at), read): (
        (roomwire_shared::Timestamp, roomwire_shared::Timestamp),
        bool,
    ),
) -> Message {
    Message {
        id,
        version: 0,
        created_at,
        updated_at,
        from,
        chat_id,
        text,
        new_chat_members: [],
        photo: [],
        caption_entities: [],
        entities: [],
        read,
    }
}

/// A chat whose members are encoded once for all viewers.
pub(super) struct Drawn {
    overview: Overview,
    all: Box<RawValue>,
    /// The same without the last, for viewers who take its place.
    but_last: String,
}

impl Drawn {
    pub(super) fn new(overview: Overview) -> Result<Self, serde_json::Error> {
        let administrators = overview.chat.all_administrators;
        let each = overview
            .listed
            .iter()
            .map(|seen| encoded(seen, administrators));
        let mut each: Vec<String> = each.collect::<Result<_, _>>()?;
        let all = RawValue::from_string(format!("[{}]", each.join(",")))?;
        each.pop();
        let but_last = each.join(",");
        Ok(Self {
            overview,
            all,
            but_last,
        })
    }

    /// What one viewer sees; nothing if they are not a member.
    pub(super) fn for_viewer(
        &self,
        viewer: &UserId,
    ) -> Result<Option<Chat<Cow<'_, RawValue>>>, serde_json::Error> {
        let Overview {
            chat,
            listed,
            beyond,
            ..
        } = &self.overview;
        let is_viewer = |seen: &&Seen| seen.member.user == *viewer;
        let (unread_count, members) = if let Some(me) = listed.iter().find(is_viewer) {
            (me.unread, Cow::Borrowed(&*self.all))
        } else if let Some(me) = beyond.iter().find(is_viewer) {
            let own = encoded(me, chat.all_administrators)?;
            let comma = if self.but_last.is_empty() { "" } else { "," };
            let members = format!("[{}{comma}{own}]", self.but_last);
            (me.unread, Cow::Owned(RawValue::from_string(members)?))
        } else {
            return Ok(None);
        };
        let group = chat.kind == RoomKind::Group;
        let from = (!group).then(|| self.partner(viewer)).flatten();
        let last = chat.last_message.as_ref();
        Ok(Some(Chat {
            id: chat.id,
            updated_at: chat.updated_at,
            created_at: chat.created_at,
            kind: if group { Kind::Group } else { Kind::Private },
            title: group.then(|| chat.name.clone()),
            description: group.then(|| chat.description.clone().unwrap_or_default()),
            all_members_are_administrators: chat.all_administrators,
            invite_link: chat.invite_link.clone().filter(|_| group),
            members,
            members_count: chat.member_count,
            photo: photo(chat.photo.as_ref(), from.as_ref()),
            version: 0,
            last_message: last.map(|(text, _)| text.clone()),
            last_message_date: last.map(|(_, at)| *at),
            from,
            unread_count,
        }))
    }

    /// The other one of two, also if they have left.
    fn partner(&self, viewer: &UserId) -> Option<Profile> {
        let Overview {
            listed,
            beyond,
            former,
            ..
        } = &self.overview;
        let mut all = listed.iter().chain(beyond).chain(former);
        let other = &all.find(|seen| seen.member.user != *viewer)?.member;
        Some(profile(&other.user, &other.author))
    }
}

/// Its own, or of two users the other one's.
fn photo(own: Option<&(String, String)>, partner: Option<&Profile>) -> Photo {
    let none = || NO_PICTURE.to_owned();
    let (small_file_url, big_file_url) = match (partner, own) {
        (Some(partner), _) => (
            partner.profile_picture.clone(),
            partner.profile_picture.clone(),
        ),
        (None, Some((small, big))) => (small.clone(), big.clone()),
        (None, None) => (none(), none()),
    };
    Photo {
        small_file_url,
        big_file_url,
    }
}

fn encoded(seen: &Seen, all_administrators: bool) -> Result<String, serde_json::Error> {
    let MemberRow {
        user,
        author,
        role,
        id,
        ..
    } = &seen.member;
    let status = match role {
        Role::Creator => Status::Creator,
        Role::Administrator => Status::Administrator,
        Role::Member => Status::Member,
    };
    let administrates = all_administrators || status != Status::Member;
    let member = Member::may(
        profile(user, author),
        status,
        *id,
        administrates,
        seen.unread,
    );
    serde_json::to_string(&member)
}
