//! The commands against a stand-in gateway, or a private stack: what they report, and what they catch.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod chats;
#[cfg(test)]
mod stand_in;
