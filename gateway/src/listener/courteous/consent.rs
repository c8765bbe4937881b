//! What the app tells the stream below it: that it is going to read a body whose client waits to be asked (RFC 9110,
//! section 10.1.1), and that a tunnel is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// What asks a client for its body, as the parser writes it.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One connection's word. Requests find it with `conn_data`.
#[derive(Clone, Debug, Default)]
pub struct Consent(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    given: Cell<bool>,
    over: Cell<bool>,
    /// Who says it to the client: the connection's own task.
    writer: RefCell<Option<Waker>>,
    reader: RefCell<Option<Waker>>,
}

impl Consent {
    /// The body is going to be read, by whatever task of this worker.
    pub fn give(&self) {
        self.0.given.set(true);
        if let Some(writer) = self.0.writer.take() {
            writer.wake();
        }
    }

    /// Whether the body has been asked for; if not, `writer` is woken when it is.
    pub(super) fn is_given_to(&self, writer: &Waker) -> bool {
        if !self.0.given.get() {
            self.0.writer.replace(Some(writer.clone()));
        }
        self.0.given.get()
    }

    /// Whether the present request's body has been asked for.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.0.given.get()
    }

    /// The next request is another matter.
    pub(super) fn reset(&self) {
        self.0.given.set(false);
    }

    /// Nothing more is read from this connection.
    pub fn hang_up(&self) {
        self.0.over.set(true);
        if let Some(reader) = self.0.reader.take() {
            reader.wake();
        }
    }

    /// Whether nothing more is read; if not, `reader` is woken when that changes.
    pub(super) fn is_over(&self, reader: &Waker) -> bool {
        if !self.0.over.get() {
            self.0.reader.replace(Some(reader.clone()));
        }
        self.0.over.get()
    }
}
