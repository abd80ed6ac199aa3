//! Lets sockets of either contract in, and says why not in the contract's words.

use std::sync::Arc;

use roomwire_shared::error::ErrorName;

use super::Refused;
use crate::{
    auth::{Candidates, Refusal, Verifier},
    chat::Chat,
    domain::{ChatError, Kind, Origin, Principal},
    live::{Audience, Connection, Frame, Outlet},
};

/// What both faces need to let somebody in; cheap to clone.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) chat: Chat,
    pub(super) verifier: Arc<Verifier>,
}

impl Door {
    /// Checks what was shown and puts the socket into its user's rooms. A suspended user is refused in
    /// the contract's own way. Returns also what the socket has missed of the feeds that it takes up;
    /// by contract A there are none.
    pub(super) async fn admit(
        &self,
        shown: &Candidates,
        (id, audience, outlet): (Origin, Audience, Box<dyn Outlet>),
        suspended: fn() -> Refused,
    ) -> Result<(Principal, Arc<Connection>, Vec<Frame>), Refused> {
        let principal = self.verifier.check(shown).await.map_err(told)?;
        let user = principal.user.clone();
        let connection = Arc::new(Connection::new(id, user, audience, outlet));
        let refused = |error: ChatError| match error.kind {
            Kind::Forbidden => suspended().for_suspension(),
            Kind::TooMany => Refused::new(ErrorName::TooManyRequests, error.message),
            _ => Refused::new(ErrorName::Unavailable, error.message),
        };
        let signed_in = self.chat.sign_in(&principal, &connection).await;
        let missed = signed_in.map_err(refused)?;
        Ok((principal, connection, missed))
    }
}

/// What a client is told whose token is not accepted.
fn told(refusal: Refusal) -> Refused {
    let name = if refusal.as_outage().is_some() {
        ErrorName::Unavailable
    } else {
        ErrorName::Unauthorized
    };
    Refused::new(name, refusal.to_string())
}
