//! The commands against a stand-in gateway, a private stack, or gateways with planted bugs: what they
//! report, and what they catch.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod chats;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod drill;
#[cfg(test)]
mod large;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod machines;
#[cfg(test)]
mod members;
#[cfg(test)]
mod read;
#[cfg(test)]
mod run;
#[cfg(test)]
mod several;
#[cfg(test)]
mod stall;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod transports;
#[cfg(test)]
mod verify;
