//! Payloads of contract B: the 2018 chat under `/v2/chat`, and its REST twins.
//!
//! Must not: share a vocabulary with contract A. Both speak of the same rooms in their own words.

pub mod answer;
pub mod event;
pub mod object;

pub use answer::{Code, Failed, Failure, Success};
pub use object::{Chat, Kind, Member, Message, Photo, Profile, Status};
