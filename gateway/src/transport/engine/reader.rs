//! Websocket frames from a client to us (RFC 6455, section 5), read in any portions.
//!
//! Nothing is kept between two whole messages: what arrives whole is handed on out of the buffer that it
//! was read into.

use std::{io::Cursor, ops::ControlFlow};

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use super::frame::CONTROL_BYTES_MAX;

/// Something whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// To be answered with the same payload.
    Ping(&'a [u8]),
    Pong,
    Close,
}

/// What a client may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::transport) enum Wrong {
    #[error("a frame that is not allowed")]
    Frame,
    #[error("a text that is not UTF-8")]
    Text,
    #[error("a message that is too long")]
    TooLong,
    #[error("a packet that cannot be read")]
    Packet,
}

impl Wrong {
    /// What the client is told (section 7.4.1).
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Frame => 1002,
            Self::Text => 1007,
            Self::TooLong => 1009,
            Self::Packet => 1008,
        }
    }
}

/// What becomes of something whole: whether reading goes on behind it.
pub(super) type Taken = Result<ControlFlow<()>, Wrong>;

/// It does.
pub(super) const ON: Taken = Ok(ControlFlow::Continue(()));

/// A message of several frames, as far as it is here.
#[derive(Debug)]
struct Fragments {
    is_text: bool,
    bytes: Vec<u8>,
}

/// Reads one connection's frames.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The beginning of a frame that is not here as a whole.
    partial: Vec<u8>,
    fragments: Option<Box<Fragments>>,
}

/// A frame at the beginning of some bytes.
struct Frame {
    header: FrameHeader,
    /// Where its payload begins and ends.
    from: usize,
    to: usize,
}

impl Reader {
    /// Takes bytes as they come, and hands on what is whole, up to the first that is refused, or behind
    /// which reading does not go on. A message has at most `max` bytes.
    pub(super) fn feed(
        &mut self,
        bytes: &mut [u8],
        max: usize,
        mut take: impl FnMut(Incoming<'_>) -> Taken,
    ) -> Taken {
        if self.partial.is_empty() {
            let (used, flow) = self.read(bytes, max, &mut take)?;
            let rest = bytes.get(used..).unwrap_or_default();
            if !rest.is_empty() {
                self.partial = rest.to_vec();
            }
            return Ok(flow);
        }
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let (used, flow) = self.read(&mut all, max, &mut take)?;
        if used < all.len() {
            all.drain(..used);
            self.partial = all;
        }
        Ok(flow)
    }

    /// What was not handed on.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.partial
    }

    /// How many bytes it holds.
    #[cfg(test)]
    fn held(&self) -> usize {
        let fragments = self.fragments.as_ref();
        self.partial.capacity() + fragments.map_or(0, |fragments| fragments.bytes.capacity())
    }

