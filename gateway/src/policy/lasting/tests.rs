//! Many callers of what lasts, on one worker, and an issuer that has to be asked about all of them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::test::TestRequest;
use shared::clock::Clock;

use super::line::{AT_ONCE, AT_ONE};
use super::*;
use crate::pipeline::tests::harness::{Gate, until};
use crate::pipeline::tests::stub::{Reply, Stub, ok};
use crate::policy::authenticate::{Left, Need};
use crate::route::{Found, Wanted};

/// A gateway whose issuer is asked, and a worker's list of what is open.
struct Setting {
    gate: Gate,
    clock: Clock,
    is_up: Arc<AtomicBool>,
    lasting: Rc<Lasting>,
    issuer: Stub,
}

impl Setting {
    async fn new(more: &str) -> Self {
        let is_up = Arc::new(AtomicBool::new(true));
        let up = Arc::clone(&is_up);
        let issuer = Stub::start(move |_, _| match up.load(Ordering::SeqCst) {
            true => ok("{\"active\": true, \"sub\": \"alice\"}"),
            false => Reply::Cut,
        })
        .await;
        let settings = format!(
            "{}\n[[authentication.issuers]]\nname = \"corp\"\nissuer = \"https://corp.example\"\n\
             introspection = {{ url = \"http://{}/\" }}\n\
             [[routes]]\npath = \"/api/events\"\nupstream = \"raw\"\nlimited = false\n",
            more.replace("{issuer}", &issuer.addr.to_string()),
            issuer.addr
        );
        let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
        let raw = format!("{{ name = \"raw\", url = \"http://{}\" }}", issuer.addr);
        let gate = Gate::at(clock.clone(), &raw, &settings).await;
        let tokens = Rc::new(RefCell::new(TokenCache::new(100)));
        let lasting = Lasting::new(Arc::clone(&gate.handle.gateway), gate.client.clone(), tokens);
        Self { gate, clock, is_up, lasting, issuer }
    }

    fn gateway(&self) -> &Arc<Gateway> {
        &self.gate.handle.gateway
    }

    async fn ask_about(&self, live: &Rc<Live>) {
        self.lasting.line.enter(live);
        self.lasting.ask_about(&Turn::next(&self.lasting).unwrap()).await;
    }

    /// An answer that goes to Alice and lasts.
    async fn begin(&self) -> Rc<Live> {
        self.begin_with("opaque").await
    }

    /// The same, by this token.
    async fn begin_with(&self, token: &str) -> Rc<Live> {
        let (gateway, tables) = (self.gateway(), self.gateway().tables.load_full());
        let request = TestRequest::get().uri("/api/events").insert_header(("authorization", format!("Bearer {token}")));
        let request = request.to_http_request();
        let mut exchange = Exchange::begin(&request, &tables, gateway);
        let asked = tables.versions.split("/api/events").map(|asked| (tables.versions.default(), asked.rest));
        let method = &request.head().method;
        let wanted = Wanted { host: None, path: "/api/events", versioned: asked, method };
        let Found::Route(route) = tables.routes.find(wanted) else { panic!("no such row") };
        exchange.route = Some(Arc::clone(route));
        let (signer, metrics) = (&gateway.signer, &gateway.metrics);
        let means =
            Means { tokens: &self.lasting.tokens, client: &self.lasting.client, signer, metrics, stranger: None };
        let need = Need { auth: route.auth, accepted: route.issuers };
        let who = gateway.authenticator.authenticate(&tables.issuers, request.headers(), need, means).await;
        let who = who.unwrap().unwrap();
        let leave = Leave::of(&exchange, Some(&who), &request.head().method);
        self.lasting.begin(leave, Span::default())
    }

    fn word_on(&self, live: &Live) -> Word {
        live.leave.borrow_mut().judge(self.gateway())
    }
}

#[actix_web::test]
async fn thousands_come_through_the_moment_in_which_all_have_to_be_asked_about() {
    let on = Setting::new("").await;
    // More than 32 of them twice a second, for as long as anybody waits for their turn.
    let mut all = Vec::new();
    for _ in 0..2_500 {
        all.push(on.begin().await);
    }
    on.clock.advance(Duration::from_secs(31));
    assert!(all.iter().all(|live| on.word_on(live) == Word::Unsure));
    until(|| {
        assert!(all.iter().all(|live| live.end.get().is_none()), "ended for want of a turn");
        all.iter().all(|live| on.word_on(live) == Word::Stands)
    })
    .await;
}

