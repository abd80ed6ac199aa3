//! The text of a generated message: it says which message it is, who sent it and when it should
//! have been sent, and is padded to the wanted length.

/// The shortest text that holds any stamp, in bytes.
pub const BYTES_MIN: usize = 40;
const FILLER: char = 'x';

/// What a message says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Number of the room in the run.
    pub room: u32,
    /// Number of the message in its room, from 0, in the order of intended sending.
    pub sequence: u32,
    /// The sender's number, in the room or in the run.
    pub sender: u32,
    /// Intended moment, in microseconds after the start of the run; less than 2^48.
    pub intended_us: u64,
}

impl Stamp {
    /// A text of `bytes` bytes (at least [`BYTES_MIN`]).
    #[must_use]
    pub fn text(&self, bytes: usize) -> String {
        let Self {
            room,
            sequence,
            sender,
            intended_us,
        } = self;
        let mut text = format!("{room:x}.{sequence:x}.{sender:x}.{intended_us:x}.");
        while text.len() < bytes.max(BYTES_MIN) {
            text.push(FILLER);
        }
        text
    }

    /// Reads a text written by [`Self::text`]; `None` for any other text.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut fields = text.splitn(5, '.');
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let stamp = Self {
            room: number()?.try_into().ok()?,
            sequence: number()?.try_into().ok()?,
            sender: number()?.try_into().ok()?,
            intended_us: number()?,
        };
        let padding = fields.next()?;
        padding.chars().all(|c| c == FILLER).then_some(stamp)
    }
}

/// The gateway's default bound is 16 KiB; a larger text would only be refused.
pub(crate) fn text_bytes(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if (BYTES_MIN..=16_384).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("{BYTES_MIN} to 16384 bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_survives_a_round_trip(
            room in any::<u32>(),
            sequence in any::<u32>(),
            sender in any::<u32>(),
            intended_us in 0..1_u64 << 48,
            bytes in 0..200_usize,
        ) {
            let stamp = Stamp { room, sequence, sender, intended_us };
            let text = stamp.text(bytes);
            prop_assert_eq!(text.len(), bytes.max(BYTES_MIN));
            prop_assert_eq!(Stamp::read(&text), Some(stamp));
        }

        #[test]
        fn other_texts_are_no_stamps(text in "[a-f0-9.x ]{0,40}é") {
            prop_assert_eq!(Stamp::read(&text), None);
        }
    }
}
