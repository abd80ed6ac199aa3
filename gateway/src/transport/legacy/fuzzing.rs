//! The filters of old clients' streams against a plain reference that sees all at once.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{
    payload::{in_ascii, without_queries},
    stream::WithoutQueries,
};

/// Longest payload that is looked into.
const LOOKED_INTO_MAX: u128 = 4_096;

/// Four bytes say in which portions the rest arrives and is read. If the first is odd, the rest
/// tells which frames to make; otherwise it is the stream itself.
pub(crate) fn frames(data: &[u8]) {
    let Some((portions, rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let made;
    let stream = if portions.first().is_some_and(|byte| byte % 2 == 1) {
        made = made_of(rest);
        &made
    } else {
        rest
    };
    let filtered = filtered(stream, *portions);
    assert!(filtered == expected(stream), "in portions of {portions:?}");
}

/// A payload, against a reference that counts in UTF-16.
pub(crate) fn payload(data: &[u8]) {
    let Ok(payload) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(escaped) = in_ascii(payload) {
        assert!(escaped.is_ascii() && in_ascii(&escaped).is_none());
    }
    let units: Vec<u16> = payload.encode_utf16().collect();
    let packets = packets(&units);
    let cut = packets.as_ref().map(|packets| {
        let cut = packets.iter().map(|packet| cut(packet));
        cut.collect::<Vec<Option<String>>>()
    });
    let wanted = packets.zip(cut).and_then(|(packets, cut)| {
        let changed = cut.iter().any(Option::is_some);
        let all = packets.into_iter().zip(cut);
        let written = all.map(|(packet, cut)| {
            let packet = cut.unwrap_or(packet);
            format!("{}:{packet}", packet.encode_utf16().count())
        });
        changed.then(|| written.collect::<String>())
    });
    assert_eq!(without_queries(payload), wanted);
}

fn packets(units: &[u16]) -> Option<Vec<String>> {
    let (mut packets, mut rest) = (Vec::new(), units);
    while !rest.is_empty() {
        let colon = rest.iter().position(|unit| *unit == u16::from(b':'))?;
        let (length, tail) = rest.split_at(colon);
        let length: usize = String::from_utf16(length).ok()?.parse().ok()?;
        let (packet, tail) = tail.get(1..)?.split_at_checked(length)?;
        packets.push(String::from_utf16(packet).ok()?);
        rest = tail;
    }
    Some(packets)
}

/// A CONNECT packet without its query, where it has one.
fn cut(packet: &str) -> Option<String> {
    if !packet.starts_with("40/") {
        return None;
    }
    let query = packet.find('?')?;
    let (before, after) = packet.split_at(query);
    let end = after.find(',').unwrap_or(after.len());
    let rest = after.get(end..)?;
    (!before.contains(',')).then(|| format!("{before}{rest}"))
}

/// Frames: first byte, a byte of shape, a byte of length, so many bytes of payload.
fn made_of(mut plan: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let Some(([first, shape, length], rest)) = plan.split_first_chunk::<3>() {
        let (text, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        plan = rest;
        let times = if shape & 0x10 == 0 { 1 } else { 40 };
        let payload = text.repeat(times);
        stream.push(*first);
        let masked = if shape & 1 == 0 { 0x80 } else { 0 };
        let size = payload.len() as u64;
        match (u8::try_from(size), u16::try_from(size), shape >> 1 & 3) {
            (Ok(size), _, 0 | 1) if size < 126 => stream.push(masked | size),
            (_, Ok(size), 0..3) => {
                stream.push(masked | 0x7e);
                stream.extend(size.to_be_bytes());
            }
            _ => {
                stream.push(masked | 0x7f);
                stream.extend(size.to_be_bytes());
            }
        }
        let mask = if masked == 0 || shape & 8 == 0 {
            [0; 4]
        } else {
            [*shape, *length, 1, 0x5a]
        };
        if masked != 0 {
            stream.extend(mask);
        }
        stream.extend(unmasked(&payload, mask));
    }
    stream
}

fn unmasked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let masked = payload.iter().zip(mask.iter().cycle());
    masked.map(|(byte, mask)| byte ^ mask).collect()
}

/// The whole stream at once. What cannot be judged yet is held back.
fn expected(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = stream;
    while let Some((head, length, mask)) = head(rest) {
        let whole_text = rest.first() == Some(&0x81);
        let Some(mask) = mask.filter(|_| whole_text && length <= LOOKED_INTO_MAX) else {
            let end = usize::try_from(head as u128 + length).unwrap_or(usize::MAX);
            let (frame, tail) = rest.split_at(end.min(rest.len()));
            out.extend(frame);
            rest = tail;
            continue;
        };
        let end = head + usize::try_from(length).unwrap_or(usize::MAX);
        let Some((frame, tail)) = rest.split_at_checked(end) else {
            return out;
        };
        let text = unmasked(frame.get(head..).unwrap_or_default(), mask);
        match std::str::from_utf8(&text).ok().and_then(cut) {
            Some(packet) => out.extend(text_frame(packet.as_bytes())),
            None => out.extend(frame),
        }
        rest = tail;
    }
    out
}

/// Bytes of a frame's header, its length, its mask; `None` if there are fewer.
fn head(bytes: &[u8]) -> Option<(usize, u128, Option<[u8; 4]>)> {
    let second = *bytes.get(1)?;
    let (size, length) = match second & 0x7f {
        126 => (2, bytes.get(2..4)?),
        127 => (8, bytes.get(2..10)?),
        _ => (0, bytes.get(2..2)?),
    };
    let length = match size {
        0 => u128::from(second & 0x7f),
        _ => length
            .iter()
            .fold(0, |sum, byte| sum * 256 + u128::from(*byte)),
    };
    if second < 0x80 {
        return Some((2 + size, length, None));
    }
    let mask = bytes.get(2 + size..6 + size)?.try_into().ok()?;
    Some((6 + size, length, Some(mask)))
}

fn text_frame(payload: &[u8]) -> Vec<u8> {
    let size = match u16::try_from(payload.len()) {
        Ok(short) if short < 126 => vec![0x80 | short.to_be_bytes()[1]],
        Ok(long) => [&[0xfe], &long.to_be_bytes()[..]].concat(),
        Err(_) => Vec::new(),
    };
    [&[0x81], &*size, &[0; 4], payload].concat()
}

/// A stream that arrives in portions.
struct Portions<'a> {
    rest: &'a [u8],
    sizes: [usize; 2],
}

impl AsyncRead for Portions<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.sizes.rotate_left(1);
        let [size, _] = this.sizes;
        let (now, later) = this
            .rest
            .split_at(size.min(buf.remaining()).min(this.rest.len()));
        buf.put_slice(now);
        this.rest = later;
        Poll::Ready(Ok(()))
    }
}

fn filtered(stream: &[u8], [one, two, three, four]: [u8; 4]) -> Vec<u8> {
    // Long streams in larger portions, or most of the time would go there.
    let least = stream.len() / 512;
    let size = |byte: u8| match byte {
        0xf0.. => 2_000,
        _ => usize::from(byte) + 1 + least,
    };
    let io = Portions {
        rest: stream,
        sizes: [size(one / 2), size(two)],
    };
    let mut filter = WithoutQueries::new(io);
    let mut cx = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    for room in [size(three), size(four)].into_iter().cycle() {
        let mut bytes = vec![0; room];
        let mut read = ReadBuf::new(&mut bytes);
        let polled = Pin::new(&mut filter).poll_read(&mut cx, &mut read);
        assert!(matches!(polled, Poll::Ready(Ok(()))));
        if read.filled().is_empty() {
            break;
        }
        out.extend_from_slice(read.filled());
    }
    out
}
