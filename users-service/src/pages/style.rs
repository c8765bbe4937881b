//! The one style sheet of all pages, and how their policies name it.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The style sheet.
pub const STYLE: &str = include_str!("../../templates/page.css");

/// Its source in a policy: the hash (CSP 3, section 2.3.1).
#[must_use]
pub fn style_source() -> &'static str {
    static SOURCE: LazyLock<String> = LazyLock::new(|| {
        let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        format!("'sha256-{hash}'")
    });
    &SOURCE
}
