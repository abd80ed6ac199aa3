//! What a batch's verdicts mean to others: shown, published and answered.

use tracing::Span;

use super::{
    Asker, Receipt,
    batch::{Batch, Parts},
    written::{Written, entry},
};
use crate::{
    bus::{Publication, Publisher},
    domain::{ChatError, Kind, NewMessage},
    live::Hub,
    store::{Appended, Error, Verdict},
    telemetry::{
        TraceContext, catalogue,
        journal::{self, Committed},
        spans,
    },
};

/// Tells everybody what became of batches; cheap to clone.
#[derive(Clone)]
pub(super) struct Results {
    hub: Hub,
    publisher: Publisher,
}

impl Results {
    pub(super) fn new(hub: Hub, publisher: Publisher) -> Self {
        Self { hub, publisher }
    }

    /// Tells what became of a part. One that failed for what is in it comes again, in halves. What was passed over,
    /// because its room is held, is returned in its order.
    pub(super) fn settle(
        &self,
        parts: &mut Parts,
        part: Batch,
        appended: Result<Appended, Error>,
    ) -> Batch {
        match appended {
            Ok(appended) => return self.tell(part, appended),
            Err(error) if parts.may_halve(&part) && error.is_fault_of_what_was_asked() => {
                metrics::counter!(catalogue::APPEND_HALVED).increment(1);
                parts.halve(part);
            }
            Err(error) => refuse(part.askers.into_iter(), error),
        }
        Batch::default()
    }

    /// Shows, publishes and answers, in that order: a writer who has the receipt may rely on the
    /// message being on its way. What was passed over, because its room is held, is returned in its order.
    pub(super) fn tell(&self, batch: Batch, appended: Appended) -> Batch {
        let (batch, verdicts, held) = set_apart(batch, appended.verdicts);
        let Batch { messages, askers } = batch;
        let traces: Vec<Option<TraceContext>> = askers
            .iter()
            .map(|asker| TraceContext::of(&asker.span))
            .collect();
        let committed = messages.iter().zip(&askers).zip(&traces);
        note_committed(committed, &verdicts);
        let mut receipts = Vec::with_capacity(messages.len());
        let mut rooms: Vec<Written> = Vec::new();
        let mut causes = traces.into_iter();
        for (message, verdict) in messages.into_iter().zip(verdicts) {
            let room = message.room;
            receipts.push(receipt(&message, &verdict));
            let cause = causes.next().flatten();
            let Some(entry) = entry(message, &verdict) else {
                continue;
            };
            match rooms.iter_mut().find(|written| written.room == room) {
                Some(written) => written.add(entry, cause),
                None => rooms.push(Written::new(room, entry, cause)),
            }
        }
        let mut hints = Vec::with_capacity(rooms.len());
        for written in rooms {
            self.show(&written);
            hints.extend(written.hints());
        }
        if !hints.is_empty() {
            self.publisher.publish(Publication {
                hints,
                outbox: appended.outbox,
            });
        }
        for (asker, receipt) in askers.into_iter().zip(receipts) {
            asker.tell(receipt);
        }
        held
    }

    fn show(&self, written: &Written) {
        let cause = written.causes.first();
        let span = cause.map_or_else(Span::none, spans::deliver);
        let entries = written.entries.clone();
        let recipients = span.in_scope(|| self.hub.offer(written.room, entries));
        spans::recipients(&span, recipients);
    }
}

/// Answers everybody that nothing came of it.
pub(super) fn refuse(askers: impl ExactSizeIterator<Item = Asker>, error: Error) {
    if askers.len() == 0 {
        return;
    }
    let result = match &error {
        Error::Unknown(_) => "unknown",
        Error::Held => "held",
        _ => "failed",
    };
    let error = ChatError::from(error);
    for asker in askers {
        metrics::counter!(catalogue::APPENDS, "result" => result).increment(1);
        asker.tell(Err(error.clone()));
    }
}

/// Parts a batch into what has verdicts and what was passed over.
fn set_apart(batch: Batch, verdicts: Vec<Verdict>) -> (Batch, Vec<Verdict>, Batch) {
    if !verdicts.contains(&Verdict::Held) {
        return (batch, verdicts, Batch::default());
    }
    let (mut judged, mut held) = (Batch::default(), Batch::default());
    let mut known = Vec::with_capacity(verdicts.len());
    for (waiting, verdict) in batch.into_waiting().zip(verdicts) {
        if verdict == Verdict::Held {
            held.push(waiting);
        } else {
            judged.push(waiting);
            known.push(verdict);
        }
    }
    (judged, known, held)
}

fn note_committed<'a>(
    messages: impl Iterator<Item = ((&'a NewMessage, &'a Asker), &'a Option<TraceContext>)>,
    verdicts: &[Verdict],
) {
    let stored = messages.zip(verdicts).filter_map(|(one, verdict)| {
        let ((message, asker), trace) = one;
        let Verdict::Stored { position, .. } = *verdict else {
            return None;
        };
        Some(Committed {
            message: message.id,
            room: message.room,
            position,
            accepted: asker.accepted,
            trace: trace.as_ref(),
        })
    });
    journal::committed(stored);
}

pub(super) fn receipt(message: &NewMessage, verdict: &Verdict) -> Result<Receipt, ChatError> {
    let (label, receipt) = match *verdict {
        Verdict::Stored { position, at } => (
            "stored",
            Ok(Receipt {
                id: message.id,
                position,
                at,
                repeated: false,
            }),
        ),
        Verdict::Repeated { id, position, at } => (
            "repeated",
            Ok(Receipt {
                id,
                position,
                at,
                repeated: true,
            }),
        ),
        Verdict::NotAMember => ("not_a_member", Err(ChatError::no_room())),
        Verdict::Held => ("held", Err(ChatError::unavailable())),
        Verdict::Conflict => (
            "conflict",
            Err(ChatError::new(
                Kind::Conflict,
                "this key was used for another text",
            )),
        ),
    };
    metrics::counter!(catalogue::APPENDS, "result" => label).increment(1);
    receipt
}
