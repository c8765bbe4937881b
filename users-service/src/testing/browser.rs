//! A browser in the hands of a user: it keeps the cookie that it is given, and its forms say where they stand.

use reqwest::Method;
use url::Url;

use super::answer::Answer;
use super::client::Registered;
use super::person::PASSWORD;
use super::service::Running;

/// Where clients have users sent back to.
pub const REDIRECT: &str = "https://books.example.com/callback?tenant=1";
/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The browser.
pub struct Browser<'a> {
    service: &'a Running,
    pub cookie: String,
}

/// The value of a parameter in an address.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let url = Url::parse(address).or_else(|_| Url::parse("https://tollgate.example")?.join(address)).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

impl<'a> Browser<'a> {
    pub fn new(service: &'a Running) -> Self {
        Self { service, cookie: String::new() }
    }

    /// A sound request of a client's, for this scope.
    pub fn request(client: &Registered, scope: &str) -> Vec<(&'static str, String)> {
        let fields = [
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", REDIRECT),
            ("scope", scope),
            ("state", "st&te"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        fields.map(|(name, value)| (name, value.to_owned())).into()
    }

    /// Is sent here with these parameters.
    pub async fn authorize(&mut self, fields: &[(&'static str, String)]) -> Answer {
        let query = serde_urlencoded::to_string(fields).unwrap();
        self.get(&format!("/oauth/authorize?{query}")).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let answer = self.service.call(Method::GET, path).header("cookie", self.cookie.clone()).send().await;
        self.keep(&answer);
        answer
    }

    /// Sends a form of a page of ours.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let call = self.service.call(Method::POST, path).header("cookie", self.cookie.clone());
        let answer = call.header("sec-fetch-site", "same-origin").form(fields).send().await;
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        if let Some(pair) = answer.header("set-cookie").split(';').next().filter(|pair| !pair.is_empty()) {
            self.cookie = pair.to_owned();
        }
    }

    /// Signs in on the page that was shown; where it leads to.
    pub async fn sign_in(&mut self, page: &Answer, who: &str) -> Answer {
        let request = Self::hidden(page);
        self.submit("/oauth/sign-in", &[("request", &request), ("username", who), ("password", PASSWORD)]).await
    }

    /// The request that a page is about.
    pub fn hidden(page: &Answer) -> String {
        let html = String::from_utf8(page.bytes.clone()).unwrap();
        let rest = html.split("name=\"request\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {html}"));
        rest.split('"').next().unwrap().to_owned()
    }

    /// All of it: sent here, signed in, asked if need be, and sent back; where to.
    pub async fn go_through(&mut self, fields: &[(&'static str, String)], who: &str) -> String {
        let page = self.authorize(fields).await.expect(200);
        let asked = self.sign_in(&page, who).await.expect(303).header("location");
        let next = self.get(&asked).await;
        let next = match next.status {
            200 => {
                let request = Self::hidden(&next);
                self.submit("/oauth/consent", &[("request", &request), ("decision", "allow")]).await.expect(303)
            }
            _ => next.expect(303),
        };
        next.header("location")
    }

    /// The code that it leads to.
    pub async fn code(&mut self, client: &Registered, scope: &str, who: &str) -> String {
        let back = self.go_through(&Self::request(client, scope), who).await;
        parameter(&back, "code").unwrap_or_else(|| panic!("no code: {back}"))
    }
}

impl Running {
    /// What a client gets for a code.
    pub async fn redeem(&self, client: &Registered, code: &str) -> Answer {
        self.redeem_with(client, code, VERIFIER, REDIRECT).await
    }

    /// The same with another verifier or address.
    pub async fn redeem_with(&self, client: &Registered, code: &str, verifier: &str, redirect: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        match &client.secret {
            Some(_) => self.grant(client, &fields).await,
            None => {
                let named = [&fields[..], &[("client_id", client.id.as_str())]].concat();
                self.call(Method::POST, "/api/v1/auth/token").form(&named).send().await
            }
        }
    }
}
