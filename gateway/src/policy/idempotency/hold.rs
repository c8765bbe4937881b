//! A request that has claimed its key is carried to its end, also when its client has gone: actix drops whatever serves
//! a connection that closes, and nobody would ever know what came of it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{HttpMessage, HttpRequest, rt};
use tokio::task::AbortHandle;

use super::needs_key;
use super::scope::KEY;
use crate::app::Gateway;

/// Whether a request must be carried to its end. It is told by the policy and read by whoever drops the request; a
/// request that does not run under one is dropped with its client.
#[derive(Clone, Debug, Default)]
pub struct Hold(Rc<State>);

#[derive(Debug, Default)]
struct State {
    on: Cell<bool>,
    /// Whether the client has left, and the request is counted as unattended.
    left: Cell<bool>,
    unattended: Arc<AtomicUsize>,
}

impl Hold {
    /// For a request that may claim a key, which are few: the others need no task of their own.
    #[must_use]
    pub fn wanted(gateway: &Gateway, request: &HttpRequest) -> Option<Self> {
        let head = request.head();
        if !needs_key(&head.method) || !head.headers.contains_key(KEY) || !gateway.tables.load().keeps_keys {
            return None;
        }
        let unattended = Arc::clone(&gateway.idempotency.unattended);
        let hold = Self(Rc::new(State { unattended, ..State::default() }));
        request.extensions_mut().insert(hold.clone());
        Some(hold)
    }

    /// The one that a request runs under.
    pub(super) fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    pub(super) fn set(&self, on: bool) {
        self.0.on.set(on);
    }

    /// Runs `work` as a task. Dropping what this returns ends it, unless it must be carried to its end. `None`: it
    /// panicked.
    pub async fn run<T: 'static>(self, work: impl Future<Output = T> + 'static) -> Option<T> {
        let end = End(self.clone());
        let task = rt::spawn(async move {
            let _end = end;
            work.await
        });
        let _leash = Leash { task: task.abort_handle(), hold: self };
        task.await.ok()
    }
}

/// What the connection has of the task.
struct Leash {
    task: AbortHandle,
    hold: Hold,
}

impl Drop for Leash {
    fn drop(&mut self) {
        let state = &self.hold.0;
        if self.task.is_finished() {
        } else if state.on.get() {
            state.left.set(true);
            state.unattended.fetch_add(1, Ordering::AcqRel);
        } else {
            self.task.abort();
        }
    }
}

/// What the task has of the connection.
struct End(Hold);

impl Drop for End {
    fn drop(&mut self) {
        let state = &self.0.0;
        if state.left.replace(false) {
            state.unattended.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// Starts a task that says when it runs, and ends when it is told to; then lets its client leave.
    async fn abandoned(hold: &Hold) -> (oneshot::Sender<()>, oneshot::Receiver<()>) {
        let (runs, running) = oneshot::channel();
        let (go_on, told) = oneshot::channel::<()>();
        let (ended, end) = oneshot::channel();
        let work = async move {
            let _ = runs.send(());
            let _ = told.await;
            let _ = ended.send(());
        };
        let mut client = Box::pin(hold.clone().run(work));
        tokio::select! {
            _ = &mut client => {}
            _ = running => {}
        }
        drop(client);
        (go_on, end)
    }

    #[actix_web::test]
    async fn only_what_must_be_carried_to_its_end_outlives_its_client() {
        let hold = Hold::default();
        let (_go_on, end) = abandoned(&hold).await;
        assert!(end.await.is_err(), "dropped with its client");

        hold.set(true);
        let unattended = || hold.0.unattended.load(Ordering::Acquire);
        let (go_on, end) = abandoned(&hold).await;
        assert_eq!(unattended(), 1);
        go_on.send(()).unwrap();
        assert!(end.await.is_ok(), "carried to its end");
        while unattended() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hold.clone().run(async { 5 }).await, Some(5));
        assert_eq!(unattended(), 0);
    }
}
