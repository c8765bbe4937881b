//! A TCP proxy whose faults are switched while connections are open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
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
            tokio::spawn(join(inbound, target, faults));
        }
    }
}

async fn join(inbound: TcpStream, target: SocketAddr, mut faults: watch::Receiver<Fault>) {
    let mut cut = faults.clone();
    let forward = async {
        // A hanging proxy does not even reach its target.
        if faults.wait_for(|fault| *fault != Fault::Hang).await.is_err() {
            return;
        }
        let Ok(outbound) = TcpStream::connect(target).await else { return };
        let ((from, to), (back, out)) = (inbound.into_split(), outbound.into_split());
        tokio::join!(pump(from, out, faults.clone()), pump(back, to, faults));
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
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
    drop(to.shutdown().await);
}
