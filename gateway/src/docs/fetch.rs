//! What the upstreams say of themselves, fetched from all of them at once, each up to a size.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::adopt::adopt;
use super::size;
use crate::tables::Tables;

const TIMEOUT: Duration = Duration::from_secs(5);

/// No document of an upstream may be larger: what is larger counts as not there, and the log says so.
const MAX_BYTES: usize = 8 << 20;

/// The documents as they came, not yet read.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Name and document of each that answered.
    came: Vec<(String, Vec<u8>)>,
    /// Those that did not.
    missing: Vec<String>,
    /// Those whose document is too large, which another attempt does not change.
    refused: Vec<String>,
}

/// The documents, to be merged.
#[derive(Debug)]
pub(super) struct Parts {
    /// Name and document of each that has one.
    pub(super) parts: Vec<(String, Value)>,
    /// Those that have none now.
    pub(super) missing: Vec<String>,
    /// Whether to ask for what is missing soon.
    pub(super) again: bool,
}

impl Fetched {
    /// Reads them, which may take a while.
    pub(super) fn read(self) -> Parts {
        let Self { came, mut missing, mut refused } = self;
        let mut parts = Vec::new();
        for (name, bytes) in came {
            let why = size::unread(&bytes);
            let read = if why.is_none() { serde_json::from_slice(&bytes).ok() } else { None };
            if let Some(why) = why.or_else(|| read.as_ref().and_then(size::too_large)) {
                tracing::warn!(upstream = name, why, "a document that is too large");
                refused.push(name);
                continue;
            }
            match read.and_then(adopt) {
                Some(document) => parts.push((name, document)),
                None => missing.push(name),
            }
        }
        let again = !missing.is_empty();
        missing.extend(refused);
        Parts { parts, missing, again }
    }
}

/// Asks every upstream that has a document.
pub(super) async fn fetch(client: &reqwest::Client, tables: &Tables) -> Fetched {
    let sources = tables.upstreams.iter().filter(|upstream| upstream.has_document);
    let answers = sources.map(|upstream| async {
        let url = format!("{}/openapi.json", upstream.an_origin().as_str());
        (upstream.name.clone(), get(client, url, MAX_BYTES).await)
    });
    let mut fetched = Fetched::default();
    for (name, answer) in join_all(answers).await {
        match answer {
            Ok(Some(bytes)) => fetched.came.push((name, bytes)),
            Ok(None) => {
                tracing::warn!(upstream = name, most = MAX_BYTES, "a document of more bytes than are read");
                fetched.refused.push(name);
            }
            Err(_) => fetched.missing.push(name),
        }
    }
    fetched
}

/// The bytes at an address, unless they are more than `most`.
async fn get(client: &reqwest::Client, url: String, most: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut answer = client.get(url).timeout(TIMEOUT).send().await?.error_for_status()?;
    let mut whole = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if whole.len() + piece.len() > most {
            return Ok(None);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Some(whole))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What is got of an answer of four bytes, up to so many.
    async fn got(most: usize) -> Option<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/openapi.json", listener.local_addr().unwrap());
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n2\r\na}\r\n0\r\n\r\n")
                .await
                .unwrap();
        };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        tokio::join!(serve, get(&client, url, most)).1.unwrap()
    }

    #[tokio::test]
    async fn no_more_is_read_than_a_document_may_have() {
        assert_eq!(got(4).await.unwrap(), b"{\"a}");
        assert_eq!(got(3).await, None);
    }

    #[test]
    fn what_cannot_be_read_is_missing_and_what_is_too_large_is_not_asked_for_again() {
        let sound = ("a".to_owned(), br#"{"openapi": "3.1.0"}"#.to_vec());
        let fetched = |came| Fetched { came, missing: Vec::new(), refused: vec!["c".to_owned()] };
        let read = fetched(vec![sound.clone()]).read();
        assert_eq!((read.parts.len(), read.missing, read.again), (1, vec!["c".to_owned()], false));
        let read = fetched(vec![sound, ("b".to_owned(), b"{".to_vec())]).read();
        assert_eq!((read.parts.len(), read.missing, read.again), (1, vec!["b".to_owned(), "c".to_owned()], true));
        let crowded = format!(r#"{{"openapi": "3.1.0", "x": [{}{{}}]}}"#, "{},".repeat(200_000)).into_bytes();
        let read = fetched(vec![("b".to_owned(), crowded)]).read();
        assert_eq!((read.parts.len(), read.missing, read.again), (0, vec!["c".to_owned(), "b".to_owned()], false));
    }
}
