//! The pattern of a route's path: literal segments, `{name}` for one segment, `**` at the end for any rest.

use std::str::FromStr;

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    Any,
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) segments: Vec<Segment>,
    /// Whether one or more further segments may follow.
    pub(super) open: bool,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(&'static str);

impl Pattern {
    /// Whether it stands for this path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut left = path.split('/').skip(1);
        let fits = |segment: &Segment| match (segment, left.next()) {
            (Segment::Literal(text), Some(here)) => text == here,
            (Segment::Any, Some(here)) => !here.is_empty(),
            (_, None) => false,
        };
        self.segments.iter().all(fits) && (self.open || left.next().is_none())
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let path = text.strip_prefix('/').ok_or(InvalidPattern("a path begins with a slash"))?;
        let (path, open) = match path.strip_suffix("**") {
            Some(rest) => (rest.strip_suffix('/').unwrap_or(rest), true),
            None => (path, false),
        };
        if path.is_empty() {
            return Ok(Self { segments: Vec::new(), open });
        }
        let segments = path.split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments, open })
    }
}

fn segment(text: &str) -> Result<Segment, InvalidPattern> {
    if text.starts_with('{') && text.ends_with('}') && text.len() > 2 {
        return Ok(Segment::Any);
    }
    if text.is_empty() {
        return Err(InvalidPattern("a segment may not be empty"));
    }
    if text.contains(['*', '{', '}']) {
        return Err(InvalidPattern("`{name}` is a whole segment and `**` stands at the end"));
    }
    match super::path::canonical(&format!("/{text}")) {
        Ok(path) if path[1..] == *text => Ok(Segment::Literal(text.to_owned())),
        Ok(_) | Err(_) => Err(InvalidPattern("a segment is written in its canonical form")),
    }
}
