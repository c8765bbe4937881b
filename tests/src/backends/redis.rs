//! A Redis for one stack: a server of its own, or a leased database of the one `TEST_REDIS_URL` names.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::{Child, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ExistenceCheck, SetExpiry, SetOptions};

use super::programs::free_port;
use super::{BackendError, Program, REDIS_URL, named};
use crate::wait::try_until;

const START_LIMIT: Duration = Duration::from_secs(10);
/// A lease outlives any test, and is not for ever should its holder be killed.
const LEASE: u64 = 600;

/// One empty Redis.
#[derive(Debug)]
pub struct Redis {
    /// `redis://…`, with the number of the database where one was leased.
    pub url: String,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    port: u16,
    child: Child,
}

impl Redis {
    /// What a stack uses: the named server's, else its own.
    ///
    /// # Errors
    /// [`BackendError`] when there is none to be had.
    pub async fn fresh() -> Result<Self, BackendError> {
        match named(REDIS_URL) {
            Some(url) => Self::lease(&url).await,
            None => Self::own().await,
        }
    }

    /// A server that may be killed.
    ///
    /// # Errors
    /// [`BackendError::Missing`] without a `redis-server`.
    pub async fn own() -> Result<Self, BackendError> {
        let port = free_port()?;
        let redis =
            Self { url: format!("redis://127.0.0.1:{port}/"), server: Some(Server { port, child: spawn(port)? }) };
        redis.answers().await?;
        Ok(redis)
    }

    /// Where the server listens.
    ///
    /// # Panics
    /// When the named URL is not `redis://<address>:<port>/…`.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        let address = self.url.split('/').nth(2).and_then(|host| host.rsplit('@').next());
        let resolved = address.and_then(|address| address.to_socket_addrs().ok()?.next());
        resolved.expect("TEST_REDIS_URL is redis://<address>:<port>/")
    }

    /// The number of the database.
    #[must_use]
    pub fn number(&self) -> &str {
        self.url.split('/').nth(3).unwrap_or_default()
    }

    /// Kills the server as `kill -9` does.
    ///
    /// # Errors
    /// When it is not ours to kill.
    pub fn kill(&mut self) -> Result<(), BackendError> {
        let server = self.server.as_mut().ok_or(BackendError::Missing("a redis-server of the test's own"))?;
        server.child.kill()?;
        server.child.wait()?;
        Ok(())
    }

    /// Starts a killed server again, empty, on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive(&mut self) -> Result<(), BackendError> {
        let server = self.server.as_mut().ok_or(BackendError::Missing("a redis-server of the test's own"))?;
        server.child = spawn(server.port)?;
        self.answers().await
    }

    /// Stops the server, or gives the leased database back, emptied.
    ///
    /// # Errors
    /// When a named server no longer answers.
    pub async fn release(self) -> Result<(), BackendError> {
        if self.server.is_some() {
            return Ok(());
        }
        let mut leased = connect(&self.url).await?;
        redis::cmd("FLUSHDB").exec_async(&mut leased).await?;
        if let Some((server, number)) = self.url.rsplit_once('/') {
            let mut ledger = connect(server).await?;
            redis::cmd("DEL").arg(lease_key(number)).exec_async(&mut ledger).await?;
        }
        Ok(())
    }

    async fn answers(&self) -> Result<(), BackendError> {
        let answered = try_until(START_LIMIT, async || connect(&self.url).await.ok()).await;
        answered.map(drop).ok_or_else(|| BackendError::Failed {
            program: "redis-server",
            output: format!("no answer at {}", self.url),
        })
    }

    /// The first database of the named server that nobody holds; the leases are in its number 0.
    async fn lease(server: &str) -> Result<Self, BackendError> {
        let server = server.trim_end_matches('/');
        let mut ledger = connect(server).await?;
        let (_, databases): (String, u32) =
            redis::cmd("CONFIG").arg(&["GET", "databases"]).query_async(&mut ledger).await?;
        let options = SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::EX(LEASE));
        let url = try_until(Duration::from_secs(LEASE), async || {
            for number in 1..databases {
                let got: redis::RedisResult<Option<String>> = redis::cmd("SET")
                    .arg(lease_key(&number.to_string()))
                    .arg("leased")
                    .arg(&options)
                    .query_async(&mut ledger)
                    .await;
                if let Ok(Some(_)) = got {
                    return Some(format!("{server}/{number}"));
                }
            }
            None
        });
        let url = url
            .await
            .ok_or_else(|| BackendError::Failed { program: "redis", output: "every database is leased".to_owned() })?;
        redis::cmd("FLUSHDB").exec_async(&mut connect(&url).await?).await?;
        Ok(Self { url, server: None })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(port: u16) -> Result<Child, BackendError> {
    let mut command = Program::find("redis-server")?.command();
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--databases",
        "64",
    ]);
    Ok(command
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

async fn connect(url: &str) -> Result<MultiplexedConnection, redis::RedisError> {
    Client::open(url)?.get_multiplexed_async_connection().await
}

fn lease_key(number: &str) -> String {
    format!("tollgate-tests:database:{number}")
}
