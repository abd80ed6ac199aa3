//! Bugs on purpose: each breaks one promise, so that a test can show that the checker notices.
//!
//! Owns the switch, `ROOMWIRE_PLANT=<name>[:<n>]`, which is read once. Exists only with the feature
//! `planted-faults`, and never in a release build.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

#[cfg(not(debug_assertions))]
compile_error!("planted-faults is not for release builds");

use crate::bus::Hint;

/// One hint or delivery in so many is dropped, or one leaver kept, where the variable names no number.
const DROP_ONE_IN: u64 = 10_000;

/// Whether to lose this hint while saying that it went out. Only hints that carry entries count:
/// a lost canary would make the nodes compare their rooms, which heals what the plant has broken.
pub(crate) fn drops_hint(hint: &Hint) -> bool {
    static HINTS: AtomicU64 = AtomicU64::new(0);
    let Some(one_in) = planted("drop-hints") else {
        return false;
    };
    if !matches!(hint, Hint::Entries(_)) {
        return false;
    }
    HINTS.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1
}

/// Whether to leave one member out who should be shown a message.
pub(crate) fn loses_delivery() -> bool {
    static DELIVERIES: AtomicU64 = AtomicU64::new(0);
    let Some(one_in) = planted("lose-delivery") else {
        return false;
    };
    DELIVERIES.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1
}

/// Whether to go on showing a room to somebody who has left it.
pub(crate) fn keeps_leaver() -> bool {
    static DEPARTURES: AtomicU64 = AtomicU64::new(0);
    let Some(one_in) = planted("keep-leavers") else {
        return false;
    };
    DEPARTURES.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1
}

/// Whether to forget the first of what waits when a session that polled becomes a websocket.
pub(crate) fn loses_at_upgrade() -> bool {
    static UPGRADES: AtomicU64 = AtomicU64::new(0);
    let Some(one_in) = planted("lose-at-upgrade") else {
        return false;
    };
    UPGRADES.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1
}

/// Whether to send what was polled last once more when an upgrade has failed.
pub(crate) fn doubles_after_probe() -> bool {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let Some(one_in) = planted("double-after-probe") else {
        return false;
    };
    PROBES.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1
}

/// Whether to show and to publish messages before they are committed.
pub(crate) fn delivers_before_commit() -> bool {
    planted("deliver-before-commit").is_some()
}

/// Whether to show whatever is offered at once, whatever was shown before.
pub(crate) fn skips_cursor_check() -> bool {
    planted("skip-cursor-check").is_some()
}

/// Whether to send a batch of which nobody knows what became of it again under new ids.
pub(crate) fn draws_new_ids() -> bool {
    planted("new-ids").is_some()
}

/// Whether batches wait for whoever holds one of their rooms.
pub(crate) fn waits_for_held() -> bool {
    planted("wait-for-held").is_some()
}

/// Whether to go on from where a room was shown, wherever its log has been set back to.
pub(crate) fn ignores_rewinds() -> bool {
    planted("ignore-rewinds").is_some()
}

/// The number of the plant of this name, if it is the one that was asked for.
fn planted(name: &str) -> Option<u64> {
    static PLANT: OnceLock<(String, u64)> = OnceLock::new();
    let (chosen, number) = PLANT.get_or_init(|| {
        let text = std::env::var("ROOMWIRE_PLANT").unwrap_or_default();
        let (name, number) = text.split_once(':').unwrap_or((&text, ""));
        let number = number.parse().unwrap_or(DROP_ONE_IN);
        (name.to_owned(), number.max(1))
    });
    (chosen == name).then_some(*number)
}
