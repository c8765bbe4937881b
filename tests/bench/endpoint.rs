//! Requests to a service as the gateway would make them: with a signed assertion of who calls.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use shared::auth::{Caller, HEADER, LIFETIME, Signer, User};
use shared::clock::Clock;
use shared::config::Secret;
use shared::domain::{Permissions, Role, SessionId};
use uuid::Uuid;

use crate::failure::Failure;

/// An assertion is used again for half its life: what signing costs is the gateway's affair.
const REUSE: Duration = Duration::from_secs(LIFETIME.as_secs() / 2);

/// One method and path of one service, called by one caller.
pub struct Endpoint {
    signer: Signer,
    caller: Caller,
    audience: &'static str,
    method: &'static str,
    path: String,
    held: RefCell<Option<(String, Instant)>>,
}

impl Endpoint {
    /// Called by `user`, or by nobody who is signed in.
    pub fn new(
        secret: &str,
        audience: &'static str,
        call: (&'static str, &str),
        user: Option<Uuid>,
    ) -> Result<Rc<Self>, Failure> {
        Self::called(secret, audience, call, user.map(|user| (user, Role::User)))
    }

    /// Called by somebody of this role.
    pub fn called(
        secret: &str,
        audience: &'static str,
        (method, path): (&'static str, &str),
        user: Option<(Uuid, Role)>,
    ) -> Result<Rc<Self>, Failure> {
        let clock = Clock::system();
        let user = user.map(|(id, role)| User {
            id: id.into(),
            session: Some(SessionId::generate(&clock)),
            api_key: None,
            roles: [role].into_iter().collect(),
            permissions: Permissions::NONE,
            scope: String::new(),
            ver: 1,
        });
        let signer =
            Signer::new(&Secret::from(secret.to_owned()), clock).map_err(|error| Failure::said(error.to_string()))?;
        let caller = Caller { user, ..Caller::default() };
        Ok(Rc::new(Self { signer, caller, audience, method, path: path.to_owned(), held: RefCell::new(None) }))
    }

    /// Writes one request; `headers` are whole lines, each with its end.
    pub fn write(&self, headers: &str, body: &str, buffer: &mut Vec<u8>) {
        self.write_asking("", headers, body, buffer);
    }

    /// The same with a query, which begins with its question mark: assertions are for paths, whatever is asked of them.
    pub fn write_asking(&self, query: &str, headers: &str, body: &str, buffer: &mut Vec<u8>) {
        let mut held = self.held.borrow_mut();
        let fresh = held.take().filter(|(_, since)| since.elapsed() < REUSE).or_else(|| {
            let signed = self.signer.sign(self.audience, self.method, &self.path, &self.caller).ok()?;
            Some((signed, Instant::now()))
        });
        let assertion = fresh.as_ref().map_or("", |(assertion, _)| assertion);
        let (method, path, length) = (self.method, &self.path, body.len());
        let head = format!("{method} {path}{query} HTTP/1.1\r\nhost: localhost\r\n{HEADER}: {assertion}\r\n{headers}");
        buffer.extend_from_slice(head.as_bytes());
        buffer.extend_from_slice(format!("content-length: {length}\r\n\r\n{body}").as_bytes());
        *held = fresh;
    }
}