    /// Reads whole frames; returns how many bytes they were, and whether reading goes on.
    fn read(
        &mut self,
        bytes: &mut [u8],
        max: usize,
        take: &mut impl FnMut(Incoming<'_>) -> Taken,
    ) -> Result<(usize, ControlFlow<()>), Wrong> {
        let mut used = 0;
        while let Some(rest) = bytes.get_mut(used..).filter(|rest| !rest.is_empty()) {
            let Some(frame) = self.frame(rest, max)? else {
                break;
            };
            used += frame.to;
            let payload = rest.get_mut(frame.from..frame.to).unwrap_or_default();
            // A client masks everything (section 5.1).
            let mask = frame.header.mask.ok_or(Wrong::Frame)?;
            unmask(payload, mask);
            let flow = self.whole(&frame.header, payload, take)?;
            if flow.is_break() {
                return Ok((used, flow));
            }
        }
        Ok((used, ControlFlow::Continue(())))
    }

    /// The frame with which the bytes begin, if it is here as a whole.
    fn frame(&self, bytes: &[u8], max: usize) -> Result<Option<Frame>, Wrong> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Wrong::Frame)?;
        let Some((header, length)) = parsed else {
            return Ok(None);
        };
        if header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_none() {
            return Err(Wrong::Frame);
        }
        let length = usize::try_from(length).map_err(|_| Wrong::TooLong)?;
        let is_control = matches!(header.opcode, OpCode::Control(_));
        if is_control && (!header.is_final || length > CONTROL_BYTES_MAX) {
            return Err(Wrong::Frame);
        }
        let before = self.fragments.as_ref().filter(|_| !is_control);
        let before = before.map_or(0, |fragments| fragments.bytes.len());
        if length.saturating_add(before) > max {
            return Err(Wrong::TooLong);
        }
        let from = usize::try_from(cursor.position()).map_err(|_| Wrong::TooLong)?;
        let to = from.saturating_add(length);
        Ok((to <= bytes.len()).then_some(Frame { header, from, to }))
    }

    fn whole(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        take: &mut impl FnMut(Incoming<'_>) -> Taken,
    ) -> Taken {
        match header.opcode {
            OpCode::Control(Control::Ping) => take(Incoming::Ping(payload)),
            OpCode::Control(Control::Close) => take(Incoming::Close),
            OpCode::Control(_) => take(Incoming::Pong),
            OpCode::Data(Data::Continue) => {
                let mut fragments = self.fragments.take().ok_or(Wrong::Frame)?;
                fragments.bytes.extend_from_slice(payload);
                if header.is_final {
                    return message(fragments.is_text, &fragments.bytes, take);
                }
                self.fragments = Some(fragments);
                ON
            }
            OpCode::Data(_) if self.fragments.is_some() => Err(Wrong::Frame),
            OpCode::Data(kind) => {
                let is_text = kind == Data::Text;
                if header.is_final {
                    return message(is_text, payload, take);
                }
                self.fragments = Some(Box::new(Fragments {
                    is_text,
                    bytes: payload.to_vec(),
                }));
                ON
            }
        }
    }
}

