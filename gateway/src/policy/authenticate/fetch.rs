//! Documents of other parties, read up to a limit.

use std::time::Duration;

use reqwest::Response;

/// Why a document could not be had. For the log.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody answered, or with an error.
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    /// It is not what was asked for.
    #[error("the answer is not what was asked for: {0}")]
    Document(#[from] serde_json::Error),
    /// It is too large.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It is a set without a usable key.
    #[error("the set has no key that could be used")]
    NoKeys,
    /// The metadata is another issuer's (OpenID Connect Discovery 1.0, section 4.3).
    #[error("the metadata is that of `{0}`")]
    WrongIssuer(String),
    /// The metadata leads somewhere odd.
    #[error("`{0}` is no address to fetch keys from")]
    WrongAddress(String),
}

/// The body of a GET, at most `limit` bytes of it.
pub async fn get(client: &reqwest::Client, url: &str, timeout: Duration, limit: usize) -> Result<Vec<u8>, FetchError> {
    let answer = client.get(url).timeout(timeout).send().await?;
    body(answer.error_for_status()?, limit).await
}

/// The body of an answer, unless it is longer than `limit` bytes: no more of it is read then.
pub async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut whole = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if whole.len() + piece.len() > limit {
            return Err(FetchError::TooLarge(limit));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}
