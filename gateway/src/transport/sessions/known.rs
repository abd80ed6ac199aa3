//! The sessions of this node that began by polling, by the id that their clients name.
//!
//! An id names its node (`<id>.<node>`), so that any node knows whose it is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use engineioxide_core::Sid;
use tokio::time::Instant;

use crate::bus::NodeId;
use crate::transport::sessions::forward::SEPARATOR;

/// How long a session that was ended is known to have been: for whoever looks why clients come back.
const FORGET_AFTER: Duration = Duration::from_mins(5);
/// Sessions that are known to have been, at the most; of more it is not known.
const ENDED_MAX: usize = 65_536;
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Sessions by id; cheap to clone.
pub(in crate::transport) struct Sessions<S: ?Sized>(Arc<Shared<S>>);

struct Shared<S: ?Sized> {
    node: NodeId,
    known: Mutex<Known<S>>,
}

struct Known<S: ?Sized> {
    open: HashMap<Sid, Weak<S>>,
    /// Ended by us, and when.
    ended: HashMap<Sid, Instant>,
}

/// What is known of a session that a request names.
pub(in crate::transport) enum Found<S: ?Sized> {
    Open(Arc<S>),
    /// It ended by itself, or there never was one.
    Unknown,
    /// This node has ended it.
    Ended,
}

impl<S: ?Sized> Clone for Sessions<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: ?Sized> Sessions<S> {
    /// Of this node.
    pub(in crate::transport) fn new(node: NodeId) -> Self {
        let known = Known {
            open: HashMap::new(),
            ended: HashMap::new(),
        };
        Self(Arc::new(Shared {
            node,
            known: Mutex::new(known),
        }))
    }

    /// An id as clients know it.
    pub(in crate::transport) fn name_of(&self, sid: Sid) -> String {
        format!("{sid}{SEPARATOR}{}", self.0.node.as_str())
    }

    /// Notes a session that a polling client has just opened.
    pub(in crate::transport) fn opened(&self, sid: Sid, session: &Arc<S>) {
        // One that has ended already is found to be gone.
        self.lock().open.insert(sid, Arc::downgrade(session));
    }

    /// Looks a session up.
    pub(in crate::transport) fn find(&self, sid: &str) -> Found<S> {
        let Ok(sid) = sid.parse() else {
            return Found::Unknown;
        };
        let known = self.lock();
        match known.open.get(&sid).and_then(Weak::upgrade) {
            Some(session) => Found::Open(session),
            None if known.ended.contains_key(&sid) => Found::Ended,
            None => Found::Unknown,
        }
    }

    /// A session has ended, by our doing or not; those that never polled are not known here.
    pub(in crate::transport) fn ended(&self, sid: Sid, is_ours: bool) {
        let mut known = self.lock();
        let polled = known.open.remove(&sid).is_some();
        if polled && is_ours && known.ended.len() < ENDED_MAX {
            known.ended.insert(sid, Instant::now());
        }
    }

    /// Drops what is too old to matter, every few seconds.
    pub(in crate::transport) async fn sweep_forever(self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            let mut known = self.lock();
            known.ended.retain(|_, at| at.elapsed() < FORGET_AFTER);
            known.open.retain(|_, session| session.strong_count() > 0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known<S>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
