//! Where one message ends and the next begins, followed beside the parser in both directions.
//!
//! Of requests, so that what the parser would let pass (a bare LF as a line's end; RFC 9112, section 2.2 leaves it
//! open), or could not name, is refused with its reason. Two parsers that differ are a hole; this one only refuses. Of
//! answers, so that an answer is never looked for inside another's body. It knows what framing needs: lines end with
//! CRLF, the first line is not endless, and the body is as long as `Content-Length` or the chunks say (RFC 9112,
//! section 6.3).

use shared::problem::Code;

/// The most of a line that is looked at: enough for `Transfer-Encoding: chunked` and for a length. Anything longer in
/// one of these two fields is not meant honestly.
const LOOKED_AT: usize = 48;

/// The longest chunk-size line and trailer, in bytes. Nobody needs chunk extensions, and trailers go nowhere.
const CHUNK_LINE: usize = 4096;

const UPGRADE: &[u8] = b"upgrade:";
const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// What is watched, and how far the present line has come.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    part: Part,
    line: Line,
    framing: Framing,
    /// Whether a field asks for a WebSocket.
    upgrade: bool,
    /// What the first line said.
    kind: Kind,
    /// The longest first line, in bytes without its CRLF.
    longest: usize,
    /// The bytes of the trailer so far.
    trailer: usize,
}

/// What of a first line matters to framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A HEAD request: its answer has the fields of a body, and none.
    Head,
    /// Any other request.
    Request,
    /// 1xx: the answer proper is still to come.
    Interim,
    /// 101: what follows is another protocol's.
    Switching,
    /// 204 or 304: no body, whatever the fields say.
    Bodiless,
    /// Any other answer.
    Answer,
}

/// The part of a message that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    FirstLine,
    Fields,
    /// This much of a body of known length, or of a chunk.
    Bytes {
        left: u64,
        chunk: bool,
    },
    /// The CRLF behind a chunk.
    ChunkEnd,
    ChunkSize,
    Trailer,
    /// A body that ends with its connection.
    Rest,
}

/// What the fields say of the body so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// The beginning of the present line.
#[derive(Clone, Debug)]
struct Line {
    beginning: [u8; LOOKED_AT],
    length: usize,
    last: u8,
}

/// Why a request is refused before the parser has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A line ends with a bare LF, or the framing is not what it says.
    Malformed,
    /// The request line is longer than any target may be.
    LongLine,
}

impl Fault {
    /// The problem it is answered with.
    pub(super) const fn code(self) -> Code {
        match self {
            Self::Malformed => Code::MalformedRequest,
            Self::LongLine => Code::UriTooLong,
        }
    }
}

impl Watch {
    /// At the beginning of a connection.
    pub(super) const fn new(longest: usize) -> Self {
        let line = Line { beginning: [0; LOOKED_AT], length: 0, last: 0 };
        let (part, framing, kind) = (Part::FirstLine, Framing::None, Kind::Request);
        Self { part, line, framing, upgrade: false, kind, longest, trailer: 0 }
    }

    /// Whether a message has ended and the next has not begun.
    pub(super) const fn is_between(&self) -> bool {
        matches!(self.part, Part::FirstLine) && self.line.length == 0
    }

    /// Whether what comes is no HTTP any more.
    pub(super) const fn is_switched(&self) -> bool {
        matches!((self.part, self.kind), (Part::Rest, Kind::Switching))
    }

    /// Whether a body is under way.
    pub(super) const fn is_in_body(&self) -> bool {
        !self.is_in_head() && !self.is_between()
    }

    /// Whether a body is under way that has an end.
    pub(super) const fn is_in_framed_body(&self) -> bool {
        self.is_in_body() && !matches!(self.part, Part::Rest)
    }

    /// Whether a head has begun and not ended.
    pub(super) const fn is_in_head(&self) -> bool {
        match self.part {
            Part::FirstLine => self.line.length > 0,
            Part::Fields => true,
            Part::Bytes { .. } | Part::ChunkEnd | Part::ChunkSize | Part::Trailer | Part::Rest => false,
        }
    }

