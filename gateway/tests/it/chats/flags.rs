//! What members may do, and how many of them are shown.

use serde_json::{Value, json};

use crate::support::{Client, Deployment};

/// What a plain member of a group may not do.
const FOR_ADMINISTRATORS: [&str; 5] = [
    "can_promote_members",
    "can_pin_messages",
    "can_restrict_members",
    "can_invite_users",
    "can_change_info",
];

#[tokio::test]
async fn the_creator_may_do_everything_and_a_plain_member_may_not() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = both(&deployment).await;
    let chat = group(&alice, &json!({ "all_members_are_administrators": false })).await;
    for viewer in [&alice, &bob] {
        let chat = viewer.chat(&chat).await;
        assert_eq!(denied(&chat, "alice"), [""; 0]);
        let mut wanted = FOR_ADMINISTRATORS;
        wanted.sort_unstable();
        assert_eq!(denied(&chat, "bob"), wanted);
        assert_eq!(status(&chat, "alice"), "creator");
        assert_eq!(status(&chat, "bob"), "member");
    }
}

#[tokio::test]
async fn where_all_are_administrators_everybody_may_do_everything() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = both(&deployment).await;
    let group = group(&alice, &json!({ "all_members_are_administrators": true })).await;
    let private = alice.private_chat("bob").await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    for id in [group, private, room] {
        for viewer in [&alice, &bob] {
            let chat = viewer.chat(&id).await;
            for member in ["alice", "bob"] {
                assert_eq!(denied(&chat, member), [""; 0], "{chat}");
            }
        }
    }
}

#[tokio::test]
async fn flags_hold_in_the_other_contract_as_well() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = both(&deployment).await;
    let open = group(&alice, &json!({ "all_members_are_administrators": true })).await;
    let closed = group(&alice, &json!({ "all_members_are_administrators": false })).await;
    deployment.rest("bob").add(&open, &["carol"]).await;
    let path = format!("/chat/add/{closed}");
    let carol = json!({ "users": ["carol"] });
    let answer = deployment.rest("bob").put(&path, &carol).await;
    answer.error(403, "FORBIDDEN");
    deployment.rest("alice").add(&closed, &["carol"]).await;
    for chat in [&open, &closed] {
        assert_eq!(bob.chat(chat).await["members_count"], 3);
    }
}

#[tokio::test]
async fn only_so_many_members_are_shown_the_viewer_always_among_them() {
    let settings = [("CHAT_MEMBERS_MAX", "3")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let users = ["a", "b", "c", "d", "e", "f", "g"];
    let rest = deployment.rest("a");
    let id = rest.new_room("tea", &users).await;
    for user in users {
        let viewer = deployment.chats(user).open().await;
        let chat = viewer.chat(&id).await;
        let mut shown = ids(&chat);
        assert_eq!(shown.len(), 3, "{chat}");
        assert!(shown.contains(&user), "{user}: {shown:?}");
        shown.sort_unstable();
        shown.dedup();
        assert_eq!(shown.len(), 3, "{chat}");
        assert_eq!(chat["members_count"], 7);
        viewer.leaves().await;
    }
    let a = deployment.chats("a").open().await;
    for (n, user) in users[2..].iter().enumerate() {
        deployment.rest(user).leave(&id).await;
        let chat = a.chat(&id).await;
        assert_eq!(chat["members_count"], 6 - n);
        assert_eq!(ids(&chat).len(), 3.min(6 - n));
        assert!(!ids(&chat).contains(user), "{chat}");
    }
}

async fn both(deployment: &Deployment) -> (Client, Client) {
    let alice = deployment.chats("alice").open().await;
    (alice, deployment.chats("bob").open().await)
}

async fn group(client: &Client, options: &Value) -> String {
    let mut options = options.clone();
    options["title"] = json!("tea");
    options["users"] = json!(["bob"]);
    let made = client.gets("create_group_chat", json!([options])).await;
    made["_id"].as_str().unwrap().to_owned()
}

fn ids(chat: &Value) -> Vec<&str> {
    let members = chat["members"].as_array().unwrap().iter();
    members
        .map(|member| member["user"]["_id"].as_str().unwrap())
        .collect()
}

fn member<'a>(chat: &'a Value, user: &str) -> &'a Value {
    let mut members = chat["members"].as_array().unwrap().iter();
    members
        .find(|member| member["user"]["_id"] == user)
        .unwrap()
}

fn status<'a>(chat: &'a Value, user: &str) -> &'a str {
    member(chat, user)["status"].as_str().unwrap()
}

/// The flags that are false, in alphabetical order; all thirteen must be there.
fn denied<'a>(chat: &'a Value, user: &str) -> Vec<&'a str> {
    let fields = member(chat, user).as_object().unwrap().iter();
    let flags: Vec<_> = fields
        .filter(|(name, _)| name.starts_with("can_"))
        .map(|(name, value)| (name.as_str(), value.as_bool().unwrap()))
        .collect();
    assert_eq!(flags.len(), 13, "{chat}");
    let denied = flags.into_iter().filter(|(_, allowed)| !allowed);
    let mut names: Vec<_> = denied.map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}
