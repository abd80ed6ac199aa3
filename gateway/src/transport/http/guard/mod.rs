//! Watches the bytes of one TCP connection: a write that stands still for too long ends it, and so does a
//! peer that takes too long for the head of a request, or for the next request.
//!
//! Needed because HTTP above it cannot end a connection whose peer does not read, and has one time for the
//! head of a request and the pause before it.

mod handle;
mod stream;

pub(super) use stream::{Guarded, Timeouts};