#[actix_web::test]
async fn who_waits_for_the_second_question_is_no_more_in_doubt_than_before() {
    let on = Setting::new("").await;
    let live = on.begin().await;
    on.clock.advance(Duration::from_secs(31));
    let now = Instant::now();
    let (before, moment) = (now.checked_sub(Duration::from_secs(12)).unwrap(), Duration::from_millis(1));
    live.unsure.set(Some(before));
    live.due.set(Some(before));
    assert!(live.look(on.gateway(), now), "and is to be asked about");
    live.hear(Word::Stands, on.gateway(), now);
    assert_eq!((live.unsure.get(), live.due.get(), live.end.get()), (None, None, None));

    live.hear(Word::Unsure, on.gateway(), now);
    live.hear(Word::Unsure, on.gateway(), now + DOUBT);
    assert_eq!(live.end.get(), None);
    live.hear(Word::Unsure, on.gateway(), now + DOUBT + moment);
    assert_eq!(live.end.get(), Some(End::Revoked), "asked again, and again in vain");

    let other = on.begin().await;
    on.clock.advance(Duration::from_secs(31));
    assert!(other.look(on.gateway(), now) && other.look(on.gateway(), now + TURN));
    assert!(!other.look(on.gateway(), now + TURN + moment), "whatever keeps it from being asked about");
    assert_eq!(other.end.get(), Some(End::Revoked));
}

#[actix_web::test]
async fn what_was_answered_under_other_settings_is_no_doubt_but_another_question() {
    let on = Setting::new("").await;
    let live = on.begin().await;
    let mut leave = live.leave.borrow_mut();
    let Doubt { principal, generation, .. } = leave.doubt().unwrap();
    for left in [Left::Holds(principal.clone()), Left::Over, Left::Unsure] {
        assert_eq!(leave.learn(left, generation + 1), None);
    }
    assert_eq!(leave.learn(Left::Holds(principal), generation), Some(Word::Stands));
}

#[actix_web::test]
async fn an_issuer_that_does_not_answer_is_not_asked_by_all_of_them_at_each_pulse() {
    let on = Setting::new("").await;
    let mut all = Vec::new();
    for _ in 0..AT_ONCE + 3 {
        all.push(on.begin().await);
    }
    let line = &on.lasting.line;
    all.iter().chain(&all).for_each(|live| line.enter(live));
    for turn in all[..AT_ONCE].iter().map(|live| (Turn::next(&on.lasting).unwrap(), live)) {
        assert!(Rc::ptr_eq(&turn.0.live, turn.1), "in their order");
        turn.0.in_vain();
    }
    assert!(Turn::next(&on.lasting).is_none(), "left alone");
    line.enter(&all[0]);
    line.pulse();
    let waited: Vec<_> = std::iter::from_fn(|| Turn::next(&on.lasting)).collect();
    let expected: Vec<_> = all[AT_ONCE..].iter().chain(&all[..1]).collect();
    let is_in_order = waited.iter().zip(&expected).all(|(turn, live)| Rc::ptr_eq(&turn.live, live));
    assert!(is_in_order && waited.len() == expected.len(), "who was passed over comes first, each of them once");
}

#[actix_web::test]
async fn who_waits_for_a_slow_issuer_keeps_nobody_waiting_for_another() {
    let on = Setting::new(
        "[[authentication.issuers]]\nname = \"two\"\nissuer = \"https://two.example\"\n\
         introspection = { url = \"http://{issuer}/\", prefix = \"two_\" }\n",
    )
    .await;
    let (mut slow, mut others) = (Vec::new(), Vec::new());
    for _ in 0..2 * AT_ONCE {
        slow.push(on.begin().await);
    }
    for _ in 0..3 {
        others.push(on.begin_with("two_token").await);
    }
    slow.iter().chain(&others).for_each(|live| on.lasting.line.enter(live));
    let place = others[0].leave.borrow().place();
    let turns: Vec<_> = std::iter::from_fn(|| Turn::next(&on.lasting)).collect();
    let is_other = |turn: &Turn| turn.live.leave.borrow().place() == place;
    assert_eq!(turns[..6].iter().filter(|turn| is_other(turn)).count(), 3, "in turn");
    assert_eq!(turns.len(), AT_ONE + 3, "and there is room for others while a slow one is being asked");
    drop(turns);
    assert!(Turn::next(&on.lasting).is_some(), "who has answered is asked about the next");
}

#[actix_web::test]
async fn an_issuer_that_is_asked_each_time_vouches_all_the_same() {
    let on = Setting::new("authentication.introspection.remember = \"0s\"").await;
    let live = on.begin().await;
    let calls = on.issuer.calls();
    assert!(live.look(on.gateway(), Instant::now()));
    on.ask_about(&live).await;
    assert_eq!((live.unsure.get(), live.due.get(), live.end.get()), (None, None, None));
    assert_eq!(on.issuer.calls(), calls + 1);
    on.is_up.store(false, Ordering::SeqCst);
    on.ask_about(&live).await;
    assert!(live.unsure.get().is_some());
}
