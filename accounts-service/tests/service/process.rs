//! The service as a process of its own, beside the one in the test's: a second instance in every respect.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::stack::SECRET;

/// It runs until it is dropped.
pub struct Process {
    pub addr: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts it on this database and waits until it is ready.
    pub async fn start(url: &str) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let set = |name: &str, value: String| (format!("TOLLGATE_ACCOUNTS__{name}"), value);
        let env = [
            set("DATABASE__URL", url.to_owned()),
            set("IDENTITY__SECRET", SECRET.to_owned()),
            set("SERVER__LISTEN", addr.to_string()),
            set("SERVER__WORKERS", "2".to_owned()),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_accounts-service"));
        command.arg("serve").envs(env).stdin(Stdio::null()).stdout(Stdio::null());
        let mut this = Self { addr, child: command.spawn().unwrap() };
        let patience = Instant::now() + Duration::from_secs(30);
        while !is_ready(addr).await {
            assert!(Instant::now() < patience, "the second process does not become ready");
            assert!(this.child.try_wait().unwrap().is_none(), "the second process ended at once");
        }
        this
    }
}

async fn is_ready(addr: SocketAddr) -> bool {
    reqwest::get(format!("http://{addr}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
