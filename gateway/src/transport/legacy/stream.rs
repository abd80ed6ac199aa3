//! Websocket frames of Engine.IO 3 (RFC 6455, section 5.2), from the client to us.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::without_query;

/// Longest payload that is looked into. CONNECT packets are short; a query of this length is not
/// one that a client can open a connection with.
const LOOKED_INTO_MAX: usize = 4_096;
/// Read at a time.
const CHUNK: usize = 1_024;

/// Reads frames and cuts the queries of CONNECT packets; writes through.
pub(in crate::transport) struct WithoutQueries<S> {
    io: S,
    filter: Filter,
    /// Filtered bytes that the reader has not taken.
    ready: Vec<u8>,
}

impl<S> WithoutQueries<S> {
    pub(in crate::transport) fn new(io: S) -> Self {
        Self {
            io,
            filter: Filter::default(),
            ready: Vec::new(),
        }
    }
}

/// Where in the stream of frames we are.
#[derive(Debug, Default)]
struct Filter {
    /// A header that is not complete yet, or a whole frame that is looked into.
    held: Vec<u8>,
    /// Bytes of the current frame's payload that pass without a look.
    passing: u64,
}

/// A frame's header.
struct Header {
    length: usize,
    payload: u64,
    mask: Option<[u8; 4]>,
    /// The first byte says: text, and the whole message.
    whole_text: bool,
}

impl Filter {
    /// Takes bytes as they come, in any portions, and adds the filtered ones to `out`.
    fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let pass = usize::try_from(self.passing)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let (now, later) = bytes.split_at(pass);
                out.extend_from_slice(now);
                self.passing -= pass as u64;
                bytes = later;
                continue;
            }
            let wanted = self.wanted();
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            self.settle(out);
        }
    }

    /// How many more bytes are needed to know how to go on: at least one.
    fn wanted(&self) -> usize {
        let total = match header(&self.held) {
            Ok(header) => header.length + usize::try_from(header.payload).unwrap_or(0),
            Err(needed) => needed,
        };
        total.saturating_sub(self.held.len()).max(1)
    }

    /// Lets go of what is held, if enough is known about it.
    fn settle(&mut self, out: &mut Vec<u8>) {
        let Ok(header) = header(&self.held) else {
            return;
        };
        let short = header.payload <= LOOKED_INTO_MAX as u64;
        let Some(mask) = header.mask.filter(|_| header.whole_text && short) else {
            out.append(&mut self.held);
            self.passing = header.payload;
            return;
        };
        let Some(payload) = self.held.get(header.length..) else {
            return;
        };
        if (payload.len() as u64) < header.payload {
            return;
        }
        let text: Vec<u8> = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        match std::str::from_utf8(&text).ok().and_then(without_query) {
            Some(packet) => {
                self.held.clear();
                write_frame(packet.as_bytes(), out);
            }
            None => out.append(&mut self.held),
        }
    }
}

/// Reads a header; `Err` with the bytes that it takes at least, if there are fewer.
fn header(bytes: &[u8]) -> Result<Header, usize> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>().ok_or(2_usize)?;
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let masked = second & 0x80 != 0;
    let length = 2 + extended + if masked { 4 } else { 0 };
    if bytes.len() < length {
        return Err(length);
    }
    let (size, rest) = rest.split_at(extended);
    let payload = match extended {
        0 => u64::from(second & 0x7f),
        _ => size.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let mask = if masked {
        rest.first_chunk::<4>().copied()
    } else {
        None
    };
    Ok(Header {
        length,
        payload,
        mask,
        whole_text: first == 0x81,
    })
}

/// A whole text message, masked with zeros as a client's frames must be masked.
fn write_frame(payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x81);
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => out.push(0x80 | short),
        _ => {
            out.push(0x80 | 0x7e);
            let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

impl<S: AsyncRead + Unpin> AsyncRead for WithoutQueries<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ready.is_empty() {
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.filter.feed(read.filled(), &mut this.ready);
        }
        let take = this.ready.len().min(buf.remaining());
        buf.put_slice(this.ready.get(..take).unwrap_or_default());
        this.ready.drain(..take);
        if this.ready.is_empty() {
            // An idle connection keeps no buffer.
            this.ready = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithoutQueries<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            middle @ 126..0x1_0000 => {
                bytes.push(0x80 | 0x7e);
                bytes.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 0x7f);
                bytes.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&mask);
        bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        bytes
    }

    fn filtered(bytes: &[u8], portion: usize) -> Vec<u8> {
        let mut filter = Filter::default();
        let mut out = Vec::new();
        for some in bytes.chunks(portion.max(1)) {
            filter.feed(some, &mut out);
        }
        out
    }

    #[test]
    fn a_connect_frame_loses_its_query_and_others_pass_unchanged() {
        let connect = frame(0x81, b"40/chat/?meta=1,", [1, 2, 3, 4]);
        let event = frame(
            0x81,
            br#"42/chat/,["message","a","40/chat/?x"]"#,
            [9, 8, 7, 6],
        );
        let large = frame(0x81, &vec![b'x'; 70_000], [1, 1, 1, 1]);
        let stream = [connect, event.clone(), large.clone(), event.clone()].concat();
        let mut wanted = Vec::new();
        write_frame(b"40/chat/,", &mut wanted);
        wanted.extend([event.clone(), large, event].concat());
        for portion in [1, 2, 3, 7, 1_024, 1_000_000] {
            assert!(
                filtered(&stream, portion) == wanted,
                "in portions of {portion}"
            );
        }
    }

    proptest! {
        #[test]
        fn frames_without_such_packets_pass_unchanged_however_they_are_cut(
            frames in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300), any::<[u8; 4]>()), 0..8),
            portion in 1_usize..400,
        ) {
            let stream: Vec<u8> =
                frames.iter().flat_map(|(first, payload, mask)| frame(*first, payload, *mask)).collect();
            prop_assert_eq!(filtered(&stream, portion), stream);
        }

        #[test]
        fn any_bytes_are_taken_without_panic(bytes: Vec<u8>, portion in 1_usize..20) {
            filtered(&bytes, portion);
        }
    }
}
