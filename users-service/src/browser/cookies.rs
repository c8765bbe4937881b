//! The two cookies of a browser's session: how they are given, read, and taken back.
//!
//! `__Host-`: only this very host sets them, over TLS, for all of its paths. `HttpOnly`: no page reads them. `Lax`, not
//! `Strict`: an OAuth client's site sends its user here by a link, and they are to be known then; what changes something
//! needs the page's word besides, which the gateway asks for.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{COOKIE, HeaderMap};
use shared::clock::from_micros;

use crate::app::App;
use crate::sessions::{Carrier, RefreshToken};
use crate::tokens::Granted;

/// What the name of the refresh token's cookie has after that of the access token's.
const REFRESH: &str = "-refresh";

/// What a browser shows of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown<'h> {
    /// No cookie of that name.
    Nothing,
    /// Several, of which nobody knows who has set them, or one that cannot be read.
    Nonsense,
    /// This.
    Token(&'h str),
}

/// The cookies that carry these tokens, for an answer to a browser that signs in.
#[must_use]
pub fn given(app: &App, granted: &Granted) -> [Cookie<'static>; 2] {
    let (tokens, now) = (&granted.tokens, app.clock.now());
    let left = from_micros(granted.session.state.expires_at) - now;
    let access = cookie(app, "", tokens.access_token.clone(), Duration::seconds(tokens.expires_in));
    [
        access,
        cookie(app, REFRESH, tokens.refresh_token.clone().unwrap_or_default(), Duration::seconds(left.whole_seconds())),
    ]
}

/// The same without anything in them, which makes a browser forget them.
pub(super) fn taken_back(app: &App) -> [Cookie<'static>; 2] {
    ["", REFRESH].map(|which| cookie(app, which, String::new(), Duration::ZERO))
}

fn cookie(app: &App, which: &str, value: String, lasts: Duration) -> Cookie<'static> {
    let name = [&app.config.sessions.cookie, which].concat();
    let cookie = Cookie::build(name, value).path("/").secure(true).http_only(true).same_site(SameSite::Lax);
    cookie.max_age(lasts).finish()
}

/// What a browser's refresh cookie holds.
pub(super) fn refresh_token<'h>(app: &App, headers: &'h HeaderMap) -> Shown<'h> {
    let name = [&app.config.sessions.cookie, REFRESH].concat();
    let lines = headers.get_all(COOKIE).map(|line| line.to_str());
    let mut shown = Shown::Nothing;
    for line in lines {
        // What is not text is somebody else's, or was never ours.
        let pairs = line.unwrap_or_default().split(';').filter_map(|pair| pair.trim().split_once('='));
        for (_, value) in pairs.filter(|(known, _)| *known == name) {
            shown = if shown == Shown::Nothing { Shown::Token(value) } else { Shown::Nonsense };
        }
    }
    // A browser was told to forget it, and a program that plays one has not understood.
    if shown == Shown::Token("") { Shown::Nothing } else { shown }
}

/// Which token of which session a browser holds, if it is one that was made for a cookie.
pub(super) fn held(app: &App, headers: &HeaderMap) -> Option<RefreshToken> {
    match refresh_token(app, headers) {
        Shown::Token(text) => RefreshToken::open(text, Carrier::Cookie, &app.keys.refresh),
        Shown::Nothing | Shown::Nonsense => None,
    }
}
