//! Our gateway with everything on: token, role, rate limit, version, breaker, metrics, trace context, assertion.

use std::fs;

use tests::backends::free_port;

use super::Setup;
use crate::failure::Failure;
use crate::server::{Server, ours};
use crate::token::{AUDIENCE, ISSUER};

pub async fn start(setup: &Setup<'_>) -> Result<Server, Failure> {
    behind(setup, "[]").await
}

/// Sharing its counters through this Redis.
pub async fn sharing(setup: &Setup<'_>, redis: &str) -> Result<Server, Failure> {
    run(setup, "shared", "[]", &format!("[redis]\nurl = \"{redis}\"\n")).await
}

/// Behind these proxies, whose word about clients' addresses is taken.
pub async fn behind(setup: &Setup<'_>, proxies: &str) -> Result<Server, Failure> {
    run(setup, "gateway", proxies, "").await
}

async fn run(setup: &Setup<'_>, name: &str, proxies: &str, more: &str) -> Result<Server, Failure> {
    let port = free_port()?;
    let file = setup.folder.join(format!("{name}.toml"));
    fs::write(&file, config(setup, port, free_port()?, proxies) + more)?;
    let mut command = ours("gateway")?;
    command.arg("serve").arg("--config").arg(file);
    Server::start(name, port, command, setup.folder)?.accepting().await
}

fn config(setup: &Setup<'_>, port: u16, admin: u16, proxies: &str) -> String {
    let (upstream, secret) = (format!("http://127.0.0.1:{}", setup.upstream), &setup.secret);
    format!(
        r#"upstreams = [{{ name = "bench", url = "{upstream}", assertion = true }}]
[server]
listen = "127.0.0.1:{port}"
workers = 2
trusted_proxies = {proxies}
[admin]
listen = "127.0.0.1:{admin}"
[identity]
secret = "{secret}"
[authentication]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks_url = "{upstream}/.well-known/jwks.json"
[documents]
enabled = false
[rate_limit]
anonymous = ["address"]
[[rate_limit.policies]]
name = "address"
key = "address"
quota = 1000000000
window = "1m"
burst = 1000000000
[[rate_limit.policies]]
name = "user"
key = "user"
quota = 1000000000
window = "1m"
burst = 1000000000
[[rate_limit.roles]]
role = "user"
policies = ["user"]
[[routes]]
path = "/api/items/{{id}}"
upstream = "bench"
roles = ["user"]
[[routes]]
path = "/api/open/{{id}}"
upstream = "bench"
auth = "none"
body = 67108864
"#
    )
}
