//! A proxy before PostgreSQL that can lose the one reply that matters: the commit's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use accounts_service::db::Backend;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// The end of the server's message that a COMMIT was done, and its row for a batch that committed in one statement: an
/// instant and nothing that moved.
const COMMITTED: [&[u8]; 2] = [b"COMMIT\0", b"D\0\0\0\x16\0\x02\0\0\0\x08"];

/// The way to a server; loses as many replies as it is armed for.
pub struct Lossy {
    /// How to connect through it.
    pub backend: Backend,
    armed: Arc<AtomicUsize>,
    /// How many of [`COMMITTED`] count.
    kinds: Arc<AtomicUsize>,
}

impl Lossy {
    /// Listens before the server that `options` name, for as long as the test's runtime lives.
    pub async fn before(options: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, armed) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let kinds = Arc::new(AtomicUsize::new(COMMITTED.len()));
        let server = (options.get_host().to_owned(), options.get_port());
        let switch = (Arc::clone(&armed), Arc::clone(&kinds));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((server.0.as_str(), server.1)).await.unwrap();
                tokio::spawn(pass(client, server, switch.clone()));
            }
        });
        // Encrypted replies could not be told apart.
        let options = options.clone().host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
        Self { backend: Backend::Postgres(options), armed, kinds }
    }

    /// Loses the next replies to commits, each with its connection.
    pub fn arm(&self, replies: usize) {
        self.armed.store(replies, Ordering::SeqCst);
    }

    /// Loses the next reply to a COMMIT of its own, and nothing that is said before it.
    pub fn arm_for_commit(&self) {
        self.kinds.store(1, Ordering::SeqCst);
        self.arm(1);
    }

    /// Whether all were lost.
    pub fn went_off(&self) -> bool {
        self.armed.load(Ordering::SeqCst) == 0
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, (armed, kinds): (Arc<AtomicUsize>, Arc<AtomicUsize>)) {
    let ((mut asked, mut answered), (mut answers, mut asks)) = (client.split(), server.split());
    let back = async {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = answers.read(&mut chunk).await {
            let says = |message: &[u8]| chunk[..read].windows(message.len()).any(|window| window == message);
            let less = |replies: usize| replies.checked_sub(1);
            let lost = || armed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok();
            let mut counted = COMMITTED.into_iter().take(kinds.load(Ordering::SeqCst));
            if (counted.any(says) && lost()) || answered.write_all(&chunk[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = back => {}
        _ = copy(&mut asked, &mut asks) => {}
    }
}
