//! An upstream that sells one thing per request and keeps count, and an issuer of tokens for its customers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::domain::{SessionId, UserId};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::super::harness::*;

/// What a request meets.
#[derive(Clone, Debug)]
pub enum Play {
    /// This answer, whose `#` stands for the number of the sale.
    Say(String),
    /// This much of an answer, and the connection breaks.
    Cut(String),
    /// Silence until the play changes.
    Hold,
}

/// The upstream.
pub struct Shop {
    pub addr: SocketAddr,
    sales: Arc<AtomicUsize>,
    play: watch::Sender<Play>,
}

pub fn ok(body: &str) -> Play {
    say("201 Created", "X-Sale: #\r\n", body)
}

pub fn say(status: &str, headers: &str, body: &str) -> Play {
    Play::Say(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
}

impl Shop {
    pub async fn open(play: Play) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, sales, play) = (listener.local_addr().unwrap(), Arc::default(), watch::Sender::new(play));
        let (counter, plays) = (Arc::clone(&sales), play.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&counter), plays.subscribe()));
            }
        });
        Self { addr, sales, play }
    }

    /// One at this address, where the test itself answers, or nobody does.
    pub fn at(addr: SocketAddr) -> Self {
        Self { addr, sales: Arc::default(), play: watch::Sender::new(Play::Hold) }
    }

    /// How many requests have come in whole.
    pub fn sales(&self) -> usize {
        self.sales.load(Ordering::SeqCst)
    }

    pub fn play(&self, play: Play) {
        self.play.send_replace(play);
    }

    /// Waits until so many requests have come in.
    pub async fn sold(&self, sales: usize) {
        within(async {
            while self.sales() < sales {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// One request per connection is all it takes: it closes after each answer.
async fn serve(mut stream: TcpStream, sales: Arc<AtomicUsize>, mut plays: watch::Receiver<Play>) {
    if !read_request(&mut stream).await {
        return;
    }
    let number = sales.fetch_add(1, Ordering::SeqCst) + 1;
    let Ok(play) = plays.wait_for(|play| !matches!(play, Play::Hold)).await.map(|play| play.clone()) else { return };
    match play {
        Play::Say(answer) => {
            let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            write(&mut stream, &answer.replace('#', &number.to_string())).await;
        }
        Play::Cut(part) => write(&mut stream, &part).await,
        Play::Hold => {}
    }
}

/// Reads a request with its body, and says whether it came whole.
async fn read_request(stream: &mut TcpStream) -> bool {
    let (mut text, mut piece) = (Vec::new(), [0; 65_536]);
    loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        text.extend_from_slice(&piece[..read]);
        let seen = String::from_utf8_lossy(&text);
        let whole = seen.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let chunked = head.contains("transfer-encoding: chunked");
            if chunked { body.ends_with("0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) }
        });
        if whole || read == 0 {
            return whole;
        }
    }
}

/// Signs tokens that the gateway takes.
pub struct Issuer {
    key: EncodingKey,
    pub addr: SocketAddr,
}

impl Issuer {
    /// Serves its key set for as long as the test runs.
    pub async fn start() -> Self {
        let key = EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
        jwk.common.key_id = Some("k1".to_owned());
        let set = json!({ "keys": [jwk] }).to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                read_head(&mut stream).await;
                let length = set.len();
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
                write(&mut stream, &format!("{head}\r\nContent-Length: {length}\r\n\r\n{set}")).await;
            }
        });
        Self { key, addr }
    }

    /// Somebody new.
    pub fn token(&self) -> String {
        self.token_of(json!({}))
    }

    /// Somebody of whom this is claimed.
    pub fn token_of(&self, changed: Value) -> String {
        let mut claims = Self::claims();
        for (name, value) in changed.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.sign(&claims)
    }

    /// What is said of somebody new.
    pub fn claims() -> Value {
        let clock = Clock::system();
        let (user, session) = (UserId::generate(&clock), SessionId::generate(&clock));
        let now = clock.now_seconds();
        json!({
            "iss": "http://127.0.0.1:8080", "aud": "tollgate", "sub": user, "sid": session, "iat": now, "nbf": now,
            "exp": now + 300, "jti": "j", "ver": 1, "roles": ["user"], "scope": "",
        })
    }

    /// A token that says so.
    pub fn sign(&self, claims: &Value) -> String {
        let header =
            Header { typ: Some("at+jwt".to_owned()), kid: Some("k1".to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &self.key).unwrap()
    }
}
