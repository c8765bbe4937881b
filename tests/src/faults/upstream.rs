//! An HTTP/1.1 upstream that records what reaches it, and answers, fails or holds as told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{self, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::play::{Play, perform};
use super::tap::Tap;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The request line.
    pub line: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, de-chunked.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The values of one header.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A running upstream; it ends when dropped.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    play: watch::Sender<Play>,
    body: Mutex<String>,
    requests: Mutex<Vec<Recorded>>,
    /// The bytes of every connection.
    connections: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    held: AtomicUsize,
}

impl Upstream {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn listen(play: Play) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            play: watch::Sender::new(play),
            body: Mutex::new("{}".to_owned()),
            requests: Mutex::default(),
            connections: Mutex::default(),
            held: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::<Mutex<Vec<u8>>>::default();
                accepting.connections.lock().push(Arc::clone(&kept));
                tokio::spawn(serve(Tap { stream, kept }, Arc::clone(&accepting)));
            }
        });
        Ok(Self { addr, shared, task: task.abort_handle() })
    }

    /// Changes the play; held requests get it too.
    pub fn play(&self, play: Play) {
        self.shared.play.send_replace(play);
    }

    /// Changes the JSON that answers carry.
    pub fn say(&self, json: String) {
        *self.shared.body.lock() = json;
    }

    /// Everything that arrived, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().clone()
    }

    /// Every byte that arrived, one text for each connection, oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<String> {
        let connections = self.shared.connections.lock();
        connections.iter().map(|kept| String::from_utf8_lossy(&kept.lock()).into_owned()).collect()
    }

    /// How many requests are being held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: Tap, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = read(&mut stream).await {
        shared.requests.lock().push(request);
        let Ok(play) = play(&shared).await else { return };
        let body = shared.body.lock().clone();
        if !matches!(perform(play, &mut stream, &body).await, Ok(true)) {
            return;
        }
    }
}

/// The present play, or the one that ends the holding.
async fn play(shared: &Shared) -> Result<Play, watch::error::RecvError> {
    let mut plays = shared.play.subscribe();
    let now = *plays.borrow_and_update();
    if now != Play::Hold {
        return Ok(now);
    }
    shared.held.fetch_add(1, Ordering::SeqCst);
    let told = plays.wait_for(|play| *play != Play::Hold).await.map(|play| *play);
    shared.held.fetch_sub(1, Ordering::SeqCst);
    told
}

async fn read(stream: &mut BufReader<Tap>) -> io::Result<Option<Recorded>> {
    let Some(line) = read_line(stream).await? else { return Ok(None) };
    let mut request = Recorded { line, headers: Vec::new(), body: Vec::new() };
    while let Some(header) = read_line(stream).await?.filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if let Some(length) = request.header("content-length").first().and_then(|value| value.parse().ok()) {
        request.body = read_exactly(stream, length).await?;
    } else if request.header("transfer-encoding").contains(&"chunked") {
        request.body = read_chunks(stream).await?;
    }
    Ok(Some(request))
}

async fn read_chunks(stream: &mut BufReader<Tap>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream).await?.and_then(|line| usize::from_str_radix(line.trim(), 16).ok()).unwrap_or(0);
        body.extend(read_exactly(stream, size).await?);
        read_line(stream).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_exactly(stream: &mut BufReader<Tap>, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_line(stream: &mut BufReader<Tap>) -> io::Result<Option<String>> {
    let mut line = String::new();
    Ok((stream.read_line(&mut line).await? > 0).then(|| line.trim_end().to_owned()))
}
