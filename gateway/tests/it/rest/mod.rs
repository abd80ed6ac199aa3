//! Contract A over HTTP.

mod browsers;
mod changes;
mod errors;
mod key_sets;
mod messages;
mod own_messages;
mod paging;
mod rooms;
mod tokens;
