//! The public listener: actix's HTTP/1.1 on streams of ours, so that even bytes that are no HTTP get a problem.

mod connections;
mod courteous;
mod door;
mod manners;
pub mod redirect;
mod wire;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use actix_web::{App, Error};

use crate::config;
pub use courteous::Consent;
use courteous::Courteous;
use wire::Wire;

pub use connections::{Caps, Connections};
pub use door::{Door, Kind};
pub use manners::{BodyPatience, Manners, Patience, Words};
pub use wire::Arrival;

/// How long a connection that is being closed is read on.
const LINGER: Duration = Duration::from_secs(2);

/// Connections that the kernel holds until they are accepted: enough for everybody to come back at once.
const BACKLOG: i32 = 4096;

/// Serves what `configure` puts into each worker's app.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(
    config: &config::Server,
    door: Door,
    socket: TcpListener,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let address = socket.local_addr()?;
    // std listens with a queue of 128. What cannot be set stays as it is.
    let _ = socket2::SockRef::from(&socket).listen(BACKLOG);
    let workers = match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(door.queues_from())
        .shutdown_timeout(config.shutdown_grace.get().as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let (keep_alive, header_timeout) = (config.keep_alive.get(), config.header_timeout.get());
    let door = Arc::new(door);
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
            // Else a body that breaks its framing would close the connection without the answer that says so. That a
            // client which closes has gone is the stream's to say.
            .h1_allow_half_closed(true)
            .local_addr(address)
            .on_connect_ext(|stream: &Courteous<Wire>, data: &mut Extensions| {
                data.insert(stream.consent());
                data.insert(stream.inner().arrival.clone());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let door = Arc::clone(&door);
        fn_service(move |stream: TcpStream| {
            let door = Arc::clone(&door);
            async move { door.open(stream).await }
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}
