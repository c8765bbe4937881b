//! A TCP proxy whose faults are switched while connections are open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

/// What the proxy does to connections, old and new, from the moment it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Bytes pass.
    None,
    /// Open connections are cut, new ones are closed at once.
    Cut,
    /// Connections are accepted and stay silent; nothing is read.
    Hang,
    /// Every chunk is held back this long.
    Delay(Duration),
}

/// One listening proxy. Clones are the same proxy; its task ends with the last of them.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    _task: Arc<Task>,
}

#[derive(Debug)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    fault: watch::Sender<Fault>,
    accepted: AtomicU64,
    /// Pieces of answers until the one that is lost; not above zero: none is.
    until_lost: AtomicI64,
    lost: AtomicU64,
}

#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Proxy {
    /// Listens on a free port; until [`Proxy::aim`] says where to, connections are closed.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: Mutex::new(None),
            fault: watch::Sender::new(Fault::None),
            accepted: AtomicU64::new(0),
            until_lost: AtomicI64::new(0),
            lost: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { addr, shared, _task: Arc::new(Task(task.abort_handle())) })
    }

    /// Names the server behind the proxy.
    pub fn aim(&self, target: SocketAddr) {
        *self.shared.target.lock() = Some(target);
    }

    /// Switches the fault, for open connections as well.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }

    /// Of the pieces of answers that come from now on the `nth` (from 1) is lost, and its connection with it: what was
    /// asked has been done, and whoever asked does not know.
    pub fn lose_answer(&self, nth: u32) {
        self.shared.until_lost.store(i64::from(nth), Ordering::SeqCst);
    }

    /// How many answers were lost so.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }

    /// How many connections were ever accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((inbound, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let target = *shared.target.lock();
        let faults = shared.fault.subscribe();
        let cut = *faults.borrow() == Fault::Cut;
        if let (Some(target), false) = (target, cut) {
            tokio::spawn(join(inbound, target, faults, Arc::clone(&shared)));
        }
    }
}

async fn join(inbound: TcpStream, target: SocketAddr, mut faults: watch::Receiver<Fault>, shared: Arc<Shared>) {
    let mut cut = faults.clone();
    let forward = async {
        // A hanging proxy does not even reach its target.
        if faults.wait_for(|fault| *fault != Fault::Hang).await.is_err() {
            return;
        }
        let Ok(outbound) = TcpStream::connect(target).await else { return };
        let ((from, to), (back, out)) = (inbound.into_split(), outbound.into_split());
        let over = Notify::new();
        let asked = || true;
        let answered = || {
            let lost = shared.until_lost.fetch_sub(1, Ordering::SeqCst) == 1;
            if lost {
                shared.lost.fetch_add(1, Ordering::SeqCst);
                over.notify_one();
            }
            !lost
        };
        let both = async { tokio::join!(pump(from, out, faults.clone(), asked), pump(back, to, faults, answered)) };
        tokio::select! {
            _ = both => {}
            () = over.notified() => {}
        }
    };
    tokio::select! {
        () = forward => {}
        _ = cut.wait_for(|fault| *fault == Fault::Cut) => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut faults: watch::Receiver<Fault>,
    passes: impl Fn() -> bool,
) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let fault = match faults.wait_for(|fault| *fault != Fault::Hang).await {
            Ok(fault) => *fault,
            Err(_) => return,
        };
        if let Fault::Delay(delay) = fault {
            tokio::time::sleep(delay).await;
        }
        if !passes() || to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
    drop(to.shutdown().await);
}
