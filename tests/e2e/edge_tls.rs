//! The gateway over TLS: what people do goes on while its certificate is swapped, even for one of another authority.

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tests::client::Transfer;
use tests::stack::Builder;
use tests::{Backend, Client, Stack, wait_until};

journeys!(money_moves_over_tls_while_the_certificate_is_swapped);

const NAME: &str = "gateway.example";
const LIMIT: Duration = Duration::from_secs(30);

/// An authority that issues certificates for the gateway.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes a certificate and its key into `folder`.
    fn issue(&self, folder: &Path) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([NAME.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(folder.join("tls.crt"), certificate.pem()).expect("written");
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).expect("written");
    }
}

/// With a certificate of this authority's in `folder`.
pub fn certified(stack: Builder, folder: &Path, authority: &Authority) -> Builder {
    authority.issue(folder);
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "[tls]\ncertificates = [{{ cert = \"{}\", key = \"{}\" }}]\nreload_interval = \"50ms\"\n",
        path("tls.crt"),
        path("tls.key")
    );
    std::fs::write(path("gateway.toml"), text).expect("written");
    stack.gateway_file(path("gateway.toml")).over_tls(NAME, &authority.pem)
}

async fn money_moves_over_tls_while_the_certificate_is_swapped(backend: Backend) {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (Authority::new(), Authority::new());
    let stack = certified(Stack::builder(backend), folder.path(), &first).start().await;
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    let (from, to) = (stack.account_with(&ann, 1_000).await, bob.client.open("savings", "USD").await);
    let paid = ann.client.transfer("before", &Transfer::usd(&from, &to, 100)).await.expect(201);
    assert!(paid.must("strict-transport-security").starts_with("max-age="), "{paid}");
    let plain = Client::new(stack.gateway).get("/livez").await;
    assert_eq!(plain.status, 400, "plain HTTP is told where it is: {plain}");

    second.issue(folder.path());
    let fresh = Client::over_tls(NAME, stack.gateway, &second.pem);
    wait_until("the new certificate is presented", LIMIT, async || {
        // A client that has no connection yet, and believes the new authority only.
        let answer = Client::over_tls(NAME, stack.gateway, &second.pem).call(reqwest::Method::GET, "/livez");
        answer.try_send().await.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    let again = ann.client.transfer("after", &Transfer::usd(&from, &to, 50)).await.expect(201);
    assert_eq!(again.header("connection"), None, "whoever was connected stays so: {again}");
    let signed_in = fresh.sign_in(&ann.email, &ann.username, &ann.password, ann.id.clone()).await;
    drop(signed_in.client.transfer("anew", &Transfer::usd(&from, &to, 25)).await.expect(201));
    assert_eq!((signed_in.client.balance(&from).await, bob.client.balance(&to).await), (825, 175));
    let listed = signed_in.client.get("/api/v1/transfers").await.expect(200).json();
    let amounts: Vec<_> = listed["data"].as_array().into_iter().flatten().map(|row| row["amount"].as_i64()).collect();
    assert_eq!(amounts[..3], [Some(25), Some(50), Some(100)], "{listed}");
    let old = Client::over_tls(NAME, stack.gateway, &first.pem).call(reqwest::Method::GET, "/livez").try_send().await;
    assert!(old.is_err(), "nobody new gets the old certificate");
    stack.stop(Duration::from_secs(5)).await;
}
