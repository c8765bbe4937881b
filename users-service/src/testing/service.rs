//! The service, started for one test.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::auth::Signer;
use shared::clock::Clock;
use shared::config::Secret;
use shared::store::Stores;
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

use super::answer::Answer;
use super::person::{PASSWORD, Person};
use super::postgres;
use crate::{Config, Deps, Handle, build};

const SECRET: &str = "a secret of the tests, long enough";
const ADMIN: &str = "root@example.com";

/// On which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// What a test may choose before it starts.
pub struct Setup {
    backend: Backend,
    pub clock: Clock,
    pub stores: Stores,
    settings: Vec<(String, String)>,
}

/// Where the data is; dropped with everything in it.
pub struct Ground {
    pub url: String,
    pub(super) folder: TempDir,
    database: Option<String>,
}

/// A running service.
pub struct Running {
    pub addr: SocketAddr,
    pub clock: Clock,
    pub stores: Stores,
    pub ground: Ground,
    pub config: Config,
    pub(super) signer: Signer,
    pub(super) http: reqwest::Client,
    pub bootstrap: Option<crate::BootstrapAdmin>,
    pub journal: crate::audit::Journal,
    pub app: actix_web::web::Data<crate::app::App>,
    handle: Handle,
    served: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
}

impl Setup {
    /// With a cheap hash, no throttle, a known administrator and a clock moved by hand.
    pub fn on(backend: Backend) -> Self {
        let clock = Clock::manual(time::macros::datetime!(2026-03-01 12:00 UTC));
        let stores = Stores::memory(clock.clone());
        let setup = Self { backend, clock, stores, settings: Vec::new() };
        setup
            .set("identity.secret", SECRET)
            .set("server.workers", "2")
            .set("hashing.memory_kib", "64")
            .set("hashing.passes", "1")
            .set("throttle.enabled", "false")
            .set("mail.poll", "20ms")
            .set("avatars.poll", "20ms")
            // An RSA key takes its time in a build for tests.
            .set("oauth.id_token_algorithm", "EdDSA")
            .set("bootstrap.admin_email", ADMIN)
            .set("bootstrap.admin_password", PASSWORD)
    }

    /// With another service's clock.
    pub fn at(self, clock: Clock) -> Self {
        Self { stores: Stores::memory(clock.clone()), clock, ..self }
    }

    pub fn set(mut self, key: &str, value: &str) -> Self {
        let name = format!("TOLLGATE_USERS__{}", key.replace('.', "__").to_uppercase());
        self.settings.retain(|(set, _)| *set != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    pub async fn start(self) -> Running {
        let ground = Ground::lay(self.backend).await;
        self.start_on(ground).await
    }

    /// Why it does not start.
    pub async fn refused_on(self, ground: &Ground) -> String {
        let Self { clock, stores, settings, .. } = self.set("database.url", &ground.url);
        let config = Config::load(None, &settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        match build(config, Deps { clock, stores }, listener).await {
            Ok(_) => panic!("it has started"),
            Err(error) => error.to_string(),
        }
    }

    pub async fn start_on(self, ground: Ground) -> Running {
        let spool = ground.spool().display().to_string();
        // A test that has chosen a folder of its own keeps it.
        let chosen = self.settings.iter().any(|(name, _)| name == "TOLLGATE_USERS__MAIL__SPOOL");
        let setup = if chosen { self } else { self.set("mail.spool", &spool) };
        let Self { clock, stores, settings, .. } = setup.set("database.url", &ground.url);
        let config = Config::load(None, &settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let deps = Deps { clock: clock.clone(), stores: stores.clone() };
        let mut service = build(config.clone(), deps, listener).await.unwrap();
        let (addr, handle, bootstrap) = (service.addr, service.handle(), service.bootstrap.take());
        let (journal, app) = (service.journal.clone(), service.app.clone());
        let served = actix_web::rt::spawn(service.run());
        let signer = Signer::new(&Secret::from(SECRET.to_owned()), clock.clone()).unwrap();
        // Redirects are answers.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Running { addr, clock, stores, ground, config, signer, http, bootstrap, journal, app, handle, served }
    }
}

impl Ground {
    pub async fn lay(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        match backend {
            Backend::Sqlite => {
                let url = format!("sqlite://{}", folder.path().join("users.db").display());
                Self { url, folder, database: None }
            }
            Backend::Postgres => {
                let name = format!("tollgate_users_{}", uuid::Uuid::new_v4().simple());
                on_server(&format!("CREATE DATABASE {name}")).await;
                let server = postgres::server();
                let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
                Self { url, folder, database: Some(name) }
            }
        }
    }

    /// The same ground for a second service; the first one clears it.
    pub fn shared(&self) -> Self {
        Self { url: self.url.clone(), folder: tempfile::tempdir().unwrap(), database: None }
    }

    pub async fn clear(self) {
        if let Some(name) = self.database {
            on_server(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

async fn on_server(sql: &str) {
    let mut connection = PgConnection::connect(&postgres::server()).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

impl Running {
    /// Registers somebody whose name is `name` and signs them in.
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{name}@example.org");
        self.register(&json!({"email": email, "username": name, "password": PASSWORD})).await.expect(201);
        self.sign_in(&email).await
    }

    pub async fn register(&self, body: &Value) -> Answer {
        self.call(Method::POST, "/api/v1/users").json(body).send().await
    }

    pub async fn sign_in(&self, email: &str) -> Person {
        Person::of(email, &self.password_grant(email, PASSWORD).await.expect(200))
    }

    pub async fn administrator(&self) -> Person {
        self.sign_in(ADMIN).await
    }

    /// Somebody with these roles.
    pub async fn with_roles(&self, name: &str, roles: &[&str]) -> Person {
        let person = self.person(name).await;
        let path = format!("/api/v1/users/{}/roles", person.id);
        let administrator = self.administrator().await;
        self.call(Method::PUT, &path).by(&administrator).json(&json!({"roles": roles})).send().await.expect(200);
        self.sign_in(&person.email).await
    }

    pub async fn password_grant(&self, username: &str, password: &str) -> Answer {
        let fields = [("grant_type", "password"), ("username", username), ("password", password)];
        self.call(Method::POST, "/api/v1/auth/token").form(&fields).send().await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.call(Method::POST, "/api/v1/auth/token").form(&fields).send().await
    }

    /// Stops the service; its data stays.
    pub async fn halt(self) -> Ground {
        self.handle.stop(Duration::from_secs(5)).await;
        self.served.await.unwrap().unwrap();
        self.ground
    }

    /// Stops the service and removes its data.
    pub async fn stop(self) {
        self.halt().await.clear().await;
    }
}
