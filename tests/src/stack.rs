//! `Stack`: users, accounts and gateway in one process, as tests and `make run` start them.

mod builder;
mod child;
mod data;
mod engine;
mod people;
mod services;
mod settings;

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::sync::OnceCell;

pub use self::builder::Builder;
pub use self::child::AccountsProcess;
pub use self::engine::StackError;
pub use self::people::{Credentials, LaunchError, launch};
pub use self::settings::Service;

use self::engine::Engine;
use crate::backends::{Backend, Ground, binary};
use crate::client::{Client, Person, Transfer, fresh_key};

/// A running system. Dropping it stops it and removes its databases.
#[derive(Debug)]
pub struct Stack {
    /// The public listener.
    pub gateway: SocketAddr,
    /// The operators' listener.
    pub admin: SocketAddr,
    /// users-service, past the gateway.
    pub users: SocketAddr,
    /// accounts-service, past the gateway.
    pub accounts: SocketAddr,
    /// Signs identity assertions, as the gateway does.
    pub assertion_secret: String,
    env: Vec<(String, String)>,
    administrator: Credentials,
    treasury: OnceCell<Treasury>,
    client: Client,
    // Before the ground: the services close their connections first.
    engine: Option<Engine>,
    ground: Option<Ground>,
}

/// The treasurer and the system account that money comes from.
#[derive(Debug)]
struct Treasury {
    treasurer: Person,
    vault: String,
}

impl Stack {
    /// What to start; nothing is started yet.
    #[must_use]
    pub fn builder(backend: Backend) -> Builder {
        Builder::new(backend)
    }

    /// Starts with the defaults for tests: rate limits and throttling are off.
    ///
    /// # Panics
    /// When it does not start: the test fails and says why.
    pub async fn start(backend: Backend) -> Self {
        Self::builder(backend).start().await
    }

    /// Where its mail lies, unless a setting says otherwise.
    ///
    /// # Panics
    /// When it has been stopped.
    #[must_use]
    pub fn spool(&self) -> &std::path::Path {
        &self.ground.as_ref().expect("a stack has its ground until it ends").mail
    }

    /// A client of the gateway that is nobody.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client of the operators' listener.
    #[must_use]
    pub fn operator(&self) -> Client {
        Client::new(self.admin)
    }

    /// Registers somebody new and signs them in.
    pub async fn register(&self, name: &str) -> Person {
        self.client.register(name).await
    }

    /// The first administrator, signed in anew.
    pub async fn administrator(&self) -> Person {
        let Credentials { email, password } = &self.administrator;
        let tokens = self.client.password_grant(email, password).await.expect(200);
        let client = self.client.with_token(tokens.text("/access_token"));
        let me = client.get("/api/v1/users/me").await.expect(200);
        let (email, password) = (email.clone(), password.clone());
        Person {
            id: me.text("/id"),
            username: me.text("/username"),
            email,
            password,
            refresh_token: tokens.text("/refresh_token"),
            client,
        }
    }

    /// Somebody new with these roles beside `user`.
    pub async fn with_roles(&self, name: &str, roles: &[&str]) -> Person {
        let person = self.register(name).await;
        let roles: Vec<_> = ["user"].iter().chain(roles).collect();
        let path = format!("/api/v1/users/{}/roles", person.id);
        let administrator = self.administrator().await;
        let set = administrator.client.call(Method::PUT, &path).json(json!({"roles": roles})).send().await;
        assert!(set.status < 300, "{set}");
        person.again().await
    }

    async fn treasury(&self) -> &Treasury {
        let make = async || {
            let treasurer = self.with_roles("treasurer", &["treasurer"]).await;
            let vault = treasurer.client.open_system("vault", "USD").await;
            Treasury { treasurer, vault }
        };
        self.treasury.get_or_init(make).await
    }

    /// The treasurer.
    pub async fn treasurer(&self) -> &Person {
        &self.treasury().await.treasurer
    }

    /// The dollar account that money comes from; what all others hold, it owes.
    pub async fn vault(&self) -> &str {
        &self.treasury().await.vault
    }

    /// Moves `amount` cents from the vault to `account`.
    pub async fn fund(&self, account: &str, amount: i64) {
        let Treasury { treasurer, vault } = self.treasury().await;
        drop(treasurer.client.transfer(&fresh_key(), &Transfer::usd(vault, account, amount)).await.expect(201));
    }

    /// A dollar account of `owner`'s with `amount` cents in it.
    pub async fn account_with(&self, owner: &Person, amount: i64) -> String {
        let account = owner.client.open("spending", "USD").await;
        if amount > 0 {
            self.fund(&account, amount).await;
        }
        account
    }

    /// The value of a metric on the operators' listener: the sum over its label sets.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.operator().get("/metrics").await.expect(200);
        let text = String::from_utf8_lossy(&text.body).into_owned();
        let lines = text.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).reduce(|sum: f64, value: f64| add(sum, value))
    }

    /// users-service's own commands on this stack's data and settings: whether all went well, and what was said.
    ///
    /// # Panics
    /// When the binary is not built.
    pub async fn order_users(&self, args: &[&str]) -> (bool, String) {
        let mut command = std::process::Command::new(binary("users-service").expect("the binary is built"));
        command.args(args).envs(self.env.iter().cloned());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("it does not panic").expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// The Redis beneath, to be killed.
    ///
    /// # Panics
    /// On embedded ground.
    pub fn redis(&mut self) -> &mut crate::backends::Redis {
        self.ground.as_mut().and_then(|ground| ground.redis.as_mut()).expect("a stack on real servers has a Redis")
    }

    /// Drains for up to `grace`, stops, and removes the databases.
    ///
    /// # Panics
    /// When the databases cannot be dropped.
    pub async fn stop(self, grace: Duration) {
        self.halt(grace).await.clear().await.expect("the databases are dropped");
    }

    /// Drains for up to `grace` and stops; the databases stay, for a second start on them.
    ///
    /// # Panics
    /// When the thread that everything runs on has panicked.
    pub async fn halt(mut self, grace: Duration) -> Ground {
        if let Some(engine) = self.engine.take() {
            let stopped = tokio::task::spawn_blocking(move || engine.stop(grace)).await;
            stopped.expect("the stack's thread does not panic");
        }
        self.ground.take().expect("a stack has its ground until it ends")
    }
}

#[expect(clippy::float_arithmetic, reason = "metrics are floats")]
fn add(sum: f64, value: f64) -> f64 {
    sum + value
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop(Duration::ZERO);
        }
        // A thread of its own, for the test's runtime may be the thread that drops us.
        if let Some(ground) = self.ground.take() {
            drop(std::thread::spawn(move || engine::block_on(ground.clear())).join());
        }
    }
}
