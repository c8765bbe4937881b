//! A proxy before PostgreSQL that reads the protocol: it can lose exactly the reply that matters, a commit's.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What the proxy does to connections, old and new, from the moment it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Bytes pass.
    None,
    /// Open connections are cut, new ones are closed at once.
    Cut,
    /// Questions arrive, and no answer ever comes back. The connections end with the trouble.
    HalfOpen,
    /// Every answer is held back this long.
    Delay(Duration),
}

/// Statements whose success is a commit: the engine's own, each of which is a transaction, and the word itself.
const COMMITS: [&str; 4] = ["post_batch(", "commit_batch(", "commit_one(", "COMMIT"];

/// The longest message that is looked into; longer ones only pass.
const READABLE: usize = 64 * 1024;

/// One listening proxy. Its task ends with it.
#[derive(Debug)]
pub struct PostgresProxy {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    trouble: watch::Sender<Trouble>,
    armed: AtomicBool,
    lost: AtomicU64,
}

impl PostgresProxy {
    /// Listens before `server`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let (trouble, armed) = (watch::Sender::new(Trouble::None), AtomicBool::new(false));
        let shared = Arc::new(Shared { server, trouble, armed, lost: AtomicU64::new(0) });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { addr, shared, task: accepting.abort_handle() })
    }

    /// Switches the trouble, for open connections as well.
    pub fn set(&self, trouble: Trouble) {
        self.shared.trouble.send_replace(trouble);
    }

    /// The next commit's reply is lost, and its connection with it.
    pub fn lose_the_next_commits_reply(&self) {
        self.shared.armed.store(true, Ordering::SeqCst);
    }

    /// How many replies to commits were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for PostgresProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let mut trouble = shared.trouble.subscribe();
        if *trouble.borrow() == Trouble::Cut {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(shared.server).await else { return };
            // A commit is a matter of microseconds.
            drop((client.set_nodelay(true), server.set_nodelay(true)));
            let ((asking, answered), (answering, asked)) = (client.into_split(), server.into_split());
            let committing = Arc::new(AtomicBool::new(false));
            let half_open = async {
                let was = trouble.wait_for(|now| matches!(now, Trouble::HalfOpen | Trouble::Cut)).await.map(|now| *now);
                if was.is_ok_and(|was| was == Trouble::HalfOpen) {
                    drop(trouble.wait_for(|now| *now != Trouble::HalfOpen).await);
                }
            };
            tokio::select! {
                () = questions(asking, asked, &committing) => {}
                () = answers(answering, answered, &committing, &shared) => {}
                () = half_open => {}
            }
        });
    }
}

/// Passes what the client says, and takes note when it asks for a commit.
async fn questions(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, committing: &AtomicBool) {
    let (mut frames, mut statements) = (Frames::after_startup(), HashMap::new());
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        frames.feed(&chunk[..read], |kind, body| {
            if is_commit(kind, body, &mut statements) {
                committing.store(true, Ordering::SeqCst);
            }
        });
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// Whether this message of a client makes a transaction that is a commit of the engine's.
fn is_commit(kind: u8, body: &[u8], statements: &mut HashMap<Vec<u8>, bool>) -> bool {
    let commits = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        COMMITS.iter().any(|word| text.contains(word))
    };
    let mut texts = body.split(|byte| *byte == 0);
    let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    match kind {
        // Parse: the statement's name, its text.
        b'P' => drop(statements.insert(first.to_vec(), commits(second))),
        // Bind: the portal's name, the statement's.
        b'B' => return statements.get(second).copied().unwrap_or(false),
        // Query: its text.
        b'Q' => return commits(first),
        _ => {}
    }
    false
}

/// Passes what the server says, until it says what is to be lost.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, committing: &AtomicBool, shared: &Shared) {
    let mut frames = Frames::new();
    let trouble = shared.trouble.subscribe();
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let mut idle = false;
        frames.feed(&chunk[..read], |kind, body| {
            // ReadyForQuery outside of any transaction: what was asked for is done, or undone.
            idle |= kind == b'Z' && body == b"I";
        });
        let done = idle && committing.swap(false, Ordering::SeqCst);
        if done && shared.armed.swap(false, Ordering::SeqCst) {
            shared.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let now = *trouble.borrow();
        match now {
            Trouble::HalfOpen => continue,
            Trouble::Delay(by) => tokio::time::sleep(by).await,
            Trouble::None | Trouble::Cut => {}
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// Messages out of a stream of bytes: a kind, a length, a body. A client's first has no kind.
#[derive(Debug)]
struct Frames {
    pending: Vec<u8>,
    kinds: bool,
    /// What is left of a message that is too long to be looked into.
    skip: usize,
}

impl Frames {
    const fn new() -> Self {
        Self { pending: Vec::new(), kinds: true, skip: 0 }
    }

    fn after_startup() -> Self {
        Self { kinds: false, ..Self::new() }
    }

    fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(u8, &[u8])) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.pending.extend_from_slice(&bytes[skipped..]);
        let mut at = 0;
        loop {
            let head = usize::from(self.kinds);
            let rest = &self.pending[at..];
            let Some(length) = rest.get(head..head + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes)
            else {
                break;
            };
            let whole = head + usize::try_from(length).unwrap_or(usize::MAX).max(4);
            let looked_into = rest.len().min(whole);
            if looked_into < whole && whole <= READABLE {
                break;
            }
            if self.kinds {
                each(rest[0], &rest[5..looked_into]);
            }
            self.kinds = true;
            self.skip = whole - looked_into;
            at += looked_into;
        }
        self.pending.drain(..at);
    }
}
