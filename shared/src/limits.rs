//! Bounds that both sides of the wire know. Configurable ones are named by their default.

/// Longest user id, in characters.
pub const USER_ID_CHARS_MAX: usize = 128;
/// Longest room name after trimming, in characters.
pub const ROOM_NAME_CHARS_MAX: usize = 256;
/// Longest `clientId` of a message, in characters.
pub const CLIENT_ID_CHARS_MAX: usize = 64;
/// Default of `MAX_MESSAGE_BYTES`: longest text of a message, in bytes of UTF-8.
pub const MESSAGE_BYTES_DEFAULT: usize = 16 * 1024;
/// Page size of contract A where the request names none.
pub const PAGE_DEFAULT: i64 = 50;
/// Largest page of contract A; a larger `limit` is clamped to it.
pub const PAGE_MAX: i64 = 200;
/// Most changes that one `changes` or `sync` answer carries in all.
pub const CHANGES_MAX: i64 = 1_000;
/// Most rooms that one `sync` may name.
pub const SYNC_ROOMS_MAX: usize = 1_000;
/// Most users that one request may add to a room.
pub const USERS_PER_REQUEST_MAX: usize = 1_000;
/// Largest REST body, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Longest profile name and picture URL taken from a token, in characters; the rest is cut off.
pub const PROFILE_CHARS_MAX: usize = 512;
/// Page size of contract B where the request names none.
pub const CHATS_PAGE_DEFAULT: i64 = 20;
/// Largest page of contract B; a larger `limit` is clamped to it.
pub const CHATS_PAGE_MAX: i64 = 100;
/// Unread messages are counted up to here.
pub const UNREAD_MAX: u32 = 1_000;
/// Default of `CHAT_MEMBERS_MAX`: most members that a chat of contract B lists.
pub const CHAT_MEMBERS_DEFAULT: usize = 200;
/// Largest room whose members are told of each other's coming and going.
pub const PRESENCE_MEMBERS_MAX: i64 = 200;
/// Longest description of a group, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1_024;
/// Longest address of a picture, in characters.
pub const PICTURE_CHARS_MAX: usize = 2_048;
/// Longest text that goes with typing, in bytes.
pub const TYPING_BYTES_MAX: usize = 1_024;
