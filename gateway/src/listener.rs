//! The public listener: actix's HTTP/1.1 on streams of ours, so that even bytes that are no HTTP get a problem.

mod courteous;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use actix_web::{App, Error};
use shared::clock::Clock;

use crate::config;
use courteous::Courteous;

/// How long a connection that is being closed is read on.
const LINGER: Duration = Duration::from_secs(2);

/// Serves what `configure` puts into each worker's app.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(
    config: &config::Server,
    clock: &Clock,
    socket: TcpListener,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let address = socket.local_addr()?;
    let workers = match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(config.max_connections)
        .shutdown_timeout(config.shutdown_grace.get().as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let (keep_alive, header_timeout) = (config.keep_alive.get(), config.header_timeout.get());
    let clock = clock.clone();
    let builder = builder.listen("gateway", socket, move || {
        let stopping = stopping.clone();
        let app = App::new().configure(&configure).into_factory().map_err(|error: Error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(header_timeout)
            // Time to read a refusal while the rest of its upload is still coming in.
            .client_disconnect_timeout(LINGER)
            // A client that closes has gone: what it asked for is cancelled upstream.
            .h1_allow_half_closed(false)
            .local_addr(address)
            .h1(map_config(app, |()| AppConfig::default()));
        let clock = clock.clone();
        fn_service(move |stream: TcpStream| {
            let clock = clock.clone();
            async move {
                // Without it answers wait for acknowledgements; a stream that cannot be told still works.
                let _ = stream.set_nodelay(true);
                let peer = stream.peer_addr().ok();
                Ok::<_, DispatchError>((Courteous::new(stream, clock), peer))
            }
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}
