//! Lets sockets of either contract in, and says why not in the contract's words.

use std::sync::Arc;

use super::Refused;
use crate::{
    auth::Verifier,
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
    /// Checks a token and puts the socket into its user's rooms. A suspended user is refused with
    /// the contract's own text. Returns also what the socket has missed of the feeds that it takes
    /// up; by contract A there are none.
    pub(super) async fn admit(
        &self,
        token: Option<&str>,
        (id, audience, outlet): (Origin, Audience, Box<dyn Outlet>),
        suspended: &str,
    ) -> Result<(Principal, Arc<Connection>, Vec<Frame>), Refused> {
        let principal = self
            .verifier
            .check(token)
            .await
            .map_err(|refusal| Refused(format!("UNAUTHORIZED: {refusal}")))?;
        let user = principal.user.clone();
        let connection = Arc::new(Connection::new(id, user, audience, outlet));
        let refused = |error: ChatError| match error.kind {
            Kind::Forbidden => Refused(suspended.to_owned()),
            Kind::TooMany => Refused(format!("TOO_MANY_REQUESTS: {error}")),
            _ => Refused(format!("UNAVAILABLE: {error}")),
        };
        let signed_in = self.chat.sign_in(&principal, &connection).await;
        let missed = signed_in.map_err(refused)?;
        Ok((principal, connection, missed))
    }
}
