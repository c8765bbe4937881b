//! What the gateway answers by itself: probes, the merged API document, and the pages that show it.

mod adopt;
mod composed;
mod describe;
mod examine;
mod fetch;
mod merge;
mod names;
mod openapi;
mod own;
mod pages;
mod size;

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use shared::problem::{Code, Problem};

pub use examine::faults;
pub use openapi::Documents;

use crate::admin::health;
use crate::app::Gateway;
use crate::config::Config;
use crate::policy::version::VersionId;
use crate::tables::{CompileError, Tables};
use crate::upstream::client::Clients;

const READ_ONLY: &str = "GET, HEAD";
/// The script of that page.
const REDOC_SCRIPT: &str = "/redoc/redoc.standalone.js";

/// What the gateway answers by itself.
pub struct Own {
    /// The answer.
    pub answer: Result<HttpResponse, Problem>,
    /// The version that it is about, if it is about one.
    pub version: Option<VersionId>,
}

/// Whether a member of a path item is an operation.
fn is_method(key: &str) -> bool {
    matches!(key, "get" | "put" | "post" | "delete" | "options" | "head" | "patch" | "trace")
}

/// Whether the gateway answers for this path by itself.
#[must_use]
pub fn is_own(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/openapi.json" | "/redoc" | REDOC_SCRIPT | "/docs")
        || path.starts_with("/docs/")
}

/// The gateway's own answer for a path, if it has one. None of these count against a rate limit.
pub fn find(gateway: &Gateway, path: &str, head: &RequestHead) -> Option<Own> {
    if !is_own(path) {
        return None;
    }
    let mut version = None;
    // One and the same configuration from the version's name to its document.
    let tables = gateway.tables.load();
    let versions = &tables.versions;
    let page = match path {
        "/livez" => Ok(health::word("ok")),
        "/readyz" => health::public(gateway),
        _ if !gateway.documents.is_on() => return None,
        "/openapi.json" => openapi::version_of(versions, head).and_then(|named| {
            version = named;
            gateway.documents.answer(versions, named, head, &gateway.clock)
        }),
        "/redoc" => openapi::version_of(versions, head).map(|named| {
            version = named;
            pages::redoc(versions, named)
        }),
        REDOC_SCRIPT => Ok(pages::redoc_script()),
        "/docs" => Ok(pages::to_docs()),
        "/docs/problems" => Ok(pages::problems()),
        _ => pages::swagger(path.strip_prefix("/docs/")?, versions)?,
    };
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    let answer = if reads { page } else { Err(Problem::new(Code::MethodNotAllowed).allow(READ_ONLY)) };
    Some(Own { answer, version })
}

/// The merged document as text, for the command line.
///
/// # Errors
/// When the configuration does not compile, no client can be made, or a service's document is missing.
pub async fn print(config: &Config, version: Option<&str>) -> Result<String, PrintError> {
    let tables = Tables::compile(config, Instant::now())?;
    let client = Clients::new(config).build()?;
    let (document, complete) = openapi::once(&client, &tables, version).await;
    if complete { Ok(format!("{document:#}\n")) } else { Err(PrintError::Incomplete) }
}

/// Why the document could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The configuration.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The client.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// A service.
    #[error("not every service answered with its document; are they running?")]
    Incomplete,
}
