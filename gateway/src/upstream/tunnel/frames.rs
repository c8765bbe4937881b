//! Where frames of a WebSocket begin and end (RFC 6455, section 5.2): a last word is said between two of them.

use rand::Rng;

use crate::policy::lasting::End;

/// The longest head of a frame: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

const CLOSE: u8 = 0x8;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Frames that pass in one direction, followed.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    /// How much of a head there is.
    have: usize,
    /// How much of a payload is still to come.
    left: u64,
    /// Whether this side has said goodbye.
    closed: bool,
}

impl Frames {
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.have] = byte;
            self.have += 1;
            bytes = rest;
            if let Some(length) = self.length() {
                self.closed |= self.head[0] & 0x0f == CLOSE;
                (self.have, self.left) = (0, length);
            }
        }
    }

    /// The payload's length, once the head is whole.
    fn length(&self) -> Option<u64> {
        let &[_, second, ..] = &self.head;
        let (short, mask) = (second & !MASKED, if second & MASKED == 0 { 0 } else { 4 });
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.have < 2 + extended + mask {
            return None;
        }
        let bytes = &self.head[2..2 + extended];
        Some(if extended == 0 {
            u64::from(short)
        } else {
            bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        })
    }

    /// Whether a frame may begin here: none is under way, and none was the last.
    pub(super) const fn may_begin(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.closed
    }
}

/// What is said to a browser or a service whose tunnel ends (RFC 6455, section 7.4.1).
const fn reason(end: End) -> (u16, &'static str) {
    match end {
        End::Gone | End::Stopping => (1001, "the gateway stops"),
        End::Idle => (1001, "idle"),
        End::Old => (1001, "come back"),
        End::Revoked => (1008, "the session has ended"),
    }
}

/// A close frame for a client.
pub(super) fn close(end: End) -> Vec<u8> {
    frame(end, None)
}

/// A close frame for a service; what clients send is masked.
pub(super) fn masked_close(end: End) -> Vec<u8> {
    frame(end, Some(rand::rng().random()))
}

fn frame(end: End, mask: Option<[u8; 4]>) -> Vec<u8> {
    let (code, text) = reason(end);
    let payload: Vec<u8> = code.to_be_bytes().into_iter().chain(text.bytes()).collect();
    // At most 125 bytes: a control frame.
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let mut frame = vec![FINAL | CLOSE, length | if mask.is_some() { MASKED } else { 0 }];
    frame.extend(mask.unwrap_or_default().iter().take(if mask.is_some() { 4 } else { 0 }));
    let mask = mask.unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_followed_however_they_are_cut() {
        let long = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let longest = [&[0x02, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65_536]].concat();
        let masked = [&[0x81, 0x82, 1, 2, 3, 4][..], b"ab"].concat();
        for frame in [&[0x89, 0][..], &[0x81, 2, b'a', b'b'], &long, &longest, &masked] {
            let (mut whole, mut cut) = (Frames::default(), Frames::default());
            whole.follow(frame);
            whole.follow(frame);
            assert!(whole.may_begin(), "{:?}", &frame[..2]);
            for (i, byte) in frame.iter().enumerate() {
                assert_eq!(cut.may_begin(), i == 0, "{:?} {i}", &frame[..2]);
                cut.follow(&[*byte]);
            }
            assert!(cut.may_begin());
        }
    }

    #[test]
    fn nothing_follows_a_goodbye() {
        for frame in [close(End::Revoked), masked_close(End::Stopping)] {
            let mut frames = Frames::default();
            frames.follow(&frame);
            assert!(!frames.may_begin() && frames.left == 0 && frames.have == 0);
        }
        assert_eq!(close(End::Revoked)[..4], [0x88, 23, 0x03, 0xf0], "1008");
        let masked = masked_close(End::Idle);
        assert_eq!([masked[6] ^ masked[2], masked[7] ^ masked[3]], 1001_u16.to_be_bytes());
    }
}
