//! Where the pinned clients are, and whether there is a Node.js to run them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use roomwire_dev::node;

/// Where the clients and their driver live.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// True once the clients are installed; false where there is no Node.js and that is no failure.
pub(super) fn ready() -> bool {
    static READY: OnceLock<bool> = OnceLock::new();
    let purpose = "everything with the JavaScript clients";
    *READY.get_or_init(|| node::ready(&folder(), purpose).unwrap())
}
