//! A private folder below the system's temporary one, removed when its value is dropped.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;
use crate::account::Account;

/// Distinguishes the folders of one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Names tried before giving up; leftovers of an earlier process with our id are stepped over.
const ATTEMPTS: u32 = 100;

/// A folder that only its account can enter.
///
/// Dropping removes it with its contents. Where the process dies without dropping, the lifeline
/// of the server living in it removes it instead.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Creates `<temporary folder>/roomwire-<purpose>-<process>-<number>` for the account.
    pub(crate) fn create(purpose: &str, account: Account) -> Result<Self, Error> {
        let parent = std::env::temp_dir();
        for _ in 0..ATTEMPTS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!(
                "roomwire-{purpose}-{}-{number}",
                std::process::id()
            ));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let folder = Self(path);
                    account.own(&folder.0)?;
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(Error::io(format!("create {}", path.display()))(error));
                }
            }
        }
        let action = format!("create a folder in {}", parent.display());
        Err(Error::io(action)(io::ErrorKind::AlreadyExists.into()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A second try, because a server's last helper may still have been writing.
        if fs::remove_dir_all(&self.0).is_err() && self.0.exists() {
            fs::remove_dir_all(&self.0).ok();
        }
    }
}
