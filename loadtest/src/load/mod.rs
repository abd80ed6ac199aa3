//! Who does what, and when. Pure.

pub mod pace;
pub mod scenario;
pub mod script;
pub mod stamp;
