//! A proxy before PostgreSQL that can lose the one reply that matters: the commit's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use accounts_service::db::Backend;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// The end of the server's message that a COMMIT was done.
const COMMITTED: &[u8] = b"COMMIT\0";

/// The way to a server; loses one reply each time it is armed.
pub struct Lossy {
    /// How to connect through it.
    pub backend: Backend,
    armed: Arc<AtomicBool>,
}

impl Lossy {
    /// Listens before the server that `options` name, for as long as the test's runtime lives.
    pub async fn before(options: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, armed) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let (server, switch) = ((options.get_host().to_owned(), options.get_port()), Arc::clone(&armed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((server.0.as_str(), server.1)).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&switch)));
            }
        });
        // Encrypted replies could not be told apart.
        let options = options.clone().host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
        Self { backend: Backend::Postgres(options), armed }
    }

    /// Loses the next reply to a COMMIT, and its connection with it.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether it was lost.
    pub fn went_off(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, armed: Arc<AtomicBool>) {
    let ((mut asked, mut answered), (mut answers, mut asks)) = (client.split(), server.split());
    let back = async {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = answers.read(&mut chunk).await {
            let committed = chunk[..read].windows(COMMITTED.len()).any(|window| window == COMMITTED);
            if (committed && armed.swap(false, Ordering::SeqCst)) || answered.write_all(&chunk[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = back => {}
        _ = copy(&mut asked, &mut asks) => {}
    }
}
