//! The public listener: actix's HTTP/1.1 on streams of ours, so that even bytes that are no HTTP get a problem.

mod courteous;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use actix_web::{App, Error};
use shared::clock::Clock;

use crate::config;
pub use courteous::Consent;
use courteous::Courteous;

/// Request lines up to this size reach the app, whose refusal can say more. The parser's own limit is 64 KiB.
const LINE_AT_LEAST: usize = 32_768;

/// How long a connection that is being closed is read on.
const LINGER: Duration = Duration::from_secs(2);

/// What the stream needs to answer in the app's place, and when not to.
pub struct Manners {
    clock: Clock,
    /// The header lines that every answer carries, as they are sent.
    lines: String,
    /// A request line longer than this is refused before the parser is lost in it.
    line_bytes: usize,
    /// How long a head may take.
    header_timeout: Duration,
    /// How long a client may take nothing of what is written.
    write_timeout: Duration,
}

/// How long clients are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a head that has begun.
    pub head: Duration,
    /// For a client to take something of what is written.
    pub write: Duration,
}

impl Manners {
    /// `headers` are those that every answer carries; targets longer than `url_bytes` are refused by the app.
    #[must_use]
    pub fn new(clock: Clock, headers: &HeaderMap, url_bytes: usize, patience: &Patience) -> Arc<Self> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| Some(format!("{name}: {}\r\n", value.to_str().ok()?));
        let lines = headers.iter().filter_map(line).collect();
        let line_bytes = url_bytes.max(LINE_AT_LEAST);
        Arc::new(Self { clock, lines, line_bytes, header_timeout: patience.head, write_timeout: patience.write })
    }
}

/// Serves what `configure` puts into each worker's app.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(
    config: &config::Server,
    manners: &Arc<Manners>,
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
    let manners = Arc::clone(manners);
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
            .on_connect_ext(|stream: &Courteous<TcpStream>, data: &mut Extensions| {
                data.insert(stream.consent());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let manners = Arc::clone(&manners);
        fn_service(move |stream: TcpStream| {
            let manners = Arc::clone(&manners);
            async move {
                // Without it answers wait for acknowledgements; a stream that cannot be told still works.
                let _ = stream.set_nodelay(true);
                let peer = stream.peer_addr().ok();
                Ok::<_, DispatchError>((Courteous::new(stream, manners), peer))
            }
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}
