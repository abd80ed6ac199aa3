//! The commands against a stand-in gateway: what they report, and what they catch.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod stand_in;
