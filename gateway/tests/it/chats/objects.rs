//! What chats and messages look like, key for key, and to whom.

use serde_json::{Value, json};

use crate::support::{Client, Deployment, is_date, is_id, keys, sign};

/// The keys of a private chat in which something has been said.
const PRIVATE: [&str; 13] = [
    "__v",
    "_id",
    "all_members_are_administrators",
    "createdAt",
    "from",
    "last_message",
    "last_message_date",
    "members",
    "members_count",
    "photo",
    "type",
    "unread_count",
    "updatedAt",
];

/// Those of a group, likewise.
const GROUP: [&str; 15] = [
    "__v",
    "_id",
    "all_members_are_administrators",
    "createdAt",
    "description",
    "invite_link",
    "last_message",
    "last_message_date",
    "members",
    "members_count",
    "photo",
    "title",
    "type",
    "unread_count",
    "updatedAt",
];

const MEMBER: [&str; 17] = [
    "_id",
    "can_add_web_page_previews",
    "can_be_edited",
    "can_change_info",
    "can_delete_messages",
    "can_edit_messages",
    "can_invite_users",
    "can_pin_messages",
    "can_post_messages",
    "can_promote_members",
    "can_restrict_members",
    "can_send_media_messages",
    "can_send_messages",
    "can_send_other_messages",
    "status",
    "unread_count",
    "user",
];

const USER: [&str; 3] = ["_id", "name", "profile_picture"];

const MESSAGE: [&str; 12] = [
    "__v",
    "_id",
    "caption_entities",
    "chat_id",
    "createdAt",
    "entities",
    "from",
    "new_chat_members",
    "photo",
    "read",
    "text",
    "updatedAt",
];

#[tokio::test]
async fn a_private_chat_has_the_keys_of_the_document() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = (
        with_picture(&deployment, "alice").await,
        with_picture(&deployment, "bob").await,
    );
    let fresh = alice.gets("create_private_chat", json!(["bob"])).await;
    assert_eq!(keys(&fresh), without_last(&PRIVATE));
    let id = fresh["_id"].as_str().unwrap();
    bob.writes(id, "hello").await;
    let chat = alice.chat(id).await;
    assert_eq!(keys(&chat), PRIVATE);
    check_common(&chat);
    assert_eq!(chat["type"], "private");
    assert_eq!(chat["all_members_are_administrators"], true);
    assert_eq!(chat["last_message"], "hello");
    assert_eq!(chat["members_count"], 2);
    assert_eq!(chat["unread_count"], 1);
    assert_eq!(member(&chat, "alice")["unread_count"], 1);
    assert_eq!(member(&chat, "bob")["unread_count"], 0);
    assert_eq!(member(&chat, "alice")["status"], "creator");
    assert_eq!(member(&chat, "bob")["status"], "member");
}

#[tokio::test]
async fn a_private_chat_shows_each_side_the_other() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = (
        with_picture(&deployment, "alice").await,
        with_picture(&deployment, "bob").await,
    );
    let id = alice.private_chat("bob").await;
    for (viewer, other) in [(&alice, "bob"), (&bob, "alice")] {
        let chat = viewer.chat(&id).await;
        assert_eq!(chat["from"], profile(other));
        let url = picture(other);
        assert_eq!(
            chat["photo"],
            json!({ "small_file_url": url, "big_file_url": url })
        );
    }
    // Who has none shows none.
    let other = alice.gets("create_private_chat", json!(["shy"])).await;
    let none = json!({ "small_file_url": "none", "big_file_url": "none" });
    assert_eq!(other["photo"], none);
    let shy = json!({ "_id": "shy", "name": "", "profile_picture": "none" });
    assert_eq!(other["from"], shy);
}

