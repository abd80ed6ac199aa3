//! Where our engine answers otherwise than a stock server, and why.

use crate::compared::Reference::{self, OnNode, Socketioxide};

/// A server, a script, the versions of Engine.IO, and the reason.
pub(crate) type Difference = (Reference, &'static str, &'static [u8], &'static str);

const OLD: &[u8] = &[3];
const BOTH: &[u8] = &[3, 4];

/// All that are known. What is not here is a fault, and so is one of these that is gone.
pub(crate) const DIFFERENCES: &[Difference] = &[
    (
        OnNode,
        "handshakes_that_are_none",
        BOTH,
        "It takes whatever does not name version 4 for version 3. The official suite wants a refusal.",
    ),
    (
        OnNode,
        "attachments_by_polling",
        OLD,
        "It answers with the binary form of a payload. Ours has no attachments to send but in the echo.",
    ),
    (
        OnNode,
        "packets_that_say_nothing",
        OLD,
        "It ends a session for a pong, which servers of the time of version 3 ignored.",
    ),
    (
        OnNode,
        "a_ping_that_wants_its_text_back",
        OLD,
        "The protocol wants it back, and some clients wait for it.",
    ),
    (
        OnNode,
        "a_payload_that_is_none",
        BOTH,
        "It says that it was taken, and ends the session. The official suite wants a refusal.",
    ),
    (OnNode, "an_empty_payload", BOTH, "The same."),
    (
        OnNode,
        "two_polls_at_a_time",
        BOTH,
        "Its refusal has no body. Ours says what is wrong, as other refusals do.",
    ),
    (
        OnNode,
        "an_end_by_websocket",
        BOTH,
        "It goes on reading behind the end, and waits for the client to hang up.",
    ),
    (
        OnNode,
        "a_namespace_with_what_is_shown",
        OLD,
        "It takes only a query from old clients. Ours takes a token wherever it stands.",
    ),
    (
        OnNode,
        "a_namespace_that_there_is_not",
        OLD,
        "Clients of that version expect a text, as servers of their time sent it.",
    ),
    (
        Socketioxide,
        "a_namespace_that_there_is_not",
        OLD,
        "The same.",
    ),
    (
        OnNode,
        "the_same_namespace_twice",
        BOTH,
        "It ends the session. Asking twice harms nobody.",
    ),
    (
        OnNode,
        "leaving_the_root",
        BOTH,
        "It ends the session for an event to a namespace that was left or has refused, although its client \
         may have sent it before it knew.",
    ),
    (Socketioxide, "leaving_the_root", BOTH, "The same."),
    (
        OnNode,
        "leaving_the_only_namespace_and_coming_back",
        BOTH,
        "It ends the session for an event right behind CONNECT. With ours it waits until the token is judged.",
    ),
    (
        Socketioxide,
        "leaving_the_only_namespace_and_coming_back",
        BOTH,
        "It ends the session that is in no namespace, too late to notice that one has come.",
    ),
    (
        OnNode,
        "an_event_of_nothing",
        BOTH,
        "It lets it pass. It is no event.",
    ),
    (
        OnNode,
        "events_that_are_none",
        BOTH,
        "It ends the session. The contracts tell the client what is wrong, and the connection stays.",
    ),
    (Socketioxide, "events_that_are_none", BOTH, "The same."),
    (
        Socketioxide,
        "a_namespace_with_a_query",
        OLD,
        "It takes the query for a part of the name. Clients of that version write it there.",
    ),
    (
        Socketioxide,
        "an_event_of_many_arguments",
        BOTH,
        "Its handlers here take one argument.",
    ),
    (
        Socketioxide,
        "an_answer_of_many_arguments",
        BOTH,
        "The same.",
    ),
    (
        Socketioxide,
        "attachments",
        BOTH,
        "Its handlers here take JSON without attachments.",
    ),
];
