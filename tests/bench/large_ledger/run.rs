//! One run of a program that ends by itself: how long it took, and the most that it kept resident.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::procfs::ProcessTree;

/// How often its memory is looked at: its peak is gone with it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of its output that a failure shows.
const LINES: usize = 15;

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// From its start to its end.
    pub took: Duration,
    /// The most that was resident (`VmHWM`), as of the last look.
    pub peak_kib: u64,
}

/// Runs `command` with its output in `folder/<name>.log`; it fails when the program ends otherwise than with 0.
pub async fn to_end(name: &str, command: Command, folder: &Path) -> Result<Ran, Failure> {
    let log = folder.join(format!("{name}.log"));
    let output = File::create(&log)?;
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let processes = ProcessTree::of(child.id().unwrap_or_default())?;
    let mut peak_kib = 0;
    let status = loop {
        tokio::select! {
            ended = child.wait() => break ended?,
            () = tokio::time::sleep(LOOK_EVERY) => {
                // A peak only rises, but the first look may find what becomes the program, and the last one nothing.
                peak_kib = Some(processes.peak_kib()).filter(|peak| *peak > 0).unwrap_or(peak_kib);
            }
        }
    };
    let took = begun.elapsed();
    if status.success() {
        return Ok(Ran { took, peak_kib });
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<_> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
    Err(Failure::said(format!("accounts-service {name} ended with {status}:\n{end}")))
}
