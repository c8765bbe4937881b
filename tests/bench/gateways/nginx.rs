//! nginx as a bare reverse proxy with keep-alive on both sides and no policy at all.

use std::fs;

use tests::backends::free_port;

use super::{Setup, installed};
use crate::failure::Failure;
use crate::server::Server;

pub async fn start(setup: &Setup<'_>) -> Result<Server, Failure> {
    let nginx = installed("nginx", "nginx-light")?;
    let port = free_port()?;
    let file = setup.folder.join("nginx.conf");
    fs::write(&file, config(setup, port))?;
    let mut command = nginx.command();
    command.arg("-p").arg(setup.folder).arg("-e").arg("stderr").arg("-c").arg(file);
    Server::start("nginx", port, command, setup.folder)?.accepting().await
}

fn config(setup: &Setup<'_>, port: u16) -> String {
    let (folder, upstream) = (setup.folder.display(), setup.upstream);
    format!(
        r#"daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    upstream bench {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 100000000;
        location / {{
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"#
    )
}
