//! What is asked: every kind of request that reads, as the user to whom it is dearest.

use http::Method;
use serde_json::Value;

use super::{Queries, Rooms};
use crate::client::Target;
use crate::client::rest::{Rest, RestError};
use crate::command::CommandError;
use crate::command::bench::site::Site;
use crate::crowd::cohort::Access;

/// One kind of request.
pub(super) struct Ask {
    /// How it is called in the report.
    pub(super) name: String,
    /// The request's path and query; none is a connection that is opened and closed.
    path: Option<String>,
    who: Who,
    /// Rows that it may touch for each thing that it answers.
    pub(super) each: f64,
    /// Rows that it may touch beside that.
    pub(super) beside: f64,
}

/// The thing, who wrote it, who has read it, and what is looked at to know that somebody may read it.
const EACH: f64 = 20.0;
/// The same of a chat in a list: up to 200 members with their names, whose unread messages are counted up to 1,000
/// among the newest 1,250.
const EACH_CHAT: f64 = 20.0 + 4.0 * 200.0 + 1_250.0;

#[derive(Debug, Clone, Copy)]
enum Who {
    /// Who is in many rooms.
    Wide,
    /// Who is in the large room.
    Deep,
}

/// An answer's size.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answer {
    /// Messages, rooms, changes, or members of a single room.
    pub(super) items: u64,
    pub(super) bytes: u64,
}

/// All that is asked, and whoever asks.
pub(super) struct Asks {
    rest: Rest,
    access: Access,
    /// The owners' names and tokens, by [`Who`].
    owners: [(String, String); 2],
    room: String,
    /// Rooms of the one user.
    rooms: f64,
    /// How far somebody pages back.
    far: u32,
    /// Where the large room's log ends.
    head: u32,
}

impl Asks {
    pub(super) fn new(flags: &Queries, rooms: &Rooms, site: &Site) -> Result<Self, CommandError> {
        let gate: Option<&Target> = site.gates.first();
        let gate = gate.ok_or(CommandError::Usage("there is no gateway"))?;
        let owner = |name: String| -> Result<_, CommandError> {
            let token = site.signer.sign(&name)?;
            Ok((name, token))
        };
        let room = rooms.deep.rooms.first();
        let room = room.ok_or(CommandError::Generator("there is no large room"))?;
        let all = flags.rooms.saturating_mul(flags.room_messages);
        Ok(Self {
            rest: Rest::new(gate.clone()),
            access: site.access.clone(),
            owners: [owner(rooms.wide.owner())?, owner(rooms.deep.owner())?],
            room: room.to_string(),
            rooms: flags.rooms.into(),
            far: flags.history.min(all) / 2,
            // The room, its members, its messages; and each deletion once more.
            head: 1 + flags.members + flags.history + 2 * flags.deleted,
        })
    }

    /// What is asked while nobody has read anything; with what it is an example of.
    pub(super) fn unread(&self) -> Vec<(Ask, &'static str)> {
        let all = "pages over all rooms of a user";
        let lists = "lists of rooms";
        let one = "pages of one room";
        let deep = &self.room;
        let near = self.far.min(10_000);
        vec![
            (self.wide("/chat/messages?limit=20", 0.0), all),
            (self.wide("/chat/messages?limit=200", 0.0), all),
            (
                self.skipping("/chat/messages?limit=20", near, self.rooms),
                all,
            ),
            (
                self.skipping("/chat/messages?limit=20", self.far, self.rooms),
                all,
            ),
            (self.wide("/chat/rooms?limit=50", 0.0), lists),
            (self.wide("/chat/list?limit=20", 0.0), lists),
            (self.wide("/chat/list?limit=100", 0.0), lists),
            (self.wide("/chat/list?limit=100&sort=createdAt", 0.0), lists),
            (self.connecting(), "connecting"),
            (
                self.deep(format!("/chat/messages?roomId={deep}&limit=20")),
                one,
            ),
            (
                self.skipping(&format!("/chat/messages?roomId={deep}&limit=20"), near, 0.0),
                one,
            ),
            (
                self.skipping(
                    &format!("/chat/messages?roomId={deep}&limit=20"),
                    self.far,
                    0.0,
                ),
                one,
            ),
            (self.deep(format!("/chat/message/list?chat_id={deep}")), one),
            (
                self.deep(format!("/chat/message/list?chat_id={deep}&sort=createdAt")),
                one,
            ),
            (self.deep("/chat/list".to_owned()), lists),
            (self.deep(format!("/chat/rooms/{deep}")), lists),
            (
                self.deep(format!("/chat/rooms/{deep}/changes?since=0&limit=200")),
                "changes",
            ),
            (
                self.deep(format!(
                    "/chat/rooms/{deep}/changes?since={}&limit=200",
                    self.head.saturating_sub(300)
                )),
                "changes",
            ),
        ]
    }

