//! Mistakes in issuers, keys, the cookie and routes that ask for callers; and a secret that comes from a file.

use super::read;

const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn issuer(rows: &str) -> String {
    format!("[[authentication.issuers]]\nname = \"corp\"\nissuer = \"https://corp.example\"\n{rows}\n")
}

#[test]
fn each_mistake_is_named() {
    let keys = "audiences = [\"a\"]\njwks_url = \"https://corp.example/keys\"\n";
    let route = "[[routes]]\npath = \"/x\"\nupstream = \"users\"\n";
    let asked = "introspection = { url = \"https://corp.example/ask\" }\n";
    for (file, expected) in [
        (issuer(""), "exactly one of `jwks_url`, `discovery` and `introspection`"),
        (issuer(&format!("{keys}discovery = true")), "exactly one of"),
        (issuer("jwks_url = \"https://corp.example/keys\""), "issuers[0].audiences: at least one"),
        (issuer(&format!("{keys}algorithms = [\"HS256\"]")), "`HS256` is none of EdDSA, ES256, RS256"),
        (issuer(&format!("{keys}watermarks = true")), "only for an issuer that is `trusted`"),
        (issuer(&format!("{keys}role_map = {{ a = \"admin\" }}")), "`roles_claim` says where the roles are"),
        (issuer(&format!("{keys}role_map = {{ a = \"root\" }}")), "`root` is none of user"),
        (issuer(&format!("{keys}algoritms = []")), "algoritms"),
        (issuer(keys).replace("\"corp\"", "\"default\""), "this name is taken"),
        (issuer(keys).replace("https://corp.example\"", "http://127.0.0.1:8080\""), "of this `iss` already"),
        (issuer(keys).replace("https://corp.example\"", "corp#1\""), "it has no `#`"),
        (issuer("audiences = [\"a\"]\njwks_url = \"https://u:p@corp.example/keys\""), "an http:// or https:// URL"),
        (issuer(&asked.replace("\" }", "\", client_secret_file = \"/nowhere\" }")), "cannot be read"),
        (issuer(asked) + &issuer(asked).replace("corp", "two"), "another issuer has this prefix"),
        ("authentication.cookie.name = \"session\"\n".to_owned(), "`__Host-` and a word"),
        ("authentication.api_keys.prefix = \"k\"\n".to_owned(), "3 or more letters"),
        ("authentication.api_keys.header = \"Authorization\"\n".to_owned(), "a header of its own"),
        ("authentication.api_keys.introspection = \"http://x/\"\n".to_owned(), "a path of users-service"),
        (
            "authentication.api_keys.keys = [{ name = \"a\", sha256 = \"secret\" }]\n".to_owned(),
            "64 hexadecimal digits",
        ),
        (
            format!(
                "authentication.api_keys.keys = [{{ name = \"a\", sha256 = \"{HASH}\", expires_at = \"soon\" }}]\n"
            ),
            "an RFC 3339 date and time",
        ),
        (format!("{route}scopes = [\"a b\"]"), "routes[0].scopes: each is one word"),
        (
            format!("{route}forward_cookies = true").replace("\"users\"", "\"accounts\""),
            "only `users` may see cookies of ours",
        ),
        (
            format!("{route}forward_cookies = true\nmirror = {{ upstream = \"accounts\", percent = 1 }}"),
            "only `users` may see",
        ),
        (format!("{route}cross_site = \"maybe\""), "cross_site"),
        (format!("{route}scope_any = [\"a\"]\nauth = \"none\""), "roles, a permission and scopes need `required`"),
        (format!("{route}issuers = [\"nobody\"]"), "there is no issuer `nobody`"),
        (format!("{route}issuers = [\"static_keys\"]"), "`static_keys` is not trusted to name our users"),
        (issuer(keys) + route + "issuers = [\"corp\"]", "`corp` is not trusted to name our users"),
    ] {
        let errors = read(&file, &[]).map(drop).unwrap_err();
        assert!(errors.contains(expected), "{expected} is missing in\n{errors}");
        assert!(!errors.contains("u:p"), "no password in a message");
    }
    assert!(read(&(issuer(&format!("{keys}trusted = true\n")) + route + "issuers = [\"corp\"]"), &[]).is_ok());
    assert!(read(&format!("{route}forward_cookies = true\ncross_site = \"refuse\""), &[]).is_ok());
}

#[test]
fn a_client_secret_may_come_from_a_file() {
    let file = std::env::temp_dir().join(format!("tollgate-secret-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "hush\n").unwrap();
    let rows = format!("introspection = {{ url = \"https://corp.example\", client_secret_file = {file:?} }}");
    let config = read(&issuer(&rows), &[]).unwrap();
    let asked = config.authentication.issuers[0].introspection.as_ref().unwrap();
    assert_eq!(asked.secret().unwrap().unwrap().expose(), "hush");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn whoever_listens_for_others_names_their_address() {
    let open = ("TOLLGATE_GATEWAY__SERVER__LISTEN", "[::]:8080");
    let nowhere = read("", &[open]).unwrap_err();
    assert!(nowhere.contains("authentication.issuer: name the public address"), "{nowhere}");
    for chosen in ["https://api.example.com", "http://127.0.0.1:8080"] {
        assert!(read("", &[open, ("TOLLGATE_GATEWAY__AUTHENTICATION__ISSUER", chosen)]).is_ok(), "{chosen}");
    }
}
