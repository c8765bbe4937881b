//! The gateway against Envoy, nginx and HAProxy: the same requests, the same upstream, two workers each, round by round.

mod envoy;
pub mod floor;
mod haproxy;
mod nginx;
pub mod soak;
mod tollgate;
pub mod weight;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use shared::clock::Clock;
use tests::backends::{Program, Redis, free_port};
use tests::say;

use crate::Scale;
use crate::failure::Failure;
use crate::load::{self, Load, Outcome, Same};
use crate::report::{Detail, Report, Row, Target, median};
use crate::server::{Server, bound};
use crate::token::{Issued, issue};

/// Connections of the load generator.
const CONNECTIONS: usize = 32;
const PATH: &str = "/api/v1/items/0190c8d2-7a4b-7c1e-9f3a-5b6c7d8e9f00";

/// What every gateway is made from.
#[derive(Debug)]
pub struct Setup<'a> {
    folder: &'a Path,
    /// The port of the one upstream.
    upstream: u16,
    issued: Issued,
    secret: String,
}

/// A gateway that runs, and what its rounds found.
struct Side {
    name: &'static str,
    server: Server,
    rounds: Vec<Round>,
    /// At half of its own load.
    half: Vec<Outcome>,
    /// For one client alone, one request at a time.
    alone: Vec<Outcome>,
}

struct Round {
    cpu_micros: f64,
    outcome: Outcome,
}

