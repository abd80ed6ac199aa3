//! A run's users: their names, tokens, rooms and connections.

use std::fmt;
use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use thiserror::Error;

use crate::client::rest::{Rest, RestError};
use crate::client::tokens::{Signer, TokenError};
use crate::client::{
    CONNECTIONS_PER_SOURCE, ConnectError, ConnectOptions, Connection, Contract, Target, Transport,
};

/// Handshakes under way at one time.
const CONNECTING_MAX: usize = 64;
/// Rooms being created at one time.
const CREATING_MAX: usize = 8;

/// So many rooms with so many members each; nobody is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Number of rooms, at least 1.
    pub rooms: u16,
    /// Members of each, at least 1; with 1 nobody hears anything.
    pub members: u16,
}

impl Shape {
    /// Users in all rooms together.
    #[must_use]
    pub fn users(&self) -> usize {
        usize::from(self.rooms) * usize::from(self.members)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.rooms, self.members)
    }
}

/// A text is not a [`Shape`].
#[derive(Debug, Error)]
#[error("a shape is ROOMSxMEMBERS, such as 4x100, with 1 or more rooms and 2 or more members")]
pub struct ShapeError;

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let (rooms, members) = text.split_once('x').ok_or(ShapeError)?;
        let number = |text: &str| text.parse().map_err(|_| ShapeError);
        let shape = Self {
            rooms: number(rooms)?,
            members: number(members)?,
        };
        if shape.rooms == 0 || shape.members < 2 {
            return Err(ShapeError);
        }
        Ok(shape)
    }
}

/// Why a cohort could not be set up.
#[derive(Debug, Error)]
pub enum CohortError {
    /// There is no gateway, or a room without members.
    #[error("a cohort needs a gateway, and members in every room")]
    Empty,
    /// A token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A room could not be created.
    #[error("cannot create a room: {0}")]
    Rest(#[from] RestError),
    /// A client's task ended without its report.
    #[error("a client died")]
    Died,
    /// A user could not connect.
    #[error("user {user} cannot connect: {source}")]
    Connect {
        /// Who.
        user: String,
        /// Why not.
        source: ConnectError,
    },
}

/// One user.
#[derive(Debug)]
pub struct Member {
    /// The user id.
    pub user: String,
    token: String,
}

/// One room and its members.
#[derive(Debug)]
pub struct Room {
    /// The id that the gateway gave it.
    pub id: String,
    /// Its members; the first one created it.
    pub members: Vec<Member>,
}

/// The way into the gateways of a run.
#[derive(Clone)]
pub struct Access {
    targets: Vec<Target>,
    signer: Signer,
    prefix: String,
    sources: Option<usize>,
    transport: Transport,
}

impl Access {
    /// Spreads connections evenly over `targets` (at least one) and, on loopback, over `sources`
    /// addresses, or as many as the number of connections needs.
    #[must_use]
    pub fn new(
        targets: Vec<Target>,
        signer: Signer,
        prefix: String,
        sources: Option<usize>,
    ) -> Self {
        Self {
            targets,
            signer,
            prefix,
            sources,
            transport: Transport::default(),
        }
    }

    /// The same, for clients that connect by this transport.
    #[must_use]
    pub fn by(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The local ports of the gateways.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.targets
            .iter()
            .map(|target| target.address().port())
            .collect()
    }

    /// A start of names that no other run has.
    #[must_use]
    pub fn cohort(&self) -> String {
        format!("{}-{:08x}", self.prefix, rand::random::<u32>())
    }

    /// Connects these users through the `chats` contract, in their order. The first refusal ends it.
    pub async fn connect_chats(&self, users: &[String]) -> Result<Vec<Connection>, CohortError> {
        let sources = self.sources.unwrap_or(1);
        stream::iter(users.iter().enumerate())
            .map(|(index, user)| async move {
                let token = self.signer.sign(user)?;
                let user = user.clone();
                let member = Member { user, token };
                self.open(index, sources, (&member, Contract::Chats)).await
            })
            .buffered(CONNECTING_MAX)
            .try_collect()
            .await
    }

    /// Makes the rooms of a shape, with users that no other run has.
    pub async fn create(&self, shape: Shape) -> Result<Vec<Room>, CohortError> {
        let cohort = self.cohort();
        stream::iter(0..shape.rooms)
            .map(|room| self.create_room(format!("{cohort}-{room}"), shape.members))
            .buffered(CREATING_MAX)
            .try_collect()
            .await
    }

