//! Websocket frames from us to a client (RFC 6455, section 5.2): unmasked, one frame a message.

use std::io::Cursor;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Longest payload of a control frame (section 5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;
/// Longest header of a frame that is not masked.
const HEADER_BYTES_MAX: usize = 10;

/// A text message of these parts.
pub(super) fn text(parts: &[&str]) -> Bytes {
    let bytes = parts.iter().map(|part| part.len()).sum();
    let mut frame = begin(OpCode::Data(Data::Text), bytes);
    for part in parts {
        frame.put_slice(part.as_bytes());
    }
    frame.freeze()
}

/// A binary message.
#[cfg(feature = "conformance")]
pub(super) fn binary(payload: &[u8]) -> Bytes {
    let mut frame = begin(OpCode::Data(Data::Binary), payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// The answer to a ping, with its payload.
pub(super) fn pong(payload: &[u8]) -> Bytes {
    control(Control::Pong, payload)
}

/// The end of the connection, with a reason of section 7.4.1.
pub(super) fn close(code: u16) -> Bytes {
    control(Control::Close, &code.to_be_bytes())
}

/// The text of a frame that [`text`] has made; of others nothing.
pub(super) fn payload(frame: &[u8]) -> &str {
    let mut cursor = Cursor::new(frame);
    let Ok(Some((header, _))) = FrameHeader::parse(&mut cursor) else {
        return "";
    };
    if header.opcode != OpCode::Data(Data::Text) {
        return "";
    }
    let begin = usize::try_from(cursor.position()).unwrap_or_default();
    let payload = frame.get(begin..).unwrap_or_default();
    std::str::from_utf8(payload).unwrap_or_default()
}

fn control(kind: Control, payload: &[u8]) -> Bytes {
    let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
    let mut frame = begin(OpCode::Control(kind), payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// A header, with room for so many bytes behind it.
fn begin(opcode: OpCode, bytes: usize) -> BytesMut {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    let mut frame = BytesMut::with_capacity(HEADER_BYTES_MAX + bytes).writer();
    let length = u64::try_from(bytes).unwrap_or(u64::MAX);
    // Writing to memory does not fail.
    header.format(length, &mut frame).unwrap_or_default();
    frame.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_frame_whatever_its_length() {
        assert_eq!(text(&["4", "2[]"]).as_ref(), b"\x81\x0442[]");
        let middle = "x".repeat(300);
        assert_eq!(text(&[&middle])[..4], [0x81, 126, 1, 44]);
        let long = "x".repeat(70_000);
        let frame = text(&[&long]);
        assert_eq!(frame[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        assert_eq!(frame.len(), 70_010);
        assert_eq!(payload(&frame), long);
        assert_eq!(payload(&text(&[&middle])), middle);
    }

    #[test]
    fn control_frames_are_short() {
        assert_eq!(pong(b"hi").as_ref(), b"\x8a\x02hi");
        assert_eq!(pong(&[0; 500]).len(), 2 + CONTROL_BYTES_MAX);
        assert_eq!(close(1009).as_ref(), b"\x88\x02\x03\xf1");
    }
}
