//! Which account a server runs under: Postgres refuses to run as root.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::Error;

/// Accounts that may stand in for root, in order of preference.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The account of a server; `None` inside means the present one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account(Option<(u32, u32)>);

impl Account {
    /// The present account, or an unprivileged one where the present one is root.
    pub(crate) fn unprivileged() -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let found = CANDIDATES
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten());
        match found {
            Some(user) => Ok(Self(Some((user.uid.as_raw(), user.gid.as_raw())))),
            None => Err(Error::Missing(format!(
                "Postgres does not run as root, and none of the accounts {} exists: \
                 add one (useradd --system postgres) or run as another user",
                CANDIDATES.join(", ")
            ))),
        }
    }

    /// Makes the command run under this account, without the caller's supplementary groups.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a file or folder to this account.
    pub(crate) fn own(self, path: &Path) -> Result<(), Error> {
        let Some((uid, gid)) = self.0 else {
            return Ok(());
        };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(Error::io(format!("change the owner of {}", path.display())))
    }

    /// This account as `chown` names it; empty for the present one.
    pub(crate) fn owner(self) -> String {
        self.0
            .map_or_else(String::new, |(uid, gid)| format!("{uid}:{gid}"))
    }
}
