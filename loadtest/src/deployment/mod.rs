//! Whom to measure: a private stack of servers and gateways, or a deployment that runs.

pub(crate) mod clock;
mod error;
pub mod flags;
pub mod front;
mod node;
mod program;
pub mod proxy;
pub(crate) mod rows;
pub mod stack;

pub use error::StackError;
pub use node::Node;

/// Variables of a gateway.
pub type Env = Vec<(&'static str, String)>;