#[tokio::test]
async fn a_group_has_the_keys_of_the_document() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = with_picture(&deployment, "alice").await;
    let bob = with_picture(&deployment, "bob").await;
    let options = json!([{ "title": "tea", "users": ["bob", "carol"] }]);
    let fresh = alice.gets("create_group_chat", options).await;
    assert_eq!(keys(&fresh), without_last(&GROUP));
    let id = fresh["_id"].as_str().unwrap();
    bob.writes(id, "hello").await;
    let message = alice.writes(id, "good day").await;
    for (viewer, unread) in [(&alice, 1), (&bob, 1)] {
        let chat = viewer.chat(id).await;
        assert_eq!(keys(&chat), GROUP);
        check_common(&chat);
        assert_eq!(chat["type"], "group");
        assert_eq!(chat["last_message"], "good day");
        assert_eq!(chat["last_message_date"], message["createdAt"]);
        assert_eq!(chat["members_count"], 3);
        assert_eq!(chat["unread_count"], unread);
        assert_eq!(member(&chat, "carol")["unread_count"], 2);
        let link = chat["invite_link"].as_str().unwrap();
        assert_eq!(link.len(), 17, "{link}");
        assert!(
            link.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert_eq!(chat["invite_link"], fresh["invite_link"]);
    }
}

#[tokio::test]
async fn a_message_has_the_keys_that_were_agreed() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = with_picture(&deployment, "alice").await;
    let id = alice.private_chat("bob").await;
    let message = alice.writes(&id, "hello").await;
    assert_eq!(keys(&message), MESSAGE);
    let fixed = json!({ "__v": 0, "from": profile("alice"), "chat_id": id, "text": "hello",
        "new_chat_members": [], "photo": [], "caption_entities": [], "entities": [],
        "read": false });
    for (key, value) in fixed.as_object().unwrap() {
        assert_eq!(&message[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_room_of_the_other_contract_is_a_group_of_administrators() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let id = rest.new_room("tea", &["bob"]).await;
    let (alice, bob) = (
        with_picture(&deployment, "alice").await,
        with_picture(&deployment, "bob").await,
    );
    for viewer in [&alice, &bob] {
        let chat = viewer.chat(&id).await;
        assert_eq!(keys(&chat), without_last(&GROUP));
        check_common(&chat);
        assert_eq!(chat["type"], "group");
        assert_eq!(chat["title"], "tea");
        assert_eq!(chat["description"], "");
        assert_eq!(chat["all_members_are_administrators"], true);
        assert_eq!(chat["invite_link"].as_str().unwrap().len(), 17);
        assert_eq!(member(&chat, "alice")["status"], "creator");
        assert_eq!(member(&chat, "bob")["status"], "member");
    }
    let [one, two] = [alice.chat(&id).await, bob.chat(&id).await];
    assert_eq!(one["invite_link"], two["invite_link"]);
}

/// A client whose profile has a picture.
async fn with_picture(deployment: &Deployment, user: &str) -> Client {
    let shown = profile(user);
    let claims = json!({ "sub": user, "name": shown["name"], "picture": picture(user) });
    deployment.chats(user).token(sign(&claims)).open().await
}

fn profile(user: &str) -> Value {
    json!({ "_id": user, "name": user.to_uppercase(), "profile_picture": picture(user) })
}

fn picture(user: &str) -> String {
    format!("https://pictures.example/{user}.png")
}

/// What holds for every chat.
fn check_common(chat: &Value) {
    assert!(is_id(chat["_id"].as_str().unwrap()), "{chat}");
    assert_eq!(chat["__v"], 0);
    for date in ["createdAt", "updatedAt"] {
        assert!(is_date(chat[date].as_str().unwrap()), "{chat}");
    }
    if let Some(date) = chat.get("last_message_date") {
        assert!(is_date(date.as_str().unwrap()), "{chat}");
    }
    assert_eq!(keys(&chat["photo"]), ["big_file_url", "small_file_url"]);
    if let Some(from) = chat.get("from") {
        assert_eq!(keys(from), USER);
    }
    let mut ids = Vec::new();
    for member in chat["members"].as_array().unwrap() {
        assert_eq!(keys(member), MEMBER);
        assert_eq!(keys(&member["user"]), USER);
        assert!(is_id(member["_id"].as_str().unwrap()), "{member}");
        ids.push(member["_id"].as_str().unwrap());
    }
    ids.sort_unstable();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

fn member<'a>(chat: &'a Value, user: &str) -> &'a Value {
    let members = chat["members"].as_array().unwrap();
    let found = members.iter().find(|member| member["user"]["_id"] == user);
    found.unwrap_or_else(|| panic!("{user} is not in {chat}"))
}

/// Those of a chat in which nothing has been said yet.
fn without_last(keys: &[&'static str]) -> Vec<&'static str> {
    let mut keys = keys.to_vec();
    keys.retain(|key| !key.starts_with("last_message"));
    keys
}
