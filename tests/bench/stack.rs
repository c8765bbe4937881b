//! The three services as processes of their own, on embedded stores: as they are installed, and idle.

use std::path::Path;

use tests::backends::free_port;

use crate::failure::Failure;
use crate::server::{Server, ours};

/// All three. Dropping it ends them, the gateway first.
#[derive(Debug)]
pub struct Stack {
    pub gateway: Server,
    pub users: Server,
    pub accounts: Server,
}

impl Stack {
    /// Starts them in `folder` and waits until they are ready.
    pub async fn start(folder: &Path, secret: &str) -> Result<Self, Failure> {
        let users = users(folder, secret).await?;
        let accounts = service("accounts", folder, secret, &[]).await?;
        let (port, admin) = (free_port()?, free_port()?);
        let mut command = ours("gateway")?;
        command.arg("serve");
        for (key, value) in [
            ("SERVER__LISTEN", format!("127.0.0.1:{port}")),
            ("ADMIN__LISTEN", format!("127.0.0.1:{admin}")),
            ("SERVICES__USERS__URL", format!("http://{}", users.address())),
            ("SERVICES__ACCOUNTS__URL", format!("http://{}", accounts.address())),
            ("IDENTITY__SECRET", secret.to_owned()),
        ] {
            command.env(format!("TOLLGATE_GATEWAY__{key}"), value);
        }
        let gateway = Server::start("gateway", port, command, folder)?.answering("/readyz").await?;
        Ok(Self { gateway, users, accounts })
    }
}

/// users-service alone, without throttling of sign-ins.
pub async fn users(folder: &Path, secret: &str) -> Result<Server, Failure> {
    service("users", folder, secret, &[("THROTTLE__ENABLED", "false")]).await
}

/// The same on a PostgreSQL.
pub async fn users_on(url: &str, folder: &Path, secret: &str) -> Result<Server, Failure> {
    service("users", folder, secret, &[("THROTTLE__ENABLED", "false"), ("DATABASE__URL", url)]).await
}

async fn service(name: &str, folder: &Path, secret: &str, more: &[(&str, &str)]) -> Result<Server, Failure> {
    let port = free_port()?;
    let mut command = ours(&format!("{name}-service"))?;
    command.arg("serve").current_dir(folder);
    let own = [
        ("SERVER__LISTEN", format!("127.0.0.1:{port}")),
        ("DATABASE__URL", format!("sqlite://{}/{name}.db", folder.display())),
        ("IDENTITY__SECRET", secret.to_owned()),
    ];
    let more = more.iter().map(|(key, value)| (*key, (*value).to_owned()));
    for (key, value) in own.into_iter().chain(more) {
        command.env(format!("TOLLGATE_{}__{key}", name.to_uppercase()), value);
    }
    Server::start(name, port, command, folder)?.answering("/readyz").await
}
