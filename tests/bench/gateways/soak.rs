//! The gateway for a while under requests that differ in whatever it could remember: callers, paths, ids, failures. Its
//! memory must not grow with their number.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use shared::clock::Clock;
use tests::backends::free_port;

use super::{CONNECTIONS, Setup, mebibytes, start_upstream, tollgate};
use crate::Scale;
use crate::failure::Failure;
use crate::load::{self, Load, Requests};
use crate::report::{Report, Row, Target};
use crate::server::Server;
use crate::token::issue;

/// The parts that the time is cut into; memory is taken after each.
const PARTS: usize = 10;

/// Parts until whatever is bounded has filled up.
const FILLING: usize = 3;

/// Rounds of the comparison that the whole takes.
const ROUNDS: u32 = 15;

/// Client addresses, each with a counter of its own.
const ADDRESSES: u64 = 1 << 16;

/// No two of its requests are the same.
#[derive(Debug, Default)]
struct Varied {
    sent: Cell<u64>,
    token: String,
}

impl Requests for Varied {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        let n = self.sent.get();
        self.sent.set(n + 1);
        let address = n.wrapping_mul(2_654_435_761) % ADDRESSES;
        let (high, low) = (address >> 8, address & 0xff);
        let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
        let (path, authorization) = match n % 4 {
            0 => ("items", bearer(&self.token)),
            1 => ("open", String::new()),
            2 => ("nothing", String::new()),
            // A token that is none, and another one each time.
            _ => ("items", bearer(&format!("eyJhbGciOiJub25lIn0.e30.{n:x}"))),
        };
        buffer.extend_from_slice(
            format!(
                "GET /api/v1/{path}/{n:x}?page={n} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 10.1.{high}.{low}\r\n\
                 x-request-id: soak-{n}\r\n{authorization}\r\n"
            )
            .as_bytes(),
        );
    }

    fn is_good(&self, status: u16) -> bool {
        matches!(status, 200 | 401 | 404)
    }
}

/// Runs it, and adds its row.
pub async fn soak(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let issued = issue(&Clock::system())?;
    let requests = Rc::new(Varied { sent: Cell::new(0), token: issued.token.clone() });
    let setup = Setup { folder, upstream: free_port()?, issued, secret: secret.to_owned() };
    let _upstream = start_upstream(&setup).await?;
    let gateway = tollgate::behind(&setup, r#"["127.0.0.1"]"#).await?;
    let mut sizes = Vec::new();
    for _ in 0..PARTS {
        let load = Load::closed(CONNECTIONS, scale.round * ROUNDS / PARTS as u32);
        let ran = load::run(&gateway.address(), requests.clone(), load).await;
        ran.map_err(|failure| gateway.failed(&failure.to_string()))?;
        sizes.push(resident(&gateway)?);
    }
    let (filled, end) = (sizes[FILLING - 1], sizes[PARTS - 1]);
    report.rows.push(Row {
        what: format!(
            "gateway, memory after {} requests that all differ, against after the first {FILLING} tenths",
            requests.sent.get()
        ),
        ours: format!("{} MiB", mebibytes(end)),
        peer: format!("{} MiB", mebibytes(filled)),
        value: Some(end as f64 / filled as f64),
        unit: "x",
        target: Target::Most(1.05),
    });
    Ok(())
}

fn resident(server: &Server) -> Result<u64, Failure> {
    Ok(server.processes()?.memory_kib().0)
}
