//! A statement's body: written page by page as fast as it is read, and cut off rather than ended where it fails.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use sea_orm::DbErr;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::{JoinError, spawn_blocking};
use tracing::Instrument;

use super::desk::Place;
use super::metrics::Ended;
use super::model::{Format, Line, Statement};
use super::writer::{Unfit, Writer};
use crate::app::App;
use crate::history::{self, Window};

/// Lines that are read at once, each time anew: no transaction stays open while a client reads.
const PAGE: u32 = 1_000;

/// Pages that wait for their reader, beside the one that is being written.
const AHEAD: usize = 1;

/// Why a statement was not ended. It ends the connection, so that what was sent cannot be taken for a whole statement.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// A page could not be read.
    #[error("a page of a statement could not be read: {0}")]
    Database(#[from] DbErr),
    /// The lines do not add up, or their form could not be written.
    #[error("a statement was not ended: {0}")]
    Unfit(#[from] Unfit),
    /// Whoever was writing is gone.
    #[error("the writer of a statement ended: {0}")]
    Ended(#[from] JoinError),
    /// The reader went away.
    #[error("the reader of a statement left")]
    Left,
    /// It took too long.
    #[error("a statement was not read in time")]
    Late,
}

/// What is sent from the writer to the body. Without its end, a body is cut.
enum Piece {
    Bytes(Bytes),
    End,
}

/// What has to be written, and by whom it is wanted.
pub(super) struct Order {
    pub window: Window,
    pub statement: Statement,
    pub format: Format,
    pub place: Place,
}

/// The body. Nothing is written before it is polled.
pub(super) fn body(app: web::Data<App>, order: Order) -> impl Stream<Item = Result<Bytes, Cut>> {
    stream::once(async move {
        let (send, receive) = mpsc::channel(AHEAD);
        tokio::spawn(produce(app, order, send).in_current_span());
        stream::unfold(Some(receive), async |receive| {
            let mut receive = receive?;
            match receive.recv().await {
                Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receive))),
                Some(Piece::End) => None,
                None => Some((Err(Cut::Left), None)),
            }
        })
    })
    .flatten()
}

async fn produce(app: web::Data<App>, order: Order, send: Sender<Piece>) {
    let (format, account) = (order.format, order.statement.account);
    let written = tokio::time::timeout(app.statements.patience(), write(&app, order, &send)).await;
    let ended = match written.unwrap_or(Err(Cut::Late)) {
        Ok(()) => Ended::Whole,
        Err(Cut::Left) => Ended::Left,
        Err(cut @ Cut::Late) => {
            tracing::warn!(%account, "{cut}");
            Ended::Late
        }
        Err(cut @ (Cut::Database(_) | Cut::Unfit(_) | Cut::Ended(_))) => {
            tracing::error!(%account, "{cut}");
            Ended::Broken
        }
    };
    app.statements.metrics.count(format, ended);
}

async fn write(app: &App, order: Order, send: &Sender<Piece>) -> Result<(), Cut> {
    let Order { window, statement, format, place: _place } = order;
    let hand_over = |piece| hand_over(send, piece, app.statements.page_patience());
    let mut writer = Writer::new(Arc::new(statement), format)?;
    let piece = writer.open()?;
    hand_over(Piece::Bytes(piece)).await?;
    while writer.written() < window.last {
        let lines = window.lines(&app.db, writer.written(), PAGE).await?;
        if lines.is_empty() {
            // Closing says what is missing.
            break;
        }
        // A page takes milliseconds to write, for which the worker's other requests need not wait.
        let piece;
        (writer, piece) = spawn_blocking(move || {
            let lines: Vec<_> = lines.into_iter().map(Line::from).collect();
            let piece = writer.lines(&lines);
            (writer, piece)
        })
        .await?;
        hand_over(Piece::Bytes(piece?)).await?;
    }
    let piece = spawn_blocking(move || writer.close()).await??;
    hand_over(Piece::Bytes(piece)).await?;
    hand_over(Piece::End).await
}

async fn hand_over(send: &Sender<Piece>, piece: Piece, patience: Duration) -> Result<(), Cut> {
    let sent = tokio::time::timeout(patience, send.send(piece)).await;
    sent.map_err(|_| Cut::Late)?.map_err(|_| Cut::Left)
}

impl From<history::Line> for Line {
    fn from(line: history::Line) -> Self {
        Self {
            seq: line.seq,
            transfer: line.transfer_id.into(),
            amount: line.amount,
            balance_after: line.balance_after,
            posted_at: line.posted_at,
            counterparty: line.counterparty_id.into(),
            description: line.description,
            external_ref: line.external_ref,
            reversal_of: line.reversal_of.map(Into::into),
        }
    }
}