    /// Looks at the next bytes, up to the end of a message: how many these were. `head` is told when a head is complete,
    /// and says whether a body may follow it.
    ///
    /// # Errors
    /// The first fault, and where it is. Nothing after it is looked at.
    pub(super) fn look(&mut self, come: &[u8], mut head: impl FnMut(Kind) -> bool) -> Result<usize, (usize, Fault)> {
        let mut at = 0;
        while at < come.len() {
            if self.part == Part::Rest {
                return Ok(come.len());
            }
            if let Part::Bytes { left, chunk } = self.part {
                let here = (come.len() - at) as u64;
                let taken = left.min(here);
                at += usize::try_from(taken).unwrap_or(come.len());
                self.part = match (left - taken, chunk) {
                    (0, true) => Part::ChunkEnd,
                    (0, false) => Part::FirstLine,
                    (left, chunk) => Part::Bytes { left, chunk },
                };
                if self.is_between() {
                    break;
                }
                continue;
            }
            let began = self.part != Part::FirstLine;
            let rest = &come[at..];
            let end = memchr::memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            // The parser cuts a fragment off without a word (RFC 9112, section 3.2: no target has one).
            if !began && memchr::memchr(b'#', line).is_some() {
                return Err((at, Fault::Malformed));
            }
            self.line.push(line);
            let fault = self.too_long().or_else(|| end.and_then(|_| self.line_end(&mut head).err()));
            if let Some(fault) = fault {
                return Err((at + end.unwrap_or(0), fault));
            }
            at += end.map_or(rest.len(), |end| end + 1);
            if began && self.is_between() {
                break;
            }
        }
        Ok(at)
    }

    fn too_long(&self) -> Option<Fault> {
        let carriage_return = usize::from(self.line.last == b'\r');
        let length = self.line.length - carriage_return.min(self.line.length);
        match self.part {
            Part::FirstLine if length > self.longest => Some(Fault::LongLine),
            Part::ChunkSize if length > CHUNK_LINE => Some(Fault::Malformed),
            Part::Trailer if self.trailer + length > CHUNK_LINE => Some(Fault::Malformed),
            Part::ChunkEnd if length > 0 => Some(Fault::Malformed),
            // The parser limits the head.
            Part::FirstLine
            | Part::Fields
            | Part::ChunkSize
            | Part::Trailer
            | Part::ChunkEnd
            | Part::Bytes { .. }
            | Part::Rest => None,
        }
    }

    /// A LF has come: the line is whole.
    fn line_end(&mut self, head: &mut impl FnMut(Kind) -> bool) -> Result<(), Fault> {
        if self.line.last != b'\r' {
            return Err(Fault::Malformed);
        }
        let is_empty = self.line.length == 1;
        self.part = match self.part {
            // Empty lines before a request line are skipped (RFC 9112, section 2.2).
            Part::FirstLine if is_empty => Part::FirstLine,
            Part::FirstLine => {
                (self.framing, self.upgrade, self.kind) = (Framing::None, false, self.line.kind());
                Part::Fields
            }
            // The parser takes everything after such a head for the WebSocket's, whatever its length says.
            Part::Fields if is_empty && self.upgrade && self.framing != Framing::None => return Err(Fault::Malformed),
            Part::Fields if is_empty => {
                let has_body = head(self.kind) && !matches!(self.kind, Kind::Interim | Kind::Bodiless);
                match self.framing {
                    _ if self.kind == Kind::Switching => Part::Rest,
                    _ if !has_body => Part::FirstLine,
                    Framing::None if self.kind == Kind::Answer => Part::Rest,
                    Framing::None | Framing::Length(0) => Part::FirstLine,
                    Framing::Length(left) => Part::Bytes { left, chunk: false },
                    Framing::Chunked => Part::ChunkSize,
                }
            }
            Part::Fields => {
                self.framing = self.line.framing(self.framing)?;
                self.upgrade |= self.line.asks_for_websocket();
                Part::Fields
            }
            Part::ChunkSize => match self.line.chunk_size().ok_or(Fault::Malformed)? {
                0 => {
                    self.trailer = 0;
                    Part::Trailer
                }
                left => Part::Bytes { left, chunk: true },
            },
            Part::ChunkEnd => Part::ChunkSize,
            Part::Trailer if is_empty => Part::FirstLine,
            Part::Trailer if !self.line.is_trailer() => return Err(Fault::Malformed),
            Part::Trailer => {
                self.trailer += self.line.length;
                Part::Trailer
            }
            Part::Bytes { .. } | Part::Rest => self.part,
        };
        self.line.clear();
        Ok(())
    }
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        if self.length < LOOKED_AT {
            let room = bytes.len().min(LOOKED_AT - self.length);
            self.beginning[self.length..self.length + room].copy_from_slice(&bytes[..room]);
        }
        self.length += bytes.len();
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    const fn clear(&mut self) {
        self.length = 0;
        self.last = 0;
    }