fn message(is_text: bool, payload: &[u8], take: &mut impl FnMut(Incoming<'_>) -> Taken) -> Taken {
    if !is_text {
        return take(Incoming::Binary(payload));
    }
    take(Incoming::Text(
        std::str::from_utf8(payload).map_err(|_| Wrong::Text)?,
    ))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let whole = u32::from_ne_bytes(mask);
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ whole).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1_000;

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Owned {
        Text(String),
        Binary(Vec<u8>),
        Ping(Vec<u8>),
        Pong,
        Close,
    }

    impl From<Incoming<'_>> for Owned {
        fn from(incoming: Incoming<'_>) -> Self {
            match incoming {
                Incoming::Text(text) => Self::Text(text.to_owned()),
                Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
                Incoming::Ping(bytes) => Self::Ping(bytes.to_vec()),
                Incoming::Pong => Self::Pong,
                Incoming::Close => Self::Close,
            }
        }
    }

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                frame.push(0x80 + 126);
                frame.extend(u16::try_from(long).unwrap().to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        frame
    }

    fn read(reader: &mut Reader, bytes: &[u8]) -> (Vec<Owned>, Result<(), Wrong>) {
        let mut seen = Vec::new();
        let read = reader.feed(&mut bytes.to_vec(), MAX, |incoming| {
            seen.push(incoming.into());
            ON
        });
        (seen, read.map(drop))
    }

    fn wrong(bytes: &[u8]) -> Wrong {
        read(&mut Reader::default(), bytes).1.unwrap_err()
    }

    #[test]
    fn what_is_not_allowed_is_refused_in_its_own_words() {
        let mask = [1, 2, 3, 4];
        assert_eq!(wrong(&[0x81, 0x01, b'x']), Wrong::Frame, "not masked");
        assert_eq!(wrong(&frame(0xc1, b"x", mask)), Wrong::Frame, "compressed");
        assert_eq!(wrong(&frame(0x83, b"x", mask)), Wrong::Frame, "reserved");
        assert_eq!(wrong(&frame(0x80, b"x", mask)), Wrong::Frame, "continued");
        assert_eq!(wrong(&frame(0x09, b"x", mask)), Wrong::Frame, "half a ping");
        let long = frame(0x89, &[0; 126], mask);
        assert_eq!(wrong(&long), Wrong::Frame, "a long ping");
        let twice = [frame(0x01, b"x", mask), frame(0x81, b"y", mask)].concat();
        assert_eq!(wrong(&twice), Wrong::Frame, "two at a time");
        assert_eq!(wrong(&frame(0x81, b"\xff", mask)), Wrong::Text);
        // By the header alone, however much is to come.
        assert_eq!(wrong(&[0x81, 0xfe, 0x03, 0xe9, 0, 0, 0, 0]), Wrong::TooLong);
        let endless = [
            0x81, 0xff, 0xff, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
        ];
        assert_eq!(wrong(&endless), Wrong::TooLong);
        let parts = [
            frame(0x01, &[b'x'; 600], mask),
            frame(0x00, &[b'x'; 600], mask),
        ];
        assert_eq!(wrong(&parts.concat()), Wrong::TooLong, "in two frames");
    }

    #[test]
    fn nothing_is_kept_between_two_messages() {
        let mut reader = Reader::default();
        let whole = frame(0x81, &[b'x'; 900], [9; 4]);
        let (first, second) = whole.split_at(500);
        assert_eq!(read(&mut reader, first), (Vec::new(), Ok(())));
        assert!(reader.held() >= 500);
        assert_eq!(read(&mut reader, second).0.len(), 1);
        assert_eq!(reader.held(), 0);
    }

    #[test]
    fn reading_stops_where_it_is_told_to_and_the_rest_is_kept() {
        let mut reader = Reader::default();
        let frames = ["a", "b", "c"].map(|text| frame(0x81, text.as_bytes(), [7; 4]));
        let mut seen = Vec::new();
        let read = reader.feed(&mut frames.concat(), MAX, |incoming| {
            seen.push(Owned::from(incoming));
            Ok(if seen.len() == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        assert_eq!(read, Ok(ControlFlow::Break(())));
        assert_eq!(seen.len(), 2);
        assert_eq!(reader.into_rest(), frames[2]);
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..200)
    }

    fn message() -> impl Strategy<Value = Owned> {
        prop_oneof![
            "[a-zé€😀]{0,60}".prop_map(Owned::Text),
            payload().prop_map(Owned::Binary),
            prop::collection::vec(any::<u8>(), 0..=CONTROL_BYTES_MAX).prop_map(Owned::Ping),
            Just(Owned::Pong),
            Just(Owned::Close),
        ]
    }

    /// The frames of a message; texts and bytes in several, between which others may come.
    fn frames(message: &Owned, mask: [u8; 4], parts: usize) -> Vec<u8> {
        let (kind, payload): (u8, &[u8]) = match message {
            Owned::Text(text) => (1, text.as_bytes()),
            Owned::Binary(bytes) => (2, bytes),
            Owned::Ping(bytes) => return frame(0x89, bytes, mask),
            Owned::Pong => return frame(0x8a, b"", mask),
            Owned::Close => return frame(0x88, &[3, 232], mask),
        };
        let size = payload.len().div_ceil(parts).max(1);
        let mut chunks: Vec<&[u8]> = payload.chunks(size).collect();
        if chunks.is_empty() {
            chunks.push(b"");
        }
        let last = chunks.len() - 1;
        let one = |(number, chunk): (usize, &&[u8])| {
            let kind = if number == 0 { kind } else { 0 };
            frame(if number == last { 0x80 | kind } else { kind }, chunk, mask)
        };
        chunks.iter().enumerate().flat_map(one).collect()
    }

    proptest! {
        #[test]
        fn messages_arrive_as_they_were_sent_in_whatever_portions(
            messages in prop::collection::vec((message(), any::<[u8; 4]>(), 1..4_usize), 0..12),
            cuts in prop::collection::vec(1..40_usize, 1..50),
        ) {
            let sent = messages.iter().flat_map(|(m, mask, parts)| frames(m, *mask, *parts));
            let sent: Vec<u8> = sent.collect();
            let (mut reader, mut seen, mut rest) = (Reader::default(), Vec::new(), &sent[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                let (more, read) = read(&mut reader, now);
                prop_assert_eq!(read, Ok(()));
                seen.extend(more);
                rest = later;
            }
            let all: Vec<Owned> = messages.into_iter().map(|(message, ..)| message).collect();
            prop_assert_eq!(seen, all);
            prop_assert_eq!(reader.held(), 0);
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_held_within_the_bound(bytes in payload()) {
            let mut reader = Reader::default();
            drop(read(&mut reader, &bytes));
            prop_assert!(reader.held() <= bytes.len() * 2);
        }
    }
}