    async fn create_room(&self, name: String, members: u16) -> Result<Room, CohortError> {
        let member = |number| {
            let user = format!("{name}-{number}");
            Ok(Member {
                token: self.signer.sign(&user)?,
                user,
            })
        };
        let members: Vec<Member> = (0..members)
            .map(member)
            .collect::<Result<_, TokenError>>()?;
        let users: Vec<String> = members.iter().map(|member| member.user.clone()).collect();
        let (Some(first), Some(target)) = (members.first(), self.targets.first()) else {
            return Err(CohortError::Empty);
        };
        let id = Rest::new(target.clone())
            .create_room(&first.token, &name, &users)
            .await?;
        Ok(Room { id, members })
    }

    /// Connects every member of `rooms` and hands each connection over as soon as it stands, with
    /// the numbers of its room and member. Returns what `take` made of them, room by room.
    ///
    /// The first refusal ends it.
    pub async fn connect<T>(
        &self,
        rooms: &[Room],
        mut take: impl FnMut(usize, usize, Connection) -> T,
    ) -> Result<Vec<Vec<T>>, CohortError> {
        let places = rooms.iter().enumerate().flat_map(|(room, of)| {
            of.members
                .iter()
                .enumerate()
                .map(move |(number, member)| (room, number, member))
        });
        let sources = self.sources.unwrap_or_else(|| sources(rooms));
        let mut connecting = stream::iter(places.enumerate())
            .map(|(index, (room, number, member))| async move {
                let connection = self.open(index, sources, (member, Contract::Rooms)).await?;
                Ok::<_, CohortError>((room, number, connection))
            })
            .buffered(CONNECTING_MAX);
        let mut taken: Vec<Vec<T>> = rooms.iter().map(|_| Vec::new()).collect();
        while let Some((room, number, connection)) = connecting.try_next().await? {
            if let Some(of_room) = taken.get_mut(room) {
                of_room.push(take(room, number, connection));
            }
        }
        Ok(taken)
    }

    /// Connects these members in their order, each narrowly (see [`Target::dial_narrow`]). The
    /// first refusal ends it.
    pub async fn connect_narrow(&self, members: &[Member]) -> Result<Vec<Connection>, CohortError> {
        let mut connections = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let (target, options) = self.way(index, 1, (member, Contract::Rooms))?;
            let opened = Box::pin(Connection::open_narrow(target, &options)).await;
            connections.push(opened.map_err(|error| refused(member, error))?);
        }
        Ok(connections)
    }

    async fn open(
        &self,
        index: usize,
        sources: usize,
        who: (&Member, Contract),
    ) -> Result<Connection, CohortError> {
        let (target, options) = self.way(index, sources, who)?;
        Box::pin(Connection::open(target, &options))
            .await
            .map_err(|error| refused(who.0, error))
    }

    /// Where and as what the `index`th connection of contract A is opened, among few of them.
    pub fn way_of(
        &self,
        index: usize,
        member: &Member,
    ) -> Result<(&Target, ConnectOptions), CohortError> {
        self.way(index, self.sources.unwrap_or(1), (member, Contract::Rooms))
    }

    /// Where and as what the `index`th connection is opened.
    fn way(
        &self,
        index: usize,
        sources: usize,
        (member, contract): (&Member, Contract),
    ) -> Result<(&Target, ConnectOptions), CohortError> {
        let target = self.targets.get(index % self.targets.len().max(1));
        let target = target.ok_or(CohortError::Empty)?;
        let options = ConnectOptions {
            token: member.token.clone(),
            contract,
            transport: self.transport,
            meta: false,
            source: target.source(index, sources),
        };
        Ok((target, options))
    }
}

fn refused(member: &Member, source: ConnectError) -> CohortError {
    CohortError::Connect {
        user: member.user.clone(),
        source,
    }
}

/// How many source addresses the members of these rooms need.
fn sources(rooms: &[Room]) -> usize {
    let connections: usize = rooms.iter().map(|room| room.members.len()).sum();
    connections.div_ceil(CONNECTIONS_PER_SOURCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_two_numbers() {
        assert_eq!(
            "4x100".parse::<Shape>().unwrap(),
            Shape {
                rooms: 4,
                members: 100
            }
        );
        for wrong in ["", "4", "x", "0x5", "5x1", "4x-1", "4 x 100", "1x99999"] {
            assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
        }
    }
}