    /// The line without its CR, as far as it is looked at.
    fn text(&self) -> &[u8] {
        &self.beginning[..(self.length - 1).min(LOOKED_AT)]
    }

    fn kind(&self) -> Kind {
        let text = self.text();
        match text.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)) {
            Some(b"101") => Kind::Switching,
            Some(status) if status.starts_with(b"1") => Kind::Interim,
            Some(b"204" | b"304") => Kind::Bodiless,
            Some(_) => Kind::Answer,
            None if text.starts_with(b"HEAD ") => Kind::Head,
            None => Kind::Request,
        }
    }

    fn asks_for_websocket(&self) -> bool {
        let text = self.text();
        let value = text.get(UPGRADE.len()..).unwrap_or_default();
        let is_websocket = |word: &[u8]| word.trim_ascii().eq_ignore_ascii_case(b"websocket");
        starts_with_name(text, UPGRADE) && (self.length > LOOKED_AT || value.split(|b| *b == b',').any(is_websocket))
    }

    /// Whether this is a field that may stand behind a body: whoever reads it as the head of another message, or believes
    /// what it says of framing, is not given the occasion.
    fn is_trailer(&self) -> bool {
        let text = self.text();
        let name = text.split(|&byte| byte == b':').next().unwrap_or_default();
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let frames = [&b"content-length"[..], b"transfer-encoding", b"host"];
        let whole = !name.is_empty() && name.len() < text.len() && name.iter().all(is_token);
        whole && !frames.iter().any(|frame| name.eq_ignore_ascii_case(frame))
    }

    /// What the field says of the body; fields that contradict each other, or cannot be read, are refused.
    fn framing(&self, so_far: Framing) -> Result<Framing, Fault> {
        let text = self.text();
        let is_length = starts_with_name(text, LENGTH);
        let name = if is_length { LENGTH } else { CODING };
        if !is_length && !starts_with_name(text, CODING) {
            return Ok(so_far);
        }
        let value = text.get(name.len()..).unwrap_or_default().trim_ascii();
        if so_far != Framing::None || self.length > LOOKED_AT {
            return Err(Fault::Malformed);
        }
        if !is_length {
            return if value.eq_ignore_ascii_case(b"chunked") { Ok(Framing::Chunked) } else { Err(Fault::Malformed) };
        }
        number(value, 10).map(Framing::Length).ok_or(Fault::Malformed)
    }

    /// The size in front of a chunk, without its extensions (RFC 9112, section 7.1).
    fn chunk_size(&self) -> Option<u64> {
        let text = self.text();
        let end = text.iter().position(|&byte| byte == b';');
        // A size that is longer than what is looked at is not read to its end.
        let is_whole = end.is_some() || self.length <= LOOKED_AT;
        number(text[..end.unwrap_or(text.len())].trim_ascii_end(), 16).filter(|_| is_whole)
    }
}

/// Whether a line is the field of this name, which ends with its colon.
fn starts_with_name(line: &[u8], name: &[u8]) -> bool {
    // Most lines are another's, and the colon's place says so.
    line.get(name.len() - 1) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name)
}

/// Digits and nothing else: no sign, no spaces.
fn number(text: &[u8], radix: u32) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    let only_digits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| only_digits)
}

#[cfg(test)]
mod tests;
