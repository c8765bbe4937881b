//! Which coding a client gets: `Accept-Encoding` with its weights (RFC 9110, sections 12.4.2 and 12.5.3).

use crate::config::Coding;

/// A weight in thousandths.
type Weight = u16;

const FULL: Weight = 1_000;

/// What the client may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The coding; `None`: the answer goes as it is.
    pub coding: Option<Coding>,
    /// Whether the answer may go as it is.
    pub identity: bool,
}

/// The coding that the client weighs most; among equals the one that stands first in `offered`. Compression is wanted by
/// whoever names it: only a client that gives `identity` a greater weight gets the answer as it is.
pub(super) fn choose<'a>(values: impl Iterator<Item = &'a [u8]>, offered: &[Coding]) -> Choice {
    let (mut identity, mut any) = (None, None);
    let mut weights = [None; 3];
    for member in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find(|parameter| matches!(parameter.first(), Some(b'q' | b'Q')));
        let Some(weight) = quality.map_or(Some(FULL), weight) else { continue };
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        let place = offered.iter().position(|coding| is(coding.name()) || (*coding == Coding::Gzip && is("x-gzip")));
        if is("identity") {
            identity = Some(weight);
        } else if is("*") {
            any = Some(weight);
        } else if let Some(slot) = place.and_then(|place| weights.get_mut(place)) {
            *slot = Some(weight);
        }
    }
    let weighed = offered.iter().zip(weights).map(|(coding, weight)| (*coding, weight.or(any).unwrap_or(0)));
    let best = weighed.filter(|(_, weight)| *weight > 0).reduce(|best, next| if next.1 > best.1 { next } else { best });
    let best = best.filter(|(_, weight)| identity.is_none_or(|identity| *weight >= identity));
    Choice { coding: best.map(|(coding, _)| coding), identity: identity.or(any.filter(|any| *any == 0)) != Some(0) }
}

/// `q=0.5`. `None`: nothing that can be read.
fn weight(text: &[u8]) -> Option<Weight> {
    let value = text.get(1..)?.strip_prefix(b"=")?;
    let (whole, decimals) = value.split_at(value.len().min(1));
    let decimals = if decimals.is_empty() { decimals } else { decimals.strip_prefix(b".")? };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths =
        (0..3).fold(0, |sum, place| sum * 10 + decimals.get(place).map_or(0, |digit| u16::from(digit - b'0')));
    match (whole, thousandths) {
        (b"0", thousandths) => Some(thousandths),
        (b"1", 0) => Some(FULL),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    fn choice(values: &[&str]) -> (Option<&'static str>, bool) {
        let choice = choose(values.iter().map(|value| value.as_bytes()), &OFFERED);
        (choice.coding.map(Coding::name), choice.identity)
    }

    #[test]
    fn the_greatest_weight_wins_and_among_equals_our_first() {
        for (accept, coding) in [
            ("gzip", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, deflate, br", Some("br")),
            ("GZIP", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("gzip;q=1.0, br;q=0.9", Some("gzip")),
            ("br;q=0.001", Some("br")),
            ("gzip ; q=0.5 , br;Q=0.7", Some("br")),
            ("*", Some("zstd")),
            ("*;q=0.5, gzip;q=0.6", Some("gzip")),
            ("zstd;q=0, *", Some("br")),
            ("deflate", None),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("", None),
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some("gzip")),
            ("gzip;q=2", None),
            ("gzip;q=x", None),
            ("gzip;q=05", None),
            ("gzip;q", None),
            ("gzip;x=y;q=0", None),
            ("gzip;q=0.1234", None),
            (";;,,;q=1,gzip", Some("gzip")),
        ] {
            assert_eq!(choice(&[accept]), (coding, true), "{accept}");
        }
        assert_eq!(choice(&[]).0, None, "who says nothing may not understand");
        assert_eq!(choice(&["deflate", "gzip"]).0, Some("gzip"), "two lines are one list");
    }

    #[test]
    fn identity_can_be_refused() {
        assert_eq!(choice(&["identity;q=0"]), (None, false));
        assert_eq!(choice(&["*;q=0"]), (None, false));
        assert_eq!(choice(&["gzip, *;q=0"]), (Some("gzip"), false));
        assert_eq!(choice(&["gzip, identity;q=0"]), (Some("gzip"), false));
        assert_eq!(choice(&["identity;q=0.1, *;q=0"]), (None, true));
    }
}