impl Side {
    fn new(name: &'static str, server: Server) -> Self {
        Self { name, server, rounds: Vec::new(), half: Vec::new(), alone: Vec::new() }
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    fn cpu(&self) -> f64 {
        self.median(|round| round.cpu_micros)
    }

    fn rate(&self) -> f64 {
        self.median(|round| round.outcome.rate())
    }

    fn cells(&self) -> Result<Vec<String>, Failure> {
        let (rss, pss) = self.server.processes()?.memory_kib();
        let full = |share| format!("{:.0}", self.median(|round| round.outcome.latency(share)));
        let half = |share| format!("{:.0}", latency(&self.half, share));
        let mut cells = vec![self.name.to_owned(), format!("{:.1}", self.cpu()), format!("{:.0}", self.rate())];
        cells.extend([full(0.5), full(0.99), half(0.5), half(0.99), mebibytes(rss), mebibytes(pss)]);
        Ok(cells)
    }
}

/// Runs the comparison and adds its rows.
pub async fn compare(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let issued = issue(&Clock::system())?;
    let setup = Setup { folder, upstream: free_port()?, issued, secret: secret.to_owned() };
    let upstream = start_upstream(&setup).await?;
    // Ours comes first, and there is nothing to compare without it.
    let mut sides = vec![Side::new("tollgate", tollgate::start(&setup).await?)];
    let redis = Redis::own().await?;
    let peers = [
        ("shared limit", tollgate::sharing(&setup, &redis.url).await),
        ("floor", floor::start(&setup).await),
        ("envoy", envoy::start(&setup).await),
        ("nginx", nginx::start(&setup).await),
        ("haproxy", haproxy::start(&setup).await),
    ];
    for (name, server) in peers {
        match server {
            Ok(server) => sides.push(Side::new(name, server)),
            Err(failure) => report.note(format!("gateway benchmark WITHOUT {name}: {failure}")),
        }
    }
    let request = request(&setup.issued.token);
    for side in &mut sides {
        warm_up(side, &request).await?;
    }
    for round in 0..scale.rounds {
        for side in &mut sides {
            side.rounds.push(measure(side, &request, scale.round).await?);
            let last = side.rounds.last().map_or(0.0, |round| round.cpu_micros);
            say(format!("  round {} {:<12} {last:6.1} us CPU a request", round + 1, side.name));
        }
    }
    let direct = half_load(scale, &upstream, &mut sides, &request).await?;
    let alone = one_client(scale, &upstream, &mut sides, &request).await?;
    tell(&sides, report)?;
    let half = Latency { when: "at half load", direct: &direct, most: [Target::Most(100.0), Target::Most(1000.0)] };
    half.tell(&sides, |side| &side.half, report);
    let alone = Latency { when: "for a client alone", direct: &alone, most: [Target::None, Target::None] };
    alone.tell(&sides, |side| &side.alone, report);
    Ok(())
}

async fn start_upstream(setup: &Setup<'_>) -> Result<Server, Failure> {
    let jwks = setup.folder.join("jwks.json");
    fs::write(&jwks, &setup.issued.jwks)?;
    let mut command = bound(&std::env::current_exe()?);
    command.args(["upstream", "--port", &setup.upstream.to_string(), "--jwks"]).arg(jwks);
    Server::start("upstream", setup.upstream, command, setup.folder)?.accepting().await
}

fn request(token: &str) -> Rc<Same> {
    let head = "host: localhost\r\naccept: application/json\r\nuser-agent: bench";
    Rc::new(Same(format!("GET {PATH} HTTP/1.1\r\n{head}\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()))
}

/// Until it answers 200 (it may still be fetching keys), and then until its caches are filled.
async fn warm_up(side: &Side, request: &Rc<Same>) -> Result<(), Failure> {
    let mut refused = None;
    for _ in 0..50 {
        match load::run(&side.server.address(), request.clone(), Load::closed(CONNECTIONS, Duration::from_millis(300)))
            .await
        {
            Ok(_) => return Ok(()),
            Err(failure) => refused = Some(failure),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(side
        .server
        .failed(&format!("never answers 200 ({})", refused.map_or_else(String::new, |failure| failure.to_string()))))
}

async fn measure(side: &Side, request: &Rc<Same>, time: Duration) -> Result<Round, Failure> {
    let processes = side.server.processes()?;
    let before = processes.cpu_seconds();
    let outcome = load::run(&side.server.address(), request.clone(), Load::closed(CONNECTIONS, time)).await;
    let outcome = outcome.map_err(|failure| side.server.failed(&failure.to_string()))?;
    let cpu_micros = (processes.cpu_seconds() - before) * 1e6 / outcome.requests();
    Ok(Round { cpu_micros, outcome })
}

fn tell(sides: &[Side], report: &mut Report) -> Result<(), Failure> {
    let cpu = |name: &str| sides.iter().find(|side| side.name == name).map(Side::cpu);
    let shown = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.1} us"));
    let peers = [
        ("envoy", "Envoy, same policies", Target::Most(0.6)),
        ("nginx", "nginx, no policy", Target::Most(2.0)),
        ("haproxy", "HAProxy, same policies, no token cache", Target::None),
        ("floor", "actix-web and reqwest alone, no policy", Target::None),
    ];
    for (name, words, target) in peers {
        report.rows.push(Row {
            what: format!("gateway, CPU per request, against {words}"),
            ours: shown(cpu("tollgate")),
            peer: shown(cpu(name)),
            value: cpu("tollgate").zip(cpu(name)).map(|(ours, peer)| ours / peer),
            unit: "x",
            target,
        });
    }
    report.rows.push(Row {
        what: "gateway, CPU per request with a limit shared through Redis, beyond that of one in memory".to_owned(),
        ours: shown(cpu("shared limit")),
        peer: shown(cpu("tollgate")),
        value: cpu("shared limit").zip(cpu("tollgate")).map(|(shared, alone)| shared - alone),
        unit: "us",
        target: Target::Most(10.0),
    });
    report.details.push(Detail {
        title: format!("Gateways, {CONNECTIONS} connections, closed loop, 2 workers each (medians)"),
        head: vec![
            "gateway",
            "CPU us/request",
            "requests/s",
            "p50 us",
            "p99 us",
            "p50 at half",
            "p99 at half",
            "RSS MiB",
            "PSS MiB",
        ],
        rows: sides.iter().map(Side::cells).collect::<Result<_, _>>()?,
    });
    Ok(())
}

/// Asks half of what each can do of it, and the upstream directly for as much as of ours.
async fn half_load(
    scale: Scale,
    upstream: &Server,
    sides: &mut [Side],
    request: &Rc<Same>,
) -> Result<Vec<Outcome>, Failure> {
    let load = |rate: f64| Load { connections: CONNECTIONS, time: scale.round, rate: Some(rate / 2.0) };
    let ours = sides.first().map_or(0.0, Side::rate);
    let mut direct = Vec::new();
    for _ in 0..scale.rounds {
        direct.push(load::run(&upstream.address(), request.clone(), load(ours)).await?);
        for side in &mut *sides {
            let outcome = load::run(&side.server.address(), request.clone(), load(side.rate())).await;
            side.half.push(outcome.map_err(|failure| side.server.failed(&failure.to_string()))?);
        }
    }
    Ok(direct)
}

/// One client that sends its next request when the last was answered: what the way through a gateway takes when nobody
/// else is there.
async fn one_client(
    scale: Scale,
    upstream: &Server,
    sides: &mut [Side],
    request: &Rc<Same>,
) -> Result<Vec<Outcome>, Failure> {
    let load = Load::closed(1, scale.round / 2);
    let mut direct = Vec::new();
    for _ in 0..scale.rounds {
        direct.push(load::run(&upstream.address(), request.clone(), load).await?);
        for side in &mut *sides {
            let outcome = load::run(&side.server.address(), request.clone(), load).await;
            side.alone.push(outcome.map_err(|failure| side.server.failed(&failure.to_string()))?);
        }
    }
    Ok(direct)
}

/// What the gateway adds to a direct call, and what Envoy adds.
struct Latency<'a> {
    when: &'static str,
    direct: &'a [Outcome],
    /// Of p50 and p99.
    most: [Target; 2],
}

impl Latency<'_> {
    fn tell(&self, sides: &[Side], of: impl Fn(&Side) -> &[Outcome], report: &mut Report) {
        let envoy = sides.iter().find(|side| side.name == "envoy");
        for ((name, share), target) in [("p50", 0.5), ("p99", 0.99)].into_iter().zip(self.most) {
            let (direct, through) = (latency(self.direct, share), latency(of(&sides[0]), share));
            let added = through - direct;
            report.rows.push(Row {
                what: format!("gateway, latency added {}, {name}", self.when),
                ours: format!("{through:.0} us"),
                peer: format!("{direct:.0} us direct"),
                value: Some(added),
                unit: "us",
                target,
            });
            let theirs = envoy.map(|envoy| latency(of(envoy), share) - direct);
            report.rows.push(Row {
                what: format!("gateway, latency added {}, {name}, against Envoy, same policies", self.when),
                ours: format!("{added:.0} us"),
                peer: theirs.map_or_else(|| "not measured".to_owned(), |theirs| format!("{theirs:.0} us")),
                value: theirs.map(|theirs| added / theirs),
                unit: "x",
                target: Target::None,
            });
        }
    }
}

fn latency(outcomes: &[Outcome], share: f64) -> f64 {
    median(outcomes.iter().map(|outcome| outcome.latency(share)))
}

/// A peer's program; installed by the system's package manager when it is missing and we may.
fn installed(program: &'static str, package: &str) -> Result<Program, Failure> {
    let found = Program::find(program);
    if found.is_ok() {
        return Ok(found?);
    }
    say(format!("  {program} is missing: apt-get install {package}"));
    for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", "--no-install-recommends", package]] {
        drop(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output());
    }
    Program::find(program)
        .map_err(|_| Failure::said(format!("{program} is not installed; as root: apt-get install {package}")))
}

fn mebibytes(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}
