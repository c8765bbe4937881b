//! Settings of compressed answers.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    pub enabled: bool,
    pub above_bytes: u64,
    pub codings: Vec<Coding>,
    pub types: Vec<String>,
    pub zstd_level: i32,
    pub brotli_level: u32,
    pub gzip_level: u32,
    pub inline_bytes: usize,
    pub max_streams: usize,
}

/// A content coding that answers can have (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    Zstd,
    #[serde(rename = "br")]
    Brotli,
    Gzip,
}
