//! What a test may change about its stack before it starts.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::engine::{Engine, Listeners, Plan};
use super::settings::{Service, Settings};
use super::{Credentials, Stack};
use crate::backends::{Backend, Ground};
use crate::client::Client;
use crate::faults::Proxy;
use crate::wait::wait_until;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// A stack that is not started yet.
#[derive(Debug)]
pub struct Builder {
    backend: Backend,
    settings: Settings,
    gateway_file: Option<PathBuf>,
    accounts: Accounts,
    redis_behind: Option<Proxy>,
    over_tls: Option<Tls>,
}

/// How the gateway is called over TLS, and the authority (PEM) that vouches for it.
#[derive(Debug)]
struct Tls {
    name: String,
    authority: String,
}

#[derive(Debug)]
enum Accounts {
    InProcess,
    Behind(Proxy),
    Elsewhere(SocketAddr),
}

impl Builder {
    pub(super) fn new(backend: Backend) -> Self {
        let mut settings = Settings::default();
        settings.set(Service::Gateway, "rate_limit.enabled", false);
        settings.set(Service::Users, "throttle.enabled", false);
        // An RSA key takes its time in a build for tests.
        settings.set(Service::Users, "oauth.id_token_algorithm", "EdDSA");
        Self {
            backend,
            settings,
            gateway_file: None,
            accounts: Accounts::InProcess,
            redis_behind: None,
            over_tls: None,
        }
    }

    /// Overrides one setting; `key` is dotted, as in the service's TOML.
    #[must_use]
    pub fn set(mut self, service: Service, key: &str, value: impl fmt::Display) -> Self {
        self.settings.set(service, key, value);
        self
    }

    /// A configuration file for the gateway, under the environment.
    #[must_use]
    pub fn gateway_file(self, file: impl Into<PathBuf>) -> Self {
        Self { gateway_file: Some(file.into()), ..self }
    }

    /// The stack's clients come over TLS, under this name, and believe this authority (PEM). The file has the certificate.
    #[must_use]
    pub fn over_tls(self, name: &str, authority: &str) -> Self {
        Self { over_tls: Some(Tls { name: name.to_owned(), authority: authority.to_owned() }), ..self }
    }

    /// The gateway reaches accounts-service through this proxy.
    #[must_use]
    pub fn accounts_behind(self, proxy: &Proxy) -> Self {
        Self { accounts: Accounts::Behind(proxy.clone()), ..self }
    }

    /// The gateway takes whatever listens there for accounts-service.
    #[must_use]
    pub fn accounts_at(self, addr: SocketAddr) -> Self {
        Self { accounts: Accounts::Elsewhere(addr), ..self }
    }

    /// All services reach Redis through this proxy.
    #[must_use]
    pub fn redis_behind(self, proxy: &Proxy) -> Self {
        Self { redis_behind: Some(proxy.clone()), ..self }
    }

    /// A secret to share with an accounts-service started elsewhere.
    #[must_use]
    pub fn assertion_secret(mut self, secret: &str) -> Self {
        self.settings.assertion_secret(secret);
        self
    }

    /// Starts it and waits until the gateway is ready.
    ///
    /// # Panics
    /// When it does not start: the test fails and says why.
    pub async fn start(self) -> Stack {
        let ground = Ground::lay(self.backend).await.unwrap_or_else(|error| panic!("no back-end: {error}"));
        self.start_on(ground).await
    }

    /// Starts it on ground laid before, as a second start after a stop.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_on(mut self, ground: Ground) -> Stack {
        let listeners = Listeners::on_free_ports().expect("free ports");
        let administrator =
            Credentials { email: "root@example.com".to_owned(), password: "first administrator 1".to_owned() };
        let secret = self.lay_settings(&ground, &listeners, &administrator);
        let elsewhere = matches!(self.accounts, Accounts::Elsewhere(_));
        let addrs = listeners.addrs().expect("bound listeners have addresses");
        let [users, accounts, gateway, admin] = addrs;
        let env = self.settings.vars();
        let plan = Plan { env: env.clone(), gateway_file: self.gateway_file, listeners, accounts: !elsewhere };
        let (engine, _) = Engine::start(plan).await.unwrap_or_else(|error| panic!("the stack does not start: {error}"));
        let stack = Stack {
            gateway,
            admin,
            users,
            accounts,
            assertion_secret: secret,
            env,
            administrator,
            treasury: OnceCell::new(),
            client: match &self.over_tls {
                Some(tls) => Client::over_tls(&tls.name, gateway, &tls.authority),
                None => Client::new(gateway),
            },
            engine: Some(engine),
            ground: Some(ground),
        };
        if !elsewhere {
            let operator = stack.operator();
            wait_until("the gateway is ready", READY_LIMIT, async || {
                (operator.get("/readyz").await.status == 200).then_some(())
            })
            .await;
        }
        stack
    }

    fn lay_settings(&mut self, ground: &Ground, listeners: &Listeners, administrator: &Credentials) -> String {
        let settings = &mut self.settings;
        settings.set(Service::Users, "database.url", &ground.users);
        settings.set(Service::Accounts, "database.url", &ground.accounts);
        settings.fill(Service::Users, "mail.spool", ground.mail.display());
        settings.fill(Service::Users, "bootstrap.admin_email", &administrator.email);
        settings.fill(Service::Users, "bootstrap.admin_password", &administrator.password);
        let secret = settings.keep_or_make_secret();
        if let Some(redis) = &ground.redis {
            let url = match &self.redis_behind {
                Some(proxy) => {
                    proxy.aim(redis.addr());
                    format!("redis://{}/{}", proxy.addr, redis.number())
                }
                None => redis.url.clone(),
            };
            settings.set(Service::Gateway, "redis.url", &url);
            settings.set(Service::Users, "redis.url", &url);
            settings.set(Service::Accounts, "redis.url", &url);
        }
        if let Some(tls) = &self.over_tls {
            let port = listeners.gateway.local_addr().expect("a bound listener has an address").port();
            let issuer = format!("https://{}:{port}", tls.name);
            settings.set(Service::Users, "tokens.issuer", &issuer);
            settings.set(Service::Accounts, "receipts.issuer", &issuer);
            settings.set(Service::Gateway, "authentication.issuer", &issuer);
        }
        let local = |listener: &TcpListener| listener.local_addr().expect("a bound listener has an address");
        settings.upstream(Service::Users, local(&listeners.users));
        let accounts = match &self.accounts {
            Accounts::InProcess => local(&listeners.accounts),
            Accounts::Elsewhere(addr) => *addr,
            Accounts::Behind(proxy) => {
                proxy.aim(local(&listeners.accounts));
                proxy.addr
            }
        };
        settings.upstream(Service::Accounts, accounts);
        secret
    }
}
