//! What it takes the gateway to tell who calls: its own code, on one thread, with the keys at hand and no network.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use gateway::Config;
use gateway::admin::metrics::Metrics;
use gateway::config::Auth;
use gateway::policy::authenticate::keys::KeySet;
use gateway::policy::authenticate::{Authenticator, Issuers, Means, Need, TokenCache};
use jsonwebtoken::Algorithm;
use shared::auth::Signer;
use shared::clock::Clock;
use shared::config::Secret;
use shared::store::RevocationList;

use crate::Scale;
use crate::failure::Failure;
use crate::report::{Detail, Report, Row, Target};
use crate::token::{self, AUDIENCE, ISSUER};

/// Tokens of different sessions, so that what is remembered is looked up and not in the processor's nearest cache.
const TOKENS: usize = 1_000;
/// Not measured: what only the first ones pay.
const WARM_UP: usize = 2_000;

/// All that one worker has.
struct Gate {
    issuers: Arc<Issuers>,
    authenticator: Authenticator,
    tokens: RefCell<TokenCache>,
    client: reqwest::Client,
    signer: Signer,
    metrics: Metrics,
}

impl Gate {
    async fn check(&self, headers: &HeaderMap) -> Result<Duration, Failure> {
        let (signer, metrics) = (&self.signer, &self.metrics);
        let means = Means { tokens: &self.tokens, client: &self.client, signer, metrics, stranger: None };
        let need = Need { auth: Auth::Required, accepted: self.issuers.accepted(&[], false) };
        let begun = Instant::now();
        let found = self.authenticator.authenticate(&self.issuers, headers, need, means).await;
        let took = begun.elapsed();
        match found {
            Ok(Some(_)) => Ok(took),
            Ok(None) | Err(_) => Err(Failure::said("a good token is refused")),
        }
    }

    fn forget(&self) {
        *self.tokens.borrow_mut() = TokenCache::new(TOKENS * 2);
    }
}

/// Measures tokens that were seen before, and tokens that were not, of both kinds of key. A row for each with our own kind;
/// what other issuers like to use stands beside.
pub async fn measure(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let clock = Clock::system();
    let mut rows = Vec::new();
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256] {
        let (jwks, tokens) = token::issue_many(&clock, algorithm, TOKENS)?;
        let gate = gate(folder, secret, &clock, (&jwks, algorithm))?;
        let headers: Vec<HeaderMap> = tokens.iter().map(|token| bearer(token)).collect::<Result<_, _>>()?;
        for (name, cold) in [("seen before", false), ("not seen before", true)] {
            let took = take(&gate, &headers, cold, scale.round).await?;
            let at = |share: f64| took.get(((took.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
            let (p50, p99) = (at(0.5), at(0.99));
            let figures = [p50, p99, at(0.999)].map(|figure| format!("{figure:.1}"));
            rows.push([format!("{algorithm:?}, {name}")].into_iter().chain(figures).collect());
            if algorithm == Algorithm::EdDSA {
                report.rows.push(Row {
                    what: format!("checking a token at the gateway (EdDSA, {name}), p99"),
                    ours: format!("{p99:.1} us"),
                    peer: String::new(),
                    value: Some(p99),
                    unit: "us",
                    target: Target::Most(100.0),
                });
            }
        }
    }
    let title = "Checking a token at the gateway".to_owned();
    report.details.push(Detail { title, head: vec!["token", "p50 us", "p99 us", "p99.9 us"], rows });
    Ok(())
}

/// How long each check took, in microseconds, the shortest first.
async fn take(gate: &Gate, headers: &[HeaderMap], cold: bool, round: Duration) -> Result<Vec<f64>, Failure> {
    gate.forget();
    let mut took = Vec::new();
    let (mut checked, end) = (0, Instant::now() + round);
    while Instant::now() < end || took.is_empty() {
        if cold {
            gate.forget();
        }
        for headers in headers {
            let one = gate.check(headers).await?;
            checked += 1;
            if checked > WARM_UP {
                took.push(one.as_secs_f64() * 1e6);
            }
        }
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

fn bearer(token: &str) -> Result<HeaderMap, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| Failure::said(error.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

fn gate(folder: &Path, secret: &str, clock: &Clock, (jwks, algorithm): (&str, Algorithm)) -> Result<Gate, Failure> {
    let said = |error: &dyn std::fmt::Display| Failure::said(error.to_string());
    let file = folder.join("token-check.toml");
    let text = format!(
        "[authentication]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\n[identity]\nsecret = \"{secret}\"\n"
    );
    std::fs::write(&file, text)?;
    let config = Config::load(Some(&file), &[]).map_err(|error| said(&error))?;
    let issuers = Issuers::compile(&config, None).map_err(|error| said(&error))?;
    let keys = KeySet::parse(jwks.as_bytes(), &[algorithm])?;
    let (_, ours) = issuers.key_sets().next().ok_or_else(|| Failure::said("no issuer of ours"))?;
    ours.replace(keys);
    let revoked = Arc::new(RevocationList::new(clock.clone()));
    Ok(Gate {
        authenticator: Authenticator::new(revoked, clock.clone()),
        issuers,
        tokens: RefCell::new(TokenCache::new(TOKENS * 2)),
        client: reqwest::Client::builder().no_proxy().build().map_err(|error| said(&error))?,
        signer: Signer::new(&Secret::from(secret.to_owned()), clock.clone()).map_err(|error| said(&error))?,
        metrics: Metrics::default(),
    })
}
