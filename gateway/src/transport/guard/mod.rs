//! Watches the bytes of one TCP connection: it can be cut from outside, its reading can be paused,
//! and a write that stands still for too long ends it. So does a peer that takes too long for the
//! head of a request, or for the next request.
//!
//! Needed because neither HTTP nor Socket.IO above it can end a connection whose peer does not read,
//! and HTTP above it has one time for the head of a request and the pause before it.

mod handle;
mod marks;
mod stream;

pub(crate) use handle::Handle;
pub(super) use stream::{Guarded, Timeouts};
