//! A client's connection as it comes out of the door: plain or under TLS, with its place among all and what is known of
//! it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use shared::problem::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::connections::Place;
use crate::policy::certificate::{ClientCertificate, Shown};
use crate::tls::Tls;

/// What a connection says of whoever is at its other end; requests read it with `conn_data`.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Whether it is under TLS.
    pub tls: bool,
    /// Whose certificates were taken when it came, by `Trust::generation`; `None`: by its door nobody is asked for one.
    pub trust: Option<u64>,
    /// The certificate that was verified, if there was one.
    pub certificate: Option<Arc<Shown>>,
}

impl Arrival {
    /// Whether other certificates are taken by now: whoever comes anew is judged in another way.
    #[must_use]
    pub fn is_stale(&self, tls: &Tls) -> bool {
        self.trust.is_some_and(|trust| trust != tls.trust().generation)
    }

    /// Its certificate, if that would be taken now.
    #[must_use]
    pub fn certificate(&self, tls: &Tls) -> Option<&ClientCertificate> {
        self.certificate.as_ref()?.taken(&tls.trust())
    }

    /// Lets a request in from a connection that came before a certificate was demanded, or with one that is not taken any
    /// more. Of others the handshake has seen to that.
    ///
    /// # Errors
    /// 403 `certificate_required`.
    pub fn admit(&self, tls: &Tls) -> Result<(), Problem> {
        let refused = self.is_stale(tls) && tls.trust().is_demanded() && self.certificate(tls).is_none();
        if refused { Err(Problem::new(Code::CertificateRequired)) } else { Ok(()) }
    }
}

/// The bytes' way in and out.
#[derive(Debug)]
pub(super) enum Bytes {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub bytes: Bytes,
    pub arrival: Arrival,
    /// Held for as long as the connection is open.
    pub _place: Option<Place>,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Bytes::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_flush(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
