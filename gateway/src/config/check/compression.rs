//! What the settings of compressed answers must hold.

use std::collections::HashSet;

use shared::config::Report;

use crate::config::Compression;

/// Below this a thread is told more than it does.
const MIN_INLINE: usize = 1_024;

pub(super) fn check(config: &Compression, report: &mut Report<'_>) {
    report.ensure((1..=19).contains(&config.zstd_level), "compression.zstd_level", "1 to 19");
    report.ensure(config.brotli_level <= 11, "compression.brotli_level", "0 to 11");
    report.ensure((1..=9).contains(&config.gzip_level), "compression.gzip_level", "1 to 9");
    report.ensure(config.inline_bytes >= MIN_INLINE, "compression.inline_bytes", "at least 1024");
    report.ensure(!config.enabled || !config.codings.is_empty(), "compression.codings", "at least one");
    let mut seen = HashSet::new();
    let twice = config.codings.iter().any(|coding| !seen.insert(coding));
    report.ensure(!twice, "compression.codings", "a coding stands twice");
    for kind in config.types.iter().filter(|kind| !is_media_type(kind)) {
        report.error("compression.types", format!("`{kind}` is none of `type/subtype`, `type/*` and `+suffix`"));
    }
}

fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    match text.split_once('/') {
        Some((family, kind)) => is_token(family) && (kind == "*" || is_token(kind)),
        None => text.strip_prefix('+').is_some_and(is_token),
    }
}