    /// What is asked when everybody has read all of the large room.
    pub(super) fn read(&self) -> Vec<(Ask, &'static str)> {
        let deep = &self.room;
        let paths = [
            format!("/chat/messages?roomId={deep}&limit=20"),
            format!("/chat/message/list?chat_id={deep}"),
            format!(
                "/chat/rooms/{deep}/changes?since={}&limit=200",
                self.head.saturating_sub(300)
            ),
        ];
        let asks = paths.into_iter().map(|path| {
            let mut ask = self.deep(path);
            ask.name.push_str(", read by all");
            // Who has read something is shown up to this number.
            ask.beside = 2.0 * 1_000.0;
            (ask, "what everybody has read")
        });
        asks.collect()
    }

    /// Asks once, and waits for the whole answer.
    pub(super) async fn put(&self, ask: &Ask) -> Result<Answer, CommandError> {
        let (user, token) = match ask.who {
            Who::Wide => &self.owners[0],
            Who::Deep => &self.owners[1],
        };
        let Some(path) = &ask.path else {
            let users = std::slice::from_ref(user);
            for connection in self.access.connect_chats(users).await? {
                connection.close().await;
            }
            return Ok(Answer::default());
        };
        let answer = self.rest.call(Method::GET, path, token, None).await;
        Ok(size(&answer.map_err(|error| refused(&error))?))
    }

    /// Of the user with many rooms: the newest message of each, or its time, has to be looked at, for there is no
    /// order of a user's rooms by their messages; every message would have to write it for every member.
    fn wide(&self, path: &str, beside: f64) -> Ask {
        self.ask(path.to_owned(), (Who::Wide, 4.0 * self.rooms + beside))
    }

    fn deep(&self, path: String) -> Ask {
        self.ask(path, (Who::Deep, 0.0))
    }

    /// What is skipped has to be counted, in the order of the page.
    fn skipping(&self, path: &str, skip: u32, rooms: f64) -> Ask {
        let who = if rooms > 0.0 { Who::Wide } else { Who::Deep };
        let beside = 4.0 * rooms + 2.0 * f64::from(skip);
        self.ask(format!("{path}&skip={skip}"), (who, beside))
    }

    fn connecting(&self) -> Ask {
        Ask {
            name: "connecting".to_owned(),
            path: None,
            who: Who::Wide,
            each: 0.0,
            beside: 4.0 * self.rooms,
        }
    }

    fn ask(&self, path: String, (who, beside): (Who, f64)) -> Ask {
        let each = if path.starts_with("/chat/list") {
            EACH_CHAT
        } else {
            EACH
        };
        let name = path.replace(&self.room, "ROOM");
        let name = match who {
            Who::Wide => format!("{name}, of {} rooms", self.rooms),
            Who::Deep => name,
        };
        Ask {
            name,
            path: Some(path),
            who,
            each,
            beside,
        }
    }
}

fn refused(error: &RestError) -> CommandError {
    CommandError::Refused(error.to_string())
}

/// What an answer lists, whatever its contract calls it.
fn size(answer: &Value) -> Answer {
    let lists = ["messages", "rooms", "changes", "data", "participants"];
    let listed = lists.iter().find_map(|name| answer.get(name)?.as_array());
    Answer {
        items: listed.map_or(1, Vec::len) as u64,
        bytes: answer.to_string().len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_as_large_as_what_it_lists() {
        assert_eq!(size(&json!({ "messages": [1, 2], "count": 9 })).items, 2);
        assert_eq!(size(&json!({ "error": false, "data": [1] })).items, 1);
        assert_eq!(
            size(&json!({ "_id": 1, "participants": [1, 2, 3] })).items,
            3
        );
        assert_eq!(size(&json!({ "a": 1 })).bytes, 7);
    }
}
