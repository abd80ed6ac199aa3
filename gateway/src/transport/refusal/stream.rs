//! Websocket frames from us to the client (RFC 6455, section 5.2).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::in_packet;

/// Longest packet that is looked into; a refusal is shorter.
const LOOKED_INTO_MAX: usize = 4_096;

/// A websocket on which refusals are put right; everything else passes untouched.
///
/// Relies on its writer writing whole frames, however few bytes of them are taken at a time. One that
/// does not is passed through as it is.
pub(in crate::transport) struct Outgoing<S> {
    io: S,
    is_legacy: bool,
    /// Bytes of the present frame that are still to be written.
    passing: usize,
    /// A refusal that was put right and is not written yet.
    told: Vec<u8>,
}

/// A whole frame at the beginning of what is to be written (RFC 6455, section 5.2).
struct WholeFrame<'a> {
    bytes: usize,
    /// Its text, if it is a message of one frame.
    text: Option<&'a [u8]>,
}

impl<S> Outgoing<S> {
    pub(in crate::transport) fn new(io: S, is_legacy: bool) -> Self {
        Self {
            io,
            is_legacy,
            passing: 0,
            told: Vec::new(),
        }
    }

    /// How many bytes can be written as they are, up to the first refusal; with the refusal and its
    /// size in what was given, if it is the first.
    fn plan(&self, bytes: &[u8]) -> (usize, Option<(String, usize)>) {
        let mut pass = self.passing.min(bytes.len());
        while let Some(rest) = bytes.get(pass..).filter(|rest| !rest.is_empty()) {
            let Some(frame) = whole_frame(rest) else {
                return (bytes.len(), None);
            };
            let told = frame
                .text
                .filter(|text| text.starts_with(b"44") && text.len() <= LOOKED_INTO_MAX)
                .and_then(|text| std::str::from_utf8(text).ok())
                .and_then(|packet| in_packet(packet, self.is_legacy));
            if let Some(told) = told {
                return (pass, (pass == 0).then_some((told, frame.bytes)));
            }
            pass += frame.bytes;
        }
        (pass, None)
    }

    /// So many bytes of these were written.
    fn passed(&mut self, bytes: &[u8], written: usize) {
        let mut end = self.passing;
        while end < written
            && let Some(rest) = bytes.get(end..)
            && let Some(frame) = whole_frame(rest)
        {
            end += frame.bytes;
        }
        self.passing = end.saturating_sub(written);
    }
}

impl<S: AsyncWrite + Unpin> Outgoing<S> {
    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.told.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.told))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.told.drain(..written);
        }
        // It comes once; an idle connection keeps no buffer.
        self.told = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// Reads the frame with which the bytes begin; `None` if they do not hold all of it. Servers do not
/// mask what they send.
fn whole_frame(bytes: &[u8]) -> Option<WholeFrame<'_>> {
    let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
    let (size, header) = match second {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (
            u64::from_be_bytes(*rest.first_chunk()?).try_into().ok()?,
            10,
        ),
        short => (usize::from(short & 0x7f), 2),
    };
    let end = usize::checked_add(header, size)?;
    let payload = bytes.get(header..end)?;
    Some(WholeFrame {
        bytes: end,
        text: (first == 0x81).then_some(payload),
    })
}

/// A text message of one frame.
fn frame_of(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(middle)) => {
            frame.push(126);
            frame.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}

impl<S: AsyncRead + Unpin> AsyncRead for Outgoing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outgoing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_told(cx))?;
        let (pass, refusal) = this.plan(buf);
        if let Some((told, bytes)) = refusal {
            this.told = frame_of(&told);
            return Poll::Ready(Ok(bytes));
        }
        let plain = buf.get(..pass).unwrap_or(buf);
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, plain))?;
        this.passed(buf, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_told(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_told(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    use super::{
        super::tests::{NEW, library},
        *,
    };

    /// Takes so many bytes at a time.
    struct Narrow(usize, Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let some = buf.len().min(self.0);
            self.1.extend_from_slice(&buf[..some]);
            Poll::Ready(Ok(some))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn written(frames: &[u8], at_a_time: usize, is_legacy: bool) -> Vec<u8> {
        let mut outgoing = Outgoing::new(Narrow(at_a_time, Vec::new()), is_legacy);
        let writing = async {
            outgoing.write_all(frames).await.unwrap();
            outgoing.flush().await.unwrap();
        };
        writing.now_or_never().unwrap();
        outgoing.io.1
    }

    #[test]
    fn a_refusal_between_other_frames_is_put_right_however_little_is_taken_at_a_time() {
        let event = frame_of(&format!("42[\"{}\"]", "x".repeat(300)));
        let ping = vec![0x89, 0];
        let refusal = frame_of(&library("/chat/,"));
        let frames = [event.clone(), refusal, ping.clone(), event.clone()].concat();
        let told = frame_of(&format!("44/chat/,{NEW}"));
        let wanted = [event.clone(), told, ping, event].concat();
        for at_a_time in [1, 2, 3, 5, 301, 1_000_000] {
            assert_eq!(written(&frames, at_a_time, false), wanted, "{at_a_time}");
        }
    }

    proptest! {
        #[test]
        fn other_frames_pass_untouched(
            texts in proptest::collection::vec("(42|44)?\\PC{0,200}", 0..6),
            at_a_time in 1_usize..200,
            is_legacy: bool,
        ) {
            let texts = texts.iter().filter(|text| in_packet(text, is_legacy).is_none());
            let frames: Vec<u8> = texts.flat_map(|text| frame_of(text)).collect();
            prop_assert_eq!(written(&frames, at_a_time, is_legacy), frames);
        }

        #[test]
        fn any_bytes_are_written_as_they_are_or_put_right_without_panic(bytes: Vec<u8>, at_a_time in 1_usize..20) {
            written(&bytes, at_a_time, true);
        }
    }
}
