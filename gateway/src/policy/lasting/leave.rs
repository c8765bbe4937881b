//! What somebody was let in by: kept for as long as what they were let in to lasts, and judged again and again, as a request
//! of theirs would be.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::HOST;

use crate::app::Gateway;
use crate::config::Auth;
use crate::exchange::Exchange;
use crate::listener::Arrival;
use crate::policy::authenticate::{Issuers, Kept, Left, Place, Principal};
use crate::policy::authorize::authorize;
use crate::policy::version::VersionRule;
use crate::route::{Found, Route, Wanted, path};
use crate::tables::Tables;

/// Somebody's leave.
pub struct Leave {
    principal: Option<Principal>,
    shown: Option<Kept>,
    arrival: Option<Arrival>,
    way: Way,
    /// `None`: nothing leads there any more.
    route: Option<Arc<Route>>,
    /// The settings under which all this was judged last.
    generation: u64,
    issuers: Arc<Issuers>,
    /// Whether these settings would have to look at the credential again.
    is_new_here: bool,
}

/// What is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// They would be let in.
    Stands,
    /// They would not.
    Over,
    /// That depends on what their issuer says.
    Unsure,
}

/// What has to be asked.
pub struct Doubt {
    /// Of whom.
    pub issuers: Arc<Issuers>,
    /// About what.
    pub shown: Kept,
    /// Whom it stood for.
    pub principal: Principal,
    /// Under which settings.
    pub generation: u64,
}

/// How a request finds its row.
struct Way {
    host: Option<String>,
    path: String,
    version: Option<String>,
    method: Method,
    /// What it counts as when it is asked what the caller may do.
    acts_as: Method,
}

impl Leave {
    /// That of a request which has been let in, and which may do what `acts_as` may.
    #[must_use]
    pub fn of(exchange: &Exchange<'_>, principal: Option<&Principal>, acts_as: &Method) -> Self {
        let (tables, head) = (exchange.tables, exchange.request.head());
        let route = exchange.route.clone();
        let is_versioned = route.as_ref().is_some_and(|route| route.version != VersionRule::None);
        let way = Way {
            host: head.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned),
            path: path::canonical(head.uri.path()).map(String::from).unwrap_or_default(),
            version: is_versioned.then(|| tables.versions.get(exchange.version).name.clone()),
            method: head.method.clone(),
            acts_as: acts_as.clone(),
        };
        Self {
            principal: principal.cloned(),
            shown: principal.and_then(|_| Kept::of(&head.headers, &tables.issuers)),
            arrival: exchange.arrival.cloned(),
            way,
            route,
            generation: tables.generation,
            issuers: Arc::clone(&tables.issuers),
            is_new_here: false,
        }
    }

    /// What is left of it, as far as can be told without asking anybody.
    pub fn judge(&mut self, gateway: &Gateway) -> Word {
        let tables = gateway.tables.load();
        if tables.generation != self.generation {
            self.move_to(&tables);
        }
        let Some(route) = &self.route else { return Word::Over };
        let certificate = self.arrival.as_ref().and_then(|arrival| arrival.certificate(&gateway.tls));
        let admitted = self.arrival.as_ref().map_or(Ok(()), |arrival| arrival.admit(&gateway.tls));
        if admitted.and_then(|()| route.certificate.check(certificate, &gateway.clock)).is_err() {
            return Word::Over;
        }
        let Some(principal) = &self.principal else {
            return if route.auth == Auth::Required { Word::Over } else { Word::Stands };
        };
        match gateway.authenticator.recheck(principal) {
            Left::Over => Word::Over,
            Left::Unsure | Left::Unasked => Word::Unsure,
            Left::Holds(_) if self.is_new_here => Word::Unsure,
            Left::Holds(current) => self.word_on(&current),
        }
    }

    /// What may be said of a caller whose credential holds.
    fn word_on(&self, principal: &Principal) -> Word {
        let Some(route) = &self.route else { return Word::Over };
        let is_taken = route.auth == Auth::None || principal.is_accepted(route.issuers);
        let may = is_taken && authorize(route, Some(principal), &self.way.acts_as).is_ok();
        if may { Word::Stands } else { Word::Over }
    }

    /// Whose word it is that the credential holds; `None`: it needs none.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.principal.as_ref().map(Principal::place)
    }

    /// What has to be asked to be sure.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        let (shown, principal) = (self.shown.clone()?, self.principal.clone()?);
        Some(Doubt { issuers: Arc::clone(&self.issuers), shown, principal, generation: self.generation })
    }

    /// What was answered. `None`: it was asked under other settings, says nothing under these, and has to be asked again.
    pub fn learn(&mut self, left: Left, generation: u64) -> Option<Word> {
        if generation != self.generation {
            return None;
        }
        Some(match left {
            Left::Holds(principal) => {
                let word = self.word_on(&principal);
                (self.principal, self.is_new_here) = (Some(principal), false);
                word
            }
            Left::Over => Word::Over,
            Left::Unsure | Left::Unasked => Word::Unsure,
        })
    }

    fn move_to(&mut self, tables: &Tables) {
        let is_read = self.shown.as_ref().is_none_or(|shown| shown.is_read(&self.issuers, &tables.issuers));
        self.route = self.way.find(tables).filter(|_| is_read).cloned();
        if let Some(principal) = self.principal.as_ref().filter(|_| !self.is_new_here) {
            match principal.moved(&self.issuers, &tables.issuers) {
                Some(moved) => self.principal = Some(moved),
                None => self.is_new_here = true,
            }
        }
        (self.generation, self.issuers) = (tables.generation, Arc::clone(&tables.issuers));
    }
}

impl Way {
    fn find<'t>(&self, tables: &'t Tables) -> Option<&'t Arc<Route>> {
        let versions = &tables.versions;
        let version = match &self.version {
            Some(name) => versions.by_name(name)?,
            None => versions.default(),
        };
        let versioned = versions.split(&self.path).map(|asked| (version, asked.rest));
        let wanted = Wanted { host: self.host.as_deref(), path: &self.path, versioned, method: &self.method };
        match tables.routes.find(wanted) {
            Found::Route(route) => Some(route),
            Found::OtherMethods(_) | Found::Nothing => None,
        }
    }
}
