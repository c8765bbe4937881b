//! Whether the lines of a request's head end as they must, watched across reads.

/// Where in the stream of requests the watch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// Before a head: at the start, and after each answer.
    #[default]
    Before,
    /// Inside one: the byte before, and whether the line has anything in it yet.
    Inside { previous: u8, empty: bool },
    /// After one: a body is none of our business.
    After,
}

impl LineEnds {
    /// Looks at what has come; `true` when a head's line ends with a bare LF.
    pub(super) fn has_bare(&mut self, come: &[u8]) -> bool {
        if *self == Self::Before && !come.is_empty() {
            // What does not begin with a method is the rest of a body that nobody wanted.
            *self = if begins(come) { Self::Inside { previous: 0, empty: true } } else { Self::After };
        }
        let Self::Inside { mut previous, mut empty } = *self else { return false };
        for &byte in come {
            match byte {
                b'\n' if previous != b'\r' => return true,
                b'\n' if empty => {
                    *self = Self::After;
                    return false;
                }
                b'\n' => empty = true,
                b'\r' => {}
                _ => empty = false,
            }
            previous = byte;
        }
        *self = Self::Inside { previous, empty };
        false
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
        let whole = LineEnds::default().has_bare(text.as_bytes());
        let mut watch = LineEnds::default();
        let stepwise = text.bytes().any(|byte| watch.has_bare(&[byte]));
        assert_eq!(whole, stepwise, "{text:?}");
        whole
    }

    #[test]
    fn heads_are_watched_and_bodies_are_not() {
        assert!(!found("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!found("POST / HTTP/1.1\r\nHost: x\r\n\r\nbody\nwith\n\nlines"));
        assert!(found("GET / HTTP/1.1\nHost: x\n\n"));
        assert!(found("GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"));
        assert!(found("GET / HTTP/1.1\r\nHost: x\r\n\n"));
        for rest in ["{\"a\":\n1}\n\n", "SHOUTING text\n"] {
            assert!(!LineEnds::default().has_bare(rest.as_bytes()), "the rest of a body: {rest}");
        }
    }

    #[test]
    fn after_an_answer_the_next_head_is_watched() {
        let mut watch = LineEnds::default();
        assert!(!watch.has_bare(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(!watch.has_bare(b"a\nb"));
        watch = LineEnds::default();
        assert!(watch.has_bare(b"GET / HTTP/1.1\n"));
    }
}
