//! The names of the settings that a stack gives its services, each in one place.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The gateway.
    Gateway,
    /// users-service.
    Users,
    /// accounts-service.
    Accounts,
}

impl Service {
    /// All of them, in the order they start.
    pub const ALL: [Self; 3] = [Self::Users, Self::Accounts, Self::Gateway];

    /// As in `TOLLGATE_<SERVICE>__…`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "GATEWAY",
            Self::Users => "USERS",
            Self::Accounts => "ACCOUNTS",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Environment variables for the three services.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings(BTreeMap<String, String>);

impl Settings {
    pub(super) fn from_env(env: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(env.into_iter().filter(|(name, _)| name.starts_with("TOLLGATE_")).collect())
    }

    /// Overrides `key` (dotted, as in the TOML) of `service`.
    pub(super) fn set(&mut self, service: Service, key: &str, value: impl fmt::Display) {
        self.0.insert(name(service, key), value.to_string());
    }

    /// The same, unless it is set already.
    pub(super) fn fill(&mut self, service: Service, key: &str, value: impl fmt::Display) {
        self.0.entry(name(service, key)).or_insert_with(|| value.to_string());
    }

    pub(super) fn get(&self, service: Service, key: &str) -> Option<&str> {
        self.0.get(&name(service, key)).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn vars(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Where the gateway finds a service.
    pub(super) fn upstream(&mut self, service: Service, addr: SocketAddr) {
        let key = format!("services.{}.url", service.as_str().to_ascii_lowercase());
        self.set(Service::Gateway, &key, format!("http://{addr}"));
    }

    /// The secret all three share.
    pub(super) fn assertion_secret(&mut self, secret: &str) {
        for service in Service::ALL {
            self.fill(service, ASSERTION_SECRET, secret);
        }
    }

    /// The secret that one of the services was given.
    pub(super) fn assertion_secret_given(&self) -> Option<&str> {
        Service::ALL.into_iter().find_map(|service| self.get(service, ASSERTION_SECRET))
    }

    /// The secret given, else a new one, given to all three.
    pub(super) fn keep_or_make_secret(&mut self) -> String {
        let given = self.assertion_secret_given().map(str::to_owned);
        let secret = given.unwrap_or_else(|| hex::encode(rand::random::<[u8; 32]>()));
        self.assertion_secret(&secret);
        secret
    }
}

/// The key of the shared secret in each service's configuration.
pub(super) const ASSERTION_SECRET: &str = "identity.secret";

fn name(service: Service, key: &str) -> String {
    format!("TOLLGATE_{service}__{}", key.replace('.', "__").to_ascii_uppercase())
}
