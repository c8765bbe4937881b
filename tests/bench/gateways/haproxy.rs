//! HAProxy with `jwt_verify` on every request (it has no token cache), role, a stick-table limit and observed errors.

use std::fs;

use tests::backends::free_port;

use super::{Setup, installed};
use crate::failure::Failure;
use crate::server::Server;
use crate::token::{AUDIENCE, ISSUER};

pub async fn start(setup: &Setup<'_>) -> Result<Server, Failure> {
    let haproxy = installed("haproxy", "haproxy")?;
    let port = free_port()?;
    let (file, key) = (setup.folder.join("haproxy.cfg"), setup.folder.join("token.pem"));
    fs::write(&key, &setup.issued.pem)?;
    fs::write(&file, config(setup, port, &key.display().to_string()))?;
    let mut command = haproxy.command();
    command.arg("-db").arg("-f").arg(file);
    Server::start("haproxy", port, command, setup.folder)?.accepting().await
}

fn config(setup: &Setup<'_>, port: u16, key: &str) -> String {
    let upstream = setup.upstream;
    format!(
        r#"global
    nbthread 2
    maxconn 4096
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 30s
    http-reuse always
frontend bench
    bind 127.0.0.1:{port}
    stick-table type ip size 100k expire 1m store http_req_rate(1m)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000000 }}
    http-request set-var(txn.token) http_auth_bearer
    http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
    http-request set-var(txn.iss) var(txn.token),jwt_payload_query('$.iss')
    http-request set-var(txn.aud) var(txn.token),jwt_payload_query('$.aud')
    http-request set-var(txn.role) var(txn.token),jwt_payload_query('$.roles[0]')
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str {ISSUER} }}
    http-request deny deny_status 401 unless {{ var(txn.aud) -m str {AUDIENCE} }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{key}") 1 }}
    http-request deny deny_status 403 unless {{ var(txn.role) -m str user }}
    default_backend upstream
backend upstream
    server one 127.0.0.1:{upstream} check observe layer7 error-limit 5 on-error mark-down
"#
    )
}
