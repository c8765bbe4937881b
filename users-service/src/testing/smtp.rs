//! A mail server in a few lines, in whatever mood a test wants.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::mail::Mail;

/// How it takes mail.
#[derive(Clone, Copy, Debug)]
pub enum Mood {
    /// Gladly.
    Takes,
    /// Answers this to each recipient.
    Refuses(&'static str),
    /// Answers this to each sender.
    RefusesSender(&'static str),
    /// Takes the message, and hangs up neither when it is told goodbye.
    Lingers,
    /// Says nothing at all.
    Hangs,
    /// Takes the message, and says so only when it is in another mood.
    Late,
}

/// The server.
#[derive(Clone)]
pub struct SmtpServer {
    pub url: String,
    mood: watch::Sender<Mood>,
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl SmtpServer {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = Self { url, mood: watch::Sender::new(mood), taken: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let serving = serving.clone();
                // A client that goes away is what some tests are about.
                tokio::spawn(async move { drop(serving.converse(socket).await) });
            }
        });
        server
    }

    pub fn turns(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// What it has taken, in order.
    pub fn taken(&self) -> Vec<Mail> {
        self.taken.lock().iter().map(|bytes| Mail::read(bytes)).collect()
    }

    async fn converse(&self, socket: TcpStream) -> std::io::Result<()> {
        let mut socket = BufReader::new(socket);
        if matches!(*self.mood.borrow(), Mood::Hangs) {
            return std::future::pending().await;
        }
        socket.write_all(b"220 mail.example ESMTP\r\n").await?;
        let mut line = String::new();
        loop {
            line.clear();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let mood = *self.mood.borrow();
            let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let reply = match (word.as_str(), mood) {
                (_, Mood::Hangs) => return std::future::pending().await,
                ("EHLO", _) => "250-mail.example\r\n250-8BITMIME\r\n250 SMTPUTF8",
                ("MAIL", Mood::RefusesSender(reply)) | ("RCPT", Mood::Refuses(reply)) => reply,
                ("QUIT", Mood::Lingers) => return std::future::pending().await,
                ("DATA", _) => {
                    socket.write_all(b"354 go on\r\n").await?;
                    let message = message(&mut socket).await?;
                    self.taken.lock().push(message);
                    let turned = |mood: &Mood| !matches!(mood, Mood::Late);
                    drop(self.mood.subscribe().wait_for(turned).await);
                    "250 taken"
                }
                ("QUIT", _) => "221 bye",
                (_, _) => "250 fine",
            };
            socket.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
    }
}

/// Up to the line with only a full stop, which stuffed ones are not (RFC 5321, section 4.5.2).
async fn message(socket: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        socket.read_until(b'\n', &mut line).await?;
        if line == b".\r\n" || line.is_empty() {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
