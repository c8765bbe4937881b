//! The two libraries that the gateway stands on, and nothing else: actix-web takes a request, reqwest asks the upstream.
//! What a gateway made of them costs beyond this is its own doing.

use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use reqwest::redirect::Policy;
use reqwest::retry;
use tests::backends::free_port;

use super::Setup;
use crate::failure::Failure;
use crate::server::{Server, bound};

/// What `bench floor` is told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The loopback port it listens on.
    #[arg(long)]
    port: u16,
    /// The loopback port of the upstream.
    #[arg(long)]
    upstream: u16,
}

/// One worker's.
struct Way {
    client: reqwest::Client,
    upstream: String,
}

pub async fn start(setup: &Setup<'_>) -> Result<Server, Failure> {
    let port = free_port()?;
    let mut command = bound(&std::env::current_exe()?);
    let ports = [port, setup.upstream].map(|port| port.to_string());
    command.args(["floor", "--port", &ports[0], "--upstream", &ports[1]]);
    Server::start("floor", port, command, setup.folder)?.accepting().await
}

/// Serves until it is killed.
pub async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let upstream = arguments.upstream;
    let app = move || {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(retry::never().max_retries_per_request(0))
            .no_proxy()
            .http1_only()
            .build();
        let upstream = format!("http://127.0.0.1:{upstream}");
        App::new()
            .app_data(web::Data::new(client.map(|client| Way { client, upstream })))
            .default_service(web::to(forward))
    };
    Ok(HttpServer::new(app).workers(2).bind(("127.0.0.1", arguments.port))?.run().await?)
}

/// Heads as they come, and bodies whole: requests have none here, and answers are small.
async fn forward(request: HttpRequest, way: web::Data<reqwest::Result<Way>>) -> HttpResponse {
    let Ok(way) = way.get_ref() else { return HttpResponse::InternalServerError().finish() };
    let mut asked = way.client.get([&way.upstream, request.path()].concat());
    for (name, value) in request.headers().iter().filter(|(name, _)| **name != HOST) {
        asked = asked.header(name.as_str(), value.as_bytes());
    }
    let Ok(answered) = asked.send().await else { return HttpResponse::BadGateway().finish() };
    let status = StatusCode::from_u16(answered.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut answer = HttpResponse::build(status);
    for (name, value) in answered.headers() {
        answer.append_header((name.as_str(), value.as_bytes()));
    }
    match answered.bytes().await {
        Ok(body) => answer.body(body),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}
