//! The two objects of contract B, field for field as existing clients read them.

use serde::{Deserialize, Serialize};

use crate::{MessageId, RoomId, Timestamp, UserId};

/// What stands for a picture where there is none.
pub const NO_PICTURE: &str = "none";

/// What kind of chat it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Of two users.
    Private,
    /// Of any number of users.
    Group,
}

/// What a member is in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Made the chat.
    Creator,
    /// May do what the creator may.
    Administrator,
    /// Anybody else.
    Member,
}

/// A user inside other objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user's id.
    #[serde(rename = "_id")]
    pub id: UserId,
    /// Their name; empty if their token never gave one.
    pub name: String,
    /// Address of their picture, or [`NO_PICTURE`].
    pub profile_picture: String,
}

/// A chat's picture in two sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    /// Address of the small one, or [`NO_PICTURE`].
    pub small_file_url: String,
    /// Address of the big one, or [`NO_PICTURE`].
    pub big_file_url: String,
}

/// A member of a chat.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the contract has thirteen of them"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user: Profile,
    /// What they are here.
    pub status: Status,
    /// Names the membership.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// See [`Member::may`].
    pub can_add_web_page_previews: bool,
    /// See [`Member::may`].
    pub can_send_other_messages: bool,
    /// See [`Member::may`].
    pub can_send_media_messages: bool,
    /// See [`Member::may`].
    pub can_send_messages: bool,
    /// See [`Member::may`].
    pub can_promote_members: bool,
    /// See [`Member::may`].
    pub can_pin_messages: bool,
    /// See [`Member::may`].
    pub can_restrict_members: bool,
    /// See [`Member::may`].
    pub can_invite_users: bool,
    /// See [`Member::may`].
    pub can_delete_messages: bool,
    /// See [`Member::may`].
    pub can_edit_messages: bool,
    /// See [`Member::may`].
    pub can_post_messages: bool,
    /// See [`Member::may`].
    pub can_change_info: bool,
    /// See [`Member::may`].
    pub can_be_edited: bool,
    /// Messages of others that they have not read, up to 1,000.
    pub unread_count: u32,
}

impl Member {
    /// A member with the flags that follow from `administrates`: whoever does not, lacks the five
    /// that concern other members and the chat itself.
    #[must_use]
    pub fn may(
        user: Profile,
        status: Status,
        id: MessageId,
        administrates: bool,
        unread_count: u32,
    ) -> Self {
        Self {
            user,
            status,
            id,
            can_add_web_page_previews: true,
            can_send_other_messages: true,
            can_send_media_messages: true,
            can_send_messages: true,
            can_promote_members: administrates,
            can_pin_messages: administrates,
            can_restrict_members: administrates,
            can_invite_users: administrates,
            can_delete_messages: true,
            can_edit_messages: true,
            can_post_messages: true,
            can_change_info: administrates,
            can_be_edited: true,
            unread_count,
        }
    }
}

/// A chat as one of its members sees it. `M` is a list of [`Member`]s, or JSON that is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat<M> {
    /// The chat's id.
    #[serde(rename = "_id")]
    pub id: RoomId,
    /// When it last changed.
    #[serde(rename = "updatedAt")]
    pub updated_at: Timestamp,
    /// When it was made.
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
    /// What kind of chat it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Of groups: the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Of groups: what it is about; empty if nobody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Everybody has all flags.
    pub all_members_are_administrators: bool,
    /// Of groups: names it to people outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite_link: Option<String>,
    /// The first members, and always the viewer.
    pub members: M,
    /// How many there are in all.
    pub members_count: i64,
    /// Its picture; of private chats the other member's.
    pub photo: Photo,
    /// Always 0.
    #[serde(rename = "__v")]
    pub version: u8,
    /// Text of the newest message, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<String>,
    /// When that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message_date: Option<Timestamp>,
    /// Of private chats: the other member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Profile>,
    /// Messages of others that the viewer has not read, up to 1,000.
    pub unread_count: u32,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message's id.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// Always 0.
    #[serde(rename = "__v")]
    pub version: u8,
    /// When it was written.
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
    /// When it was last edited; equal to `createdAt` until then.
    #[serde(rename = "updatedAt")]
    pub updated_at: Timestamp,
    /// Who wrote it.
    pub from: Profile,
    /// Where.
    pub chat_id: RoomId,
    /// What.
    pub text: String,
    /// Always empty, as are the next three.
    pub new_chat_members: [(); 0],
    /// Empty.
    pub photo: [(); 0],
    /// Empty.
    pub caption_entities: [(); 0],
    /// Empty.
    pub entities: [(); 0],
    /// Some other member has read it.
    pub read: bool,
}
