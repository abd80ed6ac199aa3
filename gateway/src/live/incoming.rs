//! Acts on what the bus brings.

use roomwire_shared::RoomId;
use tracing::Span;

use super::state::{Gap, LiveState};
use crate::{
    bus::{Hint, Inbox, Incoming, Topic},
    telemetry::{TraceContext, spans},
};

/// Works until the bus ends. Never waits for the store or for Redis: what needs them is spawned,
/// so that the hints of other rooms go on.
pub(super) async fn run(hub: LiveState, mut inbox: Inbox) {
    while let Some(incoming) = inbox.next().await {
        match incoming {
            Incoming::Hint(Topic::Room(room), hint, trace) => {
                act_on(&hub, room, hint, trace.as_ref());
            }
            Incoming::Hint(Topic::Everybody, Hint::Presence(transitions), _) => {
                for transition in &transitions {
                    hub.show_presence(transition);
                }
            }
            // Of a user who has gone meanwhile.
            Incoming::Hint(Topic::User(user), ..) | Incoming::Unreadable(Topic::User(user))
                if !hub.roster().has(&user) => {}
            Incoming::Hint(
                Topic::User(_),
                Hint::Joined {
                    room,
                    name,
                    position,
                },
                _,
            ) => {
                joined(&hub, room, &name, position);
            }
            Incoming::Hint(Topic::User(user), Hint::Memberships, _)
            | Incoming::Unreadable(Topic::User(user)) => {
                hub.spawn(async move |hub| hub.refresh(&[user]).await);
            }
            Incoming::Unreadable(Topic::Room(room)) => settle(&hub, room),
            Incoming::Away => {
                hub.spawn(async move |hub| hub.resync_unless_busy("redis_away").await);
            }
            Incoming::Missed(cause) => hub.spawn(async move |hub| hub.resync(cause).await),
            Incoming::Hint(Topic::Everybody, Hint::Compare, _) => {
                hub.spawn(async move |hub| hub.resync("owed_too_many").await);
            }
            // A hint on the wrong kind of channel says nothing. What concerns everybody is presence,
            // which can be asked for, or comes again.
            Incoming::Hint(..) | Incoming::Unreadable(Topic::Everybody | Topic::Node(_)) => {}
        }
    }
}

/// A hint on a room's channel, with the sending's place in its trace.
fn act_on(hub: &LiveState, room: RoomId, hint: Hint, trace: Option<&TraceContext>) {
    let span = trace.map_or_else(Span::none, |sent| spans::process("room", sent));
    let entered = span.enter();
    let recipients = match hint {
        Hint::Entries(entries) => hub.offer(room, entries),
        Hint::Head(head) => {
            hub.expect(room, head);
            0
        }
        Hint::Read { user, origin } => hub.show_read(room, &user, origin.as_ref()),
        Hint::Typing {
            user,
            typing,
            message,
        } => hub.show_typing(room, &user, (typing, &message)),
        // Not of a room.
        _ => 0,
    };
    drop(entered);
    spans::recipients(&span, recipients);
}

/// A user of this node is in a room from `position` on. The log from there says who else is, and
/// whether the user has left again.
fn joined(hub: &LiveState, room: RoomId, name: &str, position: i64) {
    let confirmed = hub.with_open(room, name, position - 1, |hub, room, state| {
        state.expect(position);
        if state.confirmed {
            hub.mind_gap(room, state, Gap::Joining);
        }
        state.confirmed
    });
    if !confirmed {
        hub.spawn(async move |hub| {
            if hub.settle(vec![room]).await {
                Gap::Joining.count(1);
            }
        });
    }
}

fn settle(hub: &LiveState, room: RoomId) {
    hub.spawn(async move |hub| {
        hub.settle(vec![room]).await;
    });
}
