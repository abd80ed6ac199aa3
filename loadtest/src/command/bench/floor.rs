//! The floor of a delivery: one blocking `send` of the same bytes to each of the same number of
//! loopback sockets, paced alike, from a loop that does nothing else.
//!
//! Only the sending thread's CPU time counts, read before and after each batch. It includes what
//! the kernel does for a loopback send: the way to the receiver, and its wake-up.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tokio::io::AsyncReadExt;

use crate::crowd::cohort::Shape;
use crate::load::pace::Schedule;
use crate::result::stats::micros_each;

/// Read buffer of each receiver, the size the client uses.
const READ_BUFFER_BYTES: usize = 1024;

/// What to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct FloorPlan {
    pub(super) shape: Shape,
    /// Bytes of one send, as large as a websocket frame of the measured message.
    pub(super) bytes: usize,
    /// Batches a second; one batch is one message to all others of a room.
    pub(super) per_second: u32,
    pub(super) batches: u32,
}

/// What it cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FloorReading {
    pub(super) sends: u64,
    pub(super) cpu: Duration,
}

impl FloorReading {
    pub(super) fn micros_per_send(&self) -> Option<f64> {
        micros_each(self.cpu, self.sends)
    }

    /// Both readings as one.
    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            sends: self.sends + other.sends,
            cpu: self.cpu + other.cpu,
        }
    }
}

/// Measures on this thread, which it blocks, with one more thread to receive.
pub(super) fn measure(plan: &FloorPlan) -> io::Result<FloorReading> {
    let (mut senders, receivers) = pairs(plan.shape.users())?;
    let draining = thread::spawn(move || drain(receivers));
    let outcome = send_all(plan, &mut senders);
    // The receivers end when their peers are gone.
    drop(senders);
    let drained = draining
        .join()
        .map_err(|_| io::Error::other("the receiving thread died"))?;
    let reading = outcome?;
    drained?;
    Ok(reading)
}

fn send_all(plan: &FloorPlan, senders: &mut [TcpStream]) -> io::Result<FloorReading> {
    let mut rooms: Vec<&mut [TcpStream]> = senders
        .chunks_mut(usize::from(plan.shape.members))
        .collect();
    let bytes = vec![b'x'; plan.bytes];
    let room_count = rooms.len().max(1);
    let mut reading = FloorReading::default();
    let mut failure = Ok(());
    Schedule::new(Instant::now(), plan.per_second).run(plan.batches, |batch, _| {
        let batch = usize::try_from(batch).unwrap_or_default();
        let Some(room) = rooms.get_mut(batch % room_count) else {
            return;
        };
        let sent = send_batch(room, batch / room_count, &bytes);
        match sent {
            Ok(sent) if failure.is_ok() => reading = reading.with(&sent),
            Ok(_) => {}
            Err(error) => failure = Err(error),
        }
    });
    failure.map(|()| reading)
}

/// One message to all sockets of a room but one, whose turn it is to be the sender.
fn send_batch(room: &mut [TcpStream], turn: usize, bytes: &[u8]) -> io::Result<FloorReading> {
    let own = turn % room.len().max(1);
    let before = thread_cpu()?;
    let mut sends = 0;
    for (_, socket) in room
        .iter_mut()
        .enumerate()
        .filter(|(place, _)| *place != own)
    {
        socket.write_all(bytes)?;
        sends += 1;
    }
    let cpu = thread_cpu()?.saturating_sub(before);
    Ok(FloorReading { sends, cpu })
}

fn thread_cpu() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn pairs(count: usize) -> io::Result<(Vec<TcpStream>, Vec<TcpStream>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut senders = Vec::with_capacity(count);
    let mut receivers = Vec::with_capacity(count);
    for _ in 0..count {
        receivers.push(TcpStream::connect(address)?);
        let (sender, _) = listener.accept()?;
        sender.set_nodelay(true)?;
        senders.push(sender);
    }
    Ok((senders, receivers))
}

/// Reads all sockets to their end, as the client does: many on one thread.
fn drain(receivers: Vec<TcpStream>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let mut readers = tokio::task::JoinSet::new();
        for receiver in receivers {
            receiver.set_nonblocking(true)?;
            let mut receiver = tokio::net::TcpStream::from_std(receiver)?;
            readers.spawn(async move {
                let mut buffer = vec![0; READ_BUFFER_BYTES];
                while matches!(receiver.read(&mut buffer).await, Ok(read) if read > 0) {}
            });
        }
        while readers.join_next().await.is_some() {}
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_batch_reaches_all_but_its_sender() {
        let shape = Shape {
            rooms: 2,
            members: 5,
        };
        let plan = FloorPlan {
            shape,
            bytes: 100,
            per_second: 1000,
            batches: 7,
        };
        let reading = measure(&plan).unwrap();
        assert_eq!(reading.sends, 7 * 4);
        assert!(reading.cpu > Duration::ZERO);
        assert_eq!(reading.with(&reading).sends, 56);
    }
}
