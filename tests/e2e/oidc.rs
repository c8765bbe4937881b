//! OpenID Connect with somebody else's client library (Authlib, in Python): from discovery to revocation, over TLS, for a
//! browser gives a `Secure` cookie back to nobody else.

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use tests::client::PASSWORD;
use tests::stack::Service;
use tests::{Backend, Stack};

journeys!(another_library_signs_in);

const NAME: &str = "localhost";

/// Where `tests/ensure-oidc-client.sh` puts it.
fn python() -> std::path::PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/oidc/bin/python");
    assert!(path.exists(), "no OpenID Connect client: run tests/ensure-oidc-client.sh, as `make test` does");
    path
}

/// Writes a certificate, its key and a configuration with both into `folder`; the authority's certificate.
fn certified(folder: &Path) -> String {
    let mut params = CertificateParams::new([]).expect("parameters");
    // A name of its own: to OpenSSL a certificate whose issuer has its own name is signed by itself.
    params.distinguished_name.push(DnType::CommonName, "An authority for tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([NAME.to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let path = |name: &str| folder.join(name).display().to_string();
    let (cert, own) = (path("tls.crt"), path("tls.key"));
    let config = format!("[tls]\ncertificates = [{{ cert = \"{cert}\", key = \"{own}\" }}]\n");
    let files = [("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem()), ("ca.crt", authority.clone())];
    for (name, text) in files.into_iter().chain([("gateway.toml", config)]) {
        std::fs::write(folder.join(name), text).expect("written");
    }
    authority
}

async fn another_library_signs_in(backend: Backend) {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = certified(folder.path());
    // As it comes: whoever knows nothing of us takes RS256 for granted.
    let stack = Stack::builder(backend)
        .gateway_file(folder.path().join("gateway.toml"))
        .over_tls(NAME, &authority)
        .set(Service::Users, "oauth.id_token_algorithm", "RS256")
        .start()
        .await;
    let (ann, admin) = (stack.register("ann").await, stack.administrator().await);
    let body = json!({"name": "Bookkeeper", "grant_types": ["authorization_code", "refresh_token"],
        "scopes": ["openid", "profile", "email", "offline_access"], "redirect_uris": ["https://books.example.com/callback"]});
    let client = admin.client.post("/api/v1/clients", body).await.expect(201);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/oidc_client.py");
    let mut command = Command::new(python());
    command.arg(script).arg(format!("https://{NAME}:{}", stack.gateway.port())).arg(folder.path().join("ca.crt"));
    command.args([client.text("/id"), client.text("/secret"), ann.email.clone(), PASSWORD.to_owned(), ann.id.clone()]);
    // Whatever the machine would have Python believe.
    command.env("REQUESTS_CA_BUNDLE", folder.path().join("ca.crt")).env_remove("CURL_CA_BUNDLE");
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("it does not panic").expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}
