//! The log of a room, counted out by hand and compared with what the gateway says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::room::{Member, Room};
use super::{Player, USERS};
use crate::support::Client;

/// The gateway counts no further.
const COUNTED_MAX: usize = 1_000;

impl Room {
    fn unread(&self, user: usize) -> usize {
        let after = self.messages[self.members[&user].read..].iter();
        let unread = after.filter(|message| !message.deleted && message.sender != user);
        unread.count().min(COUNTED_MAX)
    }

    /// Every present member sees the right counts: the own one, and everybody's.
    pub(super) async fn check_counts(&self, players: &[Player]) {
        let wanted: BTreeMap<_, _> = self
            .present()
            .map(|user| (USERS[user].to_owned(), self.unread(user)))
            .collect();
        for user in self.present() {
            let chat = players[user].chats.chat(&self.id).await;
            assert_eq!(chat["unread_count"], wanted[USERS[user]], "{}", USERS[user]);
            let members = chat["members"].as_array().unwrap().iter();
            let shown: BTreeMap<_, _> = members
                .map(|member| {
                    let id = member["user"]["_id"].as_str().unwrap().to_owned();
                    let unread = member["unread_count"].as_u64().unwrap();
                    (id, usize::try_from(unread).unwrap())
                })
                .collect();
            assert_eq!(shown, wanted, "as {} sees it", USERS[user]);
        }
    }

    /// Every message says rightly who has read it, in both contracts.
    pub(super) async fn check_readers(&self, players: &[Player]) {
        let someone = &players[self.present().next().unwrap()];
        let history = someone.rest[0].history(&self.id).await;
        let listed = self.list(&someone.chats).await;
        let kept = self.messages.iter().enumerate();
        let kept: Vec<_> = kept.filter(|(_, message)| !message.deleted).collect();
        assert_eq!((history.len(), listed.len()), (kept.len(), kept.len()));
        for ((n, message), (a, b)) in kept.into_iter().zip(history.iter().zip(&listed)) {
            assert_eq!(
                (&a["_id"], &b["_id"]),
                (&json!(message.id), &json!(message.id))
            );
            let mut readers = self.others_who_read(n, |_| true);
            let read_by_member = !self.others_who_read(n, |member| member.present).is_empty();
            // Whether a former member's reading still counts here is left open.
            if read_by_member || readers.is_empty() {
                assert_eq!(b["read"], read_by_member, "{n}: {b}");
            }
            readers.insert(USERS[message.sender]);
            let shown = a["readBy"].as_array().unwrap().iter();
            let shown: Vec<_> = shown.map(|user| user.as_str().unwrap()).collect();
            assert_eq!(shown.len(), readers.len(), "{n}: {a}");
            assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), readers, "{n}");
        }
    }

    fn others_who_read(
        &self,
        n: usize,
        counts: impl Fn(&Member) -> bool,
    ) -> BTreeSet<&'static str> {
        let sender = self.messages[n].sender;
        let readers = self
            .members
            .iter()
            .filter(|(user, member)| **user != sender && member.read > n && counts(member));
        readers.map(|(user, _)| USERS[*user]).collect()
    }

    /// All messages, oldest first, page by page.
    async fn list(&self, client: &Client) -> Vec<Value> {
        let mut listed = Vec::new();
        loop {
            let options = json!([{ "chat_id": self.id, "sort": "createdAt", "limit": 100,
                "offset": listed.len() }]);
            let page = client.gets("get_list_message", options).await;
            let page = page.as_array().unwrap();
            if page.is_empty() {
                return listed;
            }
            listed.extend(page.iter().cloned());
        }
    }
}
