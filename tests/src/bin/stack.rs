//! What `make run` starts: the whole system in one process, on embedded stores unless the environment says otherwise.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A second provider is refused; ours is the first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    match tests::stack::launch().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tests::say_error(error);
            ExitCode::FAILURE
        }
    }
}
