//! Carries payments between two cells until it is killed: the process that the trial of cells kills.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::cells::{self, Plan};

/// Carries payments between two cells. A trial, not a product: see accounts-service/beyond-one-primary.md.
#[derive(Debug, Parser)]
struct Arguments {
    /// Both cells, as JSON.
    plan: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A second provider is refused; ours is the first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    match read(&Arguments::parse().plan) {
        Ok(plan) => match cells::run(plan).await {},
        Err(error) => {
            tests::say_error(error);
            ExitCode::FAILURE
        }
    }
}

fn read(file: &std::path::Path) -> Result<Plan, std::io::Error> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}
