//! Where connections come in: counted, turned away when there are too many, and led through the handshake. All of it
//! runs in the connection's own task, so that nobody waits for somebody else's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_http::error::DispatchError;
use actix_web::rt::net::TcpStream;
use shared::problem::{Code, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::LINGER;
use super::connections::Place;
use super::courteous::Courteous;
use super::manners::Manners;
use super::wire::{Arrival, Bytes, Wire};
use crate::admin::metrics::Handshake;
use crate::app::Gateway;
use crate::policy::certificate::Shown;
use crate::tls::Loaded;

/// What a client that is told off may still send while it reads why, in pieces of [`PIECE`] bytes.
const PIECES: usize = 32;
const PIECE: usize = 2048;

/// Connections of operators and their tools at once.
const OPERATORS: usize = 1024;

/// A listener's door.
pub struct Door {
    gateway: Arc<Gateway>,
    manners: Arc<Manners>,
    kind: Kind,
}

/// Who comes in by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Clients: counted, under TLS where there is a certificate.
    Public,
    /// Clients that are to come back over TLS: counted.
    Redirect,
    /// Operators, of whom there are few. Whether under TLS is a setting.
    Admin {
        /// Whether it is on.
        tls: bool,
    },
}

impl Door {
    /// Opens nothing yet.
    #[must_use]
    pub const fn new(gateway: Arc<Gateway>, manners: Arc<Manners>, kind: Kind) -> Self {
        Self { gateway, manners, kind }
    }

    /// From how many connections of a worker on others are left waiting. Clients are counted here, and who is too many is
    /// told so instead.
    pub(super) const fn queues_from(&self) -> usize {
        match self.kind {
            Kind::Public | Kind::Redirect => usize::MAX,
            Kind::Admin { .. } => OPERATORS,
        }
    }

    /// Lets a connection in.
    pub(super) async fn open(&self, stream: TcpStream) -> Result<(Courteous<Wire>, Option<SocketAddr>), DispatchError> {
        let peer = stream.peer_addr().ok();
        // In this order: a change between the two makes the connection one from before it.
        let trust = self.trust();
        let loaded = self.server();
        let Ok(place) = self.place(peer) else {
            if loaded.is_none() {
                self.turn_away(&stream).await;
            }
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        };
        // Without it answers wait for acknowledgements; a stream that cannot be told still works.
        let _ = stream.set_nodelay(true);
        let (bytes, arrival) = match loaded {
            None => (Bytes::Plain(stream), Arrival { trust, ..Arrival::default() }),
            // Boxed: the other connections need no room for it.
            Some(loaded) => Box::pin(self.handshake(loaded, stream)).await?,
        };
        Ok((Courteous::new(Wire { bytes, arrival, _place: place }, Arc::clone(&self.manners)), peer))
    }

    fn server(&self) -> Option<Arc<Loaded>> {
        if self.asks() { self.gateway.tls.server() } else { None }
    }

    /// What a connection without TLS is judged by: a certificate may be demanded while it is open.
    fn trust(&self) -> Option<u64> {
        self.asks().then(|| self.gateway.tls.trust().generation)
    }

    /// Whether there may be TLS here.
    const fn asks(&self) -> bool {
        match self.kind {
            Kind::Public => true,
            Kind::Admin { tls } => tls,
            Kind::Redirect => false,
        }
    }

    fn place(&self, peer: Option<SocketAddr>) -> Result<Option<Place>, ()> {
        match self.kind {
            Kind::Public | Kind::Redirect => {
                let tables = self.gateway.tables.load();
                let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
                let place = self.gateway.connections.enter(peer, tables.caps, &tables.trusted_proxies);
                place.map(Some).map_err(|full| self.manners.metrics.refused(full.as_str()))
            }
            Kind::Admin { .. } => Ok(None),
        }
    }

    /// Says why, if that needs no waiting, and closes.
    async fn turn_away(&self, stream: &TcpStream) {
        let problem = Problem::new(Code::Overloaded).detail("There are too many connections.");
        // A new connection can always be written to; it has to be asked for all the same.
        let _ = stream.writable().await;
        let _ = stream.try_write(&self.manners.answer(&problem));
        let socket = socket2::SockRef::from(stream);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        // What has come already would turn the end of the connection into a reset, which takes the answer with it.
        let _ = stream.try_read(&mut [0; PIECE]);
    }

    async fn handshake(&self, loaded: Arc<Loaded>, stream: TcpStream) -> Result<(Bytes, Arrival), DispatchError> {
        let metrics = &self.manners.metrics;
        let greeted = timeout(self.gateway.tls.handshake_timeout(), async {
            if speaks_plain(&stream).await? {
                return Ok(Err(stream));
            }
            TlsAcceptor::from(Arc::clone(&loaded.server)).accept(stream).await.map(Ok)
        });
        let failed = |error: io::Error| {
            metrics.handshake(Handshake::Failed);
            tracing::debug!(%error, "a handshake failed");
            DispatchError::from(error)
        };
        let stream = match greeted.await {
            Err(_) => {
                metrics.handshake(Handshake::TimedOut);
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            Ok(Ok(Err(plain))) => {
                metrics.handshake(Handshake::PlainHttp);
                self.explain(plain).await;
                return Err(io::Error::from(io::ErrorKind::InvalidData).into());
            }
            Ok(Err(error)) => return Err(failed(error)),
            Ok(Ok(Ok(stream))) => stream,
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = Shown::read(chain, &loaded.trust);
        let certificate = certificate.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        metrics.handshake(Handshake::Done);
        let trust = Some(loaded.trust.generation);
        let arrival = Arrival { tls: true, trust, certificate: certificate.map(Arc::new) };
        Ok((Bytes::Tls(Box::new(stream)), arrival))
    }

    /// Tells a client in its own words that they are the wrong ones here.
    async fn explain(&self, mut stream: TcpStream) {
        let problem = Problem::new(Code::MalformedRequest);
        let problem = problem.detail("The plain HTTP request was sent to an HTTPS port.");
        let answer = self.manners.answer(&problem);
        let told = async {
            stream.write_all(&answer).await?;
            stream.shutdown().await?;
            let (mut piece, mut left) = ([0; PIECE], PIECES);
            while left > 0 && stream.read(&mut piece).await? > 0 {
                left -= 1;
            }
            Ok::<_, io::Error>(())
        };
        // Whether it listens is its own affair.
        let _ = timeout(LINGER, told).await;
    }
}

/// Whether the first byte is that of a method. A handshake begins with 22 (RFC 8446, section 5.1).
async fn speaks_plain(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}
