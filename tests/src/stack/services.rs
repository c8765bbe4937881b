//! The three services side by side on one thread: loaded, built in order, run, stopped in the opposite order.

use std::fmt;
use std::time::Duration;

use shared::clock::Clock;
use shared::store::Stores;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Credentials;
use super::engine::{Bootstrap, Plan, StackError};

struct Configs {
    users: users_service::Config,
    accounts: accounts_service::Config,
    gateway: gateway::Config,
}

impl Configs {
    /// Every mistake of all three at once.
    fn load(plan: &Plan) -> Result<Self, StackError> {
        let users = users_service::Config::load(None, &plan.env);
        let accounts = accounts_service::Config::load(None, &plan.env);
        let gateway = gateway::Config::load(plan.gateway_file.as_deref(), &plan.env);
        match (users, accounts, gateway) {
            (Ok(users), Ok(accounts), Ok(gateway)) => Ok(Self { users, accounts, gateway }),
            (users, accounts, gateway) => {
                Err(StackError::Config([users.err(), accounts.err(), gateway.err()].into_iter().flatten().collect()))
            }
        }
    }
}

/// The whole life: `started` is told when everything listens, `stopped` says when and how patiently to end.
pub(super) async fn live(
    plan: Plan,
    started: oneshot::Sender<Bootstrap>,
    stopped: oneshot::Receiver<Duration>,
) -> Result<(), StackError> {
    let configs = Configs::load(&plan)?;
    let (clock, listeners) = (Clock::system(), plan.listeners);
    let memory = Stores::memory(clock.clone());
    let mut running = JoinSet::new();

    let mut accounts_handle = None;
    if plan.accounts {
        let deps = accounts_service::Deps { clock: clock.clone() };
        let accounts =
            accounts_service::build(configs.accounts, deps, listeners.accounts).await.map_err(start("accounts"))?;
        accounts_handle = Some(accounts.handle());
        running.spawn_local(async { ("accounts", accounts.run().await) });
    }

    // As the gateway's own main does it.
    gateway::boot::open_files(&configs.gateway);
    let stores = gateway::boot::redis(&configs.gateway, clock.clone()).await.map_err(start("gateway"))?;
    let deps = gateway::Deps {
        clock: clock.clone(),
        stores: stores.unwrap_or_else(|| memory.clone()),
        log: shared::telemetry::LogLevel::default(),
        source: gateway::reload::Source { file: plan.gateway_file, env: plan.env, look: gateway::reload::LOOK },
    };
    let gateway =
        gateway::build(configs.gateway, deps, listeners.gateway, listeners.admin).await.map_err(start("gateway"))?;
    let gateway_handle = gateway.handle();
    running.spawn_local(async { ("gateway", gateway.run().await) });

    // Last: its first start makes an administrator, whose password is told only when everything has started.
    let stores = match configs.users.redis.url.as_str() {
        "" => memory,
        url => Stores::redis(url, clock.clone()).await.map_err(start("users"))?,
    };
    let deps = users_service::Deps { clock: clock.clone(), stores };
    let users = users_service::build(configs.users, deps, listeners.users).await.map_err(start("users"))?;
    let bootstrap = users.bootstrap.as_ref().map(Credentials::from);
    let users_handle = users.handle();
    running.spawn_local(async { ("users", users.run().await) });

    // Whoever started us may have given up; then `stopped` is closed too.
    drop(started.send(bootstrap));
    let grace = tokio::select! {
        grace = stopped => grace.unwrap_or_default(),
        Some(ended) = running.join_next() => {
            let (service, _) = ended.map_err(std::io::Error::other)?;
            return Err(StackError::Ended(service));
        }
    };
    // The gateway first: what it still serves needs the services behind it.
    gateway_handle.stop(grace).await;
    if let Some(accounts) = accounts_handle {
        accounts.stop(grace).await;
    }
    users_handle.stop(grace).await;
    while running.join_next().await.is_some() {}
    Ok(())
}

fn start<E: fmt::Display>(service: &'static str) -> impl FnOnce(E) -> StackError {
    move |error| StackError::Start(service, error.to_string())
}
