//! The head of a request as its bytes come in: what the parser lets pass, or could not name.

use shared::problem::Code;

/// Where in the stream of requests the watch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Watch {
    /// Before a head: at the start, and after each answer.
    #[default]
    Before,
    /// Inside one.
    Inside {
        /// The byte before.
        previous: u8,
        /// Whether the line has nothing in it yet.
        empty: bool,
        /// How much of the request line has come; `None`: all of it.
        first_line: Option<usize>,
    },
    /// After one: a body is none of our business.
    After,
}

/// Why a head is refused before the parser has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A line ends with a bare LF.
    BareLf,
    /// The request line is longer than any target may be.
    LongLine,
}

impl Fault {
    /// The problem it is answered with.
    pub(super) const fn code(self) -> Code {
        match self {
            Self::BareLf => Code::MalformedRequest,
            Self::LongLine => Code::UriTooLong,
        }
    }
}

impl Watch {
    /// Looks at what has come. `most` is the longest request line, in bytes without its CRLF.
    pub(super) fn look(&mut self, come: &[u8], most: usize) -> Option<Fault> {
        if *self == Self::Before && !come.is_empty() {
            // What does not begin with a method is the rest of a body that nobody wanted.
            let head = Self::Inside { previous: 0, empty: true, first_line: Some(0) };
            *self = if begins(come) { head } else { Self::After };
        }
        let Self::Inside { mut previous, mut empty, mut first_line } = *self else { return None };
        for &byte in come {
            match byte {
                b'\n' if previous != b'\r' => return Some(Fault::BareLf),
                b'\n' if empty => {
                    *self = Self::After;
                    return None;
                }
                b'\n' => (empty, first_line) = (true, None),
                b'\r' => {}
                _ => {
                    empty = false;
                    first_line = first_line.map(|length| length + 1);
                    if first_line.is_some_and(|length| length > most) {
                        return Some(Fault::LongLine);
                    }
                }
            }
            previous = byte;
        }
        *self = Self::Inside { previous, empty, first_line };
        None
    }
}

/// How heads begin. Text of a body that is still coming in while its answer has begun hardly does.
const BEGINNINGS: [&[u8]; 8] =
    [b"GET /", b"HEAD /", b"POST /", b"PUT /", b"PATCH /", b"DELETE /", b"OPTIONS /", b"OPTIONS *"];

fn begins(come: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| come.starts_with(beginning) || beginning.starts_with(come))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a bare LF is found, whole and byte by byte.
    fn found(text: &str) -> bool {
        let whole = Watch::default().look(text.as_bytes(), 64);
        let mut watch = Watch::default();
        let stepwise = text.bytes().find_map(|byte| watch.look(&[byte], 64));
        assert_eq!(whole, stepwise, "{text:?}");
        whole == Some(Fault::BareLf)
    }

    #[test]
    fn heads_are_watched_and_bodies_are_not() {
        assert!(!found("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!found("POST / HTTP/1.1\r\nHost: x\r\n\r\nbody\nwith\n\nlines"));
        assert!(found("GET / HTTP/1.1\nHost: x\n\n"));
        assert!(found("GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"));
        assert!(found("GET / HTTP/1.1\r\nHost: x\r\n\n"));
        for rest in ["{\"a\":\n1}\n\n", "SHOUTING text\n"] {
            assert!(Watch::default().look(rest.as_bytes(), 64).is_none(), "the rest of a body: {rest}");
        }
    }

    #[test]
    fn a_request_line_has_an_end_in_time() {
        let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(length));
        assert_eq!(Watch::default().look(line(50).as_bytes(), 64), None);
        assert_eq!(Watch::default().look(line(51).as_bytes(), 64), Some(Fault::LongLine));
        let long_field = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(100));
        assert_eq!(Watch::default().look(long_field.as_bytes(), 64), None);
        let mut watch = Watch::default();
        assert_eq!(watch.look(b"GET /", 64), None);
        assert_eq!(watch.look(&[b'x'; 60], 64), Some(Fault::LongLine), "it need not be complete");
    }

    #[test]
    fn after_an_answer_the_next_head_is_watched() {
        let mut watch = Watch::default();
        assert!(watch.look(b"GET / HTTP/1.1\r\n\r\n", 64).is_none());
        assert!(watch.look(b"a\nb", 64).is_none());
        watch = Watch::default();
        assert!(watch.look(b"GET / HTTP/1.1\n", 64).is_some());
    }
}
