//! What is to be broken: two ledger processes behind the gateway, their PostgreSQL behind a proxy, and Redis.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tempfile::TempDir;

use crate::backends::{Backend, BackendError, Cluster, Ground, Redis, connect};
use crate::client::Person;
use crate::faults::PostgresProxy;
use crate::ledger::driver::{Badge, Cast};
use crate::ledger::{Caller, Role};
use crate::stack::{AccountsProcess, Service, Stack};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
/// On a disk even where /tmp is memory.
const DISK: &str = "/var/tmp";
/// What the write-ahead log may take, and with it its disk: enough for a run, little to fill.
const SMALL: &str = "size=256m,mode=0755";
const CUSTOMERS: usize = 8;
const GRACE: Duration = Duration::from_secs(5);

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Fleet {
    // In the order in which they have to end.
    stack: Option<Stack>,
    pub(super) services: Vec<AccountsProcess>,
    pub(super) proxy: PostgresProxy,
    pub(super) cluster: Cluster,
    /// The small disk of the write-ahead log, where one could be had.
    pub(super) small: Option<SmallDisk>,
    _folder: TempDir,
}

impl Fleet {
    /// Starts everything.
    pub(super) async fn launch() -> Result<Self, BackendError> {
        let folder = if Path::new(DISK).is_dir() { TempDir::new_in(DISK)? } else { TempDir::new()? };
        let small = SmallDisk::mount(&folder.path().join("small"));
        let home = folder.path().join("cluster");
        let cluster = Cluster::durable(&home, small.as_ref().map(|disk| disk.folder.as_path())).await?;
        let proxy = PostgresProxy::before(cluster.addr).await?;
        // Encrypted replies could not be told apart.
        let url = format!("postgres://postgres@{}/postgres?sslmode=disable", proxy.addr);
        let mut services = Vec::new();
        for _ in 0..2 {
            let mut service = AccountsProcess::on(&url, SECRET)?.set("standing.poll", "100ms");
            service.start().await;
            services.push(service);
        }
        let ground = Ground::lay(Backend::Real).await?;
        let stack = Stack::builder(Backend::Real)
            .accounts_at(services[0].addr)
            .set(Service::Gateway, "services.accounts.endpoints", format!("http://{}", services[1].addr))
            .set(Service::Users, "tokens.access_lifetime", "1h")
            .assertion_secret(SECRET)
            .start_on(ground)
            .await;
        Ok(Self { stack: Some(stack), services, proxy, cluster, small, _folder: folder })
    }

    /// Ends everything.
    pub(super) async fn land(mut self) -> Result<(), BackendError> {
        if let Some(stack) = self.stack.take() {
            stack.halt(GRACE).await.clear().await?;
        }
        Ok(())
    }

    fn stack(&self) -> &Stack {
        self.stack.as_ref().expect("it runs until it is landed")
    }

    /// Redis, to be killed.
    pub(super) fn redis(&mut self) -> &mut Redis {
        self.stack.as_mut().expect("it runs until it is landed").redis()
    }

    pub(super) fn gateway(&self) -> SocketAddr {
        self.stack().gateway
    }

    /// The ledger's database, past the proxy.
    pub(super) fn ledger(&self) -> &str {
        &self.cluster.url
    }

    pub(super) async fn connection(&self) -> Result<PgConnection, BackendError> {
        Ok(connect(self.ledger()).await?)
    }

    pub(super) async fn postgres_version(&self) -> Result<String, BackendError> {
        Ok(sqlx::query_scalar("SHOW server_version").fetch_one(&mut self.connection().await?).await?)
    }

    /// People with money to move, and how they show who they are.
    pub(super) async fn cast(&self) -> (Cast, Badge) {
        let mut tokens = BTreeMap::new();
        let mut named = |person: &Person, role| {
            tokens.insert(person.id.clone(), person.client.token().unwrap_or_default().to_owned());
            Caller { user: person.id.clone(), role }
        };
        let mut customers = Vec::new();
        for _ in 0..CUSTOMERS {
            customers.push(named(&self.stack().register("customer").await, Role::Customer));
        }
        let treasurer = named(&self.stack().with_roles("treasurer", &["treasurer"]).await, Role::Treasurer);
        let admin = named(&self.stack().with_roles("admin", &["admin"]).await, Role::Admin);
        (Cast { customers, treasurer, admin }, Badge::Tokens(Arc::new(tokens)))
    }
}

/// A file system in memory, unmounted when dropped.
#[derive(Debug)]
pub(super) struct SmallDisk {
    pub(super) folder: PathBuf,
}

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SMALL, "tollgate-chaos"]).arg(folder);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self { folder: folder.to_owned() })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server that writes there may be ending still.
        drop(Command::new("umount").arg("--lazy").arg(&self.folder).status());
    }
}
