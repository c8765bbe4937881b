//! SIGHUP: a gateway process reads its file anew when it is told to, and a bad file changes nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tests::backends::{binary, free_port};
use tests::{Client, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// A gateway as a process, in front of nobody, that signals can be sent to.
struct Process {
    file: PathBuf,
    client: Client,
    operator: Client,
    child: Child,
}

impl Process {
    async fn start(folder: &Path) -> Self {
        let addr = || SocketAddr::from(([127, 0, 0, 1], free_port().expect("a port")));
        let (public, admin) = (addr(), addr());
        let mut command = Command::new(binary("gateway").expect("the binary is built"));
        let file = folder.join("gateway.toml");
        std::fs::write(&file, "").expect("written");
        command.args(["serve", "--config"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for (key, value) in [
            ("SERVER__LISTEN", public.to_string()),
            ("ADMIN__LISTEN", admin.to_string()),
            ("IDENTITY__SECRET", "an assertion secret for the tests, long enough".to_owned()),
        ] {
            command.env(format!("TOLLGATE_GATEWAY__{key}"), value);
        }
        let child = command.spawn().expect("it starts");
        let process = Self { file, client: Client::new(public), operator: Client::new(admin), child };
        wait_until("it answers", LIMIT, async || {
            let alive = process.client.call(reqwest::Method::GET, "/livez").try_send().await;
            alive.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        process
    }

    /// Puts another file in the place of the one in force.
    fn rewrite(&self, text: &str) {
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, text).expect("written");
        std::fs::rename(&beside, &self.file).expect("renamed");
    }

    fn hang_up(&self) {
        let told = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(told.expect("kill is there").success());
    }

    /// What operators see once so many configurations have been taken, and so many refused.
    async fn state(&self, generation: u64, refused: u64) -> Value {
        wait_until(&format!("generation {generation}, {refused} refused"), LIMIT, async || {
            let view = self.operator.get("/admin/api/reload").await.expect(200).json();
            (view["generation"] == generation && view["refused"] == refused).then_some(view)
        })
        .await
    }

    async fn policy(&self) -> String {
        self.client.get("/nothing").await.must("referrer-policy").to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_reads_the_file_anew_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Process::start(folder.path()).await;
    drop(gateway.state(1, 0).await);
    // An edit is noticed without a signal: whoever notices it is listening for signals as well.
    gateway.rewrite("security_headers.referrer_policy = \"origin\"\n");
    drop(gateway.state(2, 0).await);
    // Nothing has changed since: only the signal can be why it is read.
    gateway.hang_up();
    assert_eq!(gateway.state(3, 0).await["error"], Value::Null);
    assert_eq!(gateway.policy().await, "origin");

    gateway.rewrite("security_headers.referrer_policy = \"unsafe-url\"\nserver.listn = 1\n");
    drop(gateway.state(3, 1).await);
    gateway.hang_up();
    let refused = gateway.state(3, 2).await;
    let error = refused["error"].as_str().unwrap_or_default();
    assert!(error.contains("server.listn") && error.contains("did you mean"), "{refused}");
    assert_eq!(gateway.policy().await, "origin", "nothing of the bad file is in force");

    gateway.rewrite("security_headers.referrer_policy = \"same-origin\"\n");
    assert_eq!(gateway.state(4, 2).await["error"], Value::Null);
    gateway.hang_up();
    drop(gateway.state(5, 2).await);
    assert_eq!(gateway.policy().await, "same-origin");
}
