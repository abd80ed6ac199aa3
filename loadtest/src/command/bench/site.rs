//! Where a bench measures, and as whom.

use std::ops::Deref;

use super::flags::BenchFlags;
use crate::command::{CommandError, site};
use crate::crowd::cohort::Access;
use crate::deployment::stack::Setting;

/// The deployment under measurement, and the way into it.
pub(super) struct Site {
    /// The way in.
    pub(super) access: Access,
    at: site::Site,
}

impl Site {
    /// Finds the deployment that the flags name, or starts one with this setting.
    pub(super) async fn open(flags: &BenchFlags, setting: &Setting) -> Result<Self, CommandError> {
        let at = site::Site::open(&flags.target, &flags.pid, setting).await?;
        Ok(Self::at(at, flags))
    }

    /// One that is open.
    pub(super) fn at(at: site::Site, flags: &BenchFlags) -> Self {
        let sources = flags.source_addresses.map(usize::from);
        let (gates, signer) = (at.gates.clone(), at.signer.clone());
        let access = Access::new(gates, signer, flags.users.clone(), sources);
        let access = access.by(flags.transport);
        Self { access, at }
    }

    /// Ends a private stack; others stay as they are.
    pub(super) async fn close(self) -> Result<(), CommandError> {
        self.at.close().await
    }
}

impl Deref for Site {
    type Target = site::Site;

    fn deref(&self) -> &site::Site {
        &self.at
    }
}
