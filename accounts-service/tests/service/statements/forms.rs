//! The forms by themselves: made-up statements are written in pieces and read back.

use std::sync::Arc;

use accounts_service::statements::{Format, Line, Statement, Unfit, Writer};
use proptest::prelude::*;
use shared::clock;
use shared::domain::Currency;
use uuid::Uuid;

use super::read::{self, Read};
use super::{read_pdf, schema};

const FROM: i64 = 1_793_491_200_000_000;
const MINUTE: i64 = 60_000_000;

fn statement(currency: &str, opening: i64, amounts: &[i64]) -> (Arc<Statement>, Vec<Line>) {
    let after = 41;
    let mut balance = opening;
    let lines: Vec<_> = (1_i64..)
        .zip(amounts)
        .map(|(n, amount)| {
            balance += amount;
            Line {
                seq: after + n,
                transfer: Uuid::from_u128(0x0193_6f70 << 96 | n as u128).into(),
                amount: *amount,
                balance_after: balance,
                posted_at: FROM + n * MINUTE,
                counterparty: Uuid::from_u128(0x0193_6f6e << 96 | 7).into(),
                description: None,
                external_ref: None,
                reversal_of: None,
            }
        })
        .collect();
    let statement = Statement {
        account: Uuid::from_u128(0x0193_6f6e_7d6a_7c3e_8a3f_3b1f_0c9d_2e11).into(),
        name: "Everyday <&> Łódź".to_owned(),
        currency: currency.parse().unwrap(),
        from: FROM,
        to: FROM + (amounts.len() as i64 + 1) * MINUTE,
        after,
        last: after + amounts.len() as i64,
        opening,
        closing: balance,
    };
    (Arc::new(statement), lines)
}

fn write(statement: &Arc<Statement>, lines: &[Line], format: Format, page: usize) -> Result<Vec<u8>, Unfit> {
    let mut writer = Writer::new(Arc::clone(statement), format)?;
    let mut whole = writer.open()?.to_vec();
    for page in lines.chunks(page) {
        whole.extend_from_slice(&writer.lines(page)?);
    }
    whole.extend_from_slice(&writer.close()?);
    Ok(whole)
}

pub fn read_back(bytes: &[u8], format: Format, currency: Currency) -> Read {
    let exponent = currency.exponent().into();
    match format {
        Format::Json => read::json(bytes),
        Format::Csv => read::csv(bytes, exponent),
        Format::Camt053 => {
            let document = read::xml(bytes);
            schema::check(&document);
            read::camt(&document, exponent)
        }
        Format::Pdf => read_pdf::pdf(bytes, exponent),
    }
}

pub const FORMATS: [Format; 4] = [Format::Json, Format::Csv, Format::Camt053, Format::Pdf];

fn reads_back(statement: &Arc<Statement>, lines: &[Line], page: usize) {
    for format in FORMATS {
        let written = write(statement, lines, format, page).unwrap();
        let read = read_back(&written, format, statement.currency);
        assert_eq!((read.opening, read.closing), (statement.opening, statement.closing), "{format:?}");
        assert!(read.adds_up(), "{format:?}");
        assert_eq!(read.lines.len(), lines.len(), "{format:?}");
        for (line, (amount, balance)) in lines.iter().zip(&read.lines) {
            assert_eq!(line.amount, *amount, "{format:?}");
            assert!(balance.is_none_or(|balance| balance == line.balance_after), "{format:?}");
        }
        // However the lines came, the bytes are the same.
        assert_eq!(written, write(statement, lines, format, lines.len().max(1)).unwrap(), "{format:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn opening_and_entries_make_closing_in_every_form(
        opening in -1_000_000_000_000_i64..1_000_000_000_000,
        amounts in proptest::collection::vec((-9_999_999_i64..9_999_999).prop_filter("no amount is 0", |it| *it != 0), 0..120),
        page in 1_usize..50,
        currency in proptest::sample::select(vec!["USD", "JPY", "KWD"]),
    ) {
        let (statement, lines) = statement(currency, opening, &amounts);
        reads_back(&statement, &lines, page);
    }
}

#[test]
fn the_largest_amounts_are_exact_in_every_form() {
    const MOST: i64 = 9_007_199_254_740_991;
    for currency in ["USD", "JPY", "KWD"] {
        let (statement, lines) = statement(currency, 0, &[MOST, -MOST, -MOST, MOST, -1]);
        reads_back(&statement, &lines, 2);
    }
}

#[test]
fn an_empty_time_is_a_statement_too() {
    let (statement, lines) = statement("USD", -1_050, &[]);
    reads_back(&statement, &lines, 1);
}

#[test]
fn texts_come_back_whole_and_harmless() {
    let (statement, mut lines) = statement("USD", 0, &[100, -40, 7]);
    let long = "Überweisung “Miete” <b>&amp; ]]> \u{FFFF}日本語 ".repeat(12).trim_end().to_owned();
    lines[0].description = Some(long.clone());
    lines[0].external_ref = Some("r".repeat(128));
    lines[1].description = Some("=HYPERLINK(\"http://x\"), \"a\"".to_owned());
    lines[1].external_ref = Some("-2".to_owned());
    lines[2].reversal_of = Some(lines[1].transfer);
    let back = |format| read_back(&write(&statement, &lines, format, 1).unwrap(), format, statement.currency).texts;
    assert_eq!(back(Format::Json)[0], (Some(long.clone()), Some("r".repeat(128))));
    assert_eq!(back(Format::Csv)[0], (Some(long.clone()), Some("r".repeat(128))));
    // What XML cannot hold is left out.
    assert_eq!(back(Format::Camt053)[0], (Some(long.replace('\u{FFFF}', "")), Some("r".repeat(128))));
    let guarded = (Some("'=HYPERLINK(\"http://x\"), \"a\"".to_owned()), Some("'-2".to_owned()));
    assert_eq!(back(Format::Csv)[1], guarded);
    let camt = read::xml(&write(&statement, &lines, Format::Camt053, 9).unwrap());
    let entries: Vec<_> = camt.at("BkToCstmrStmt/Stmt").unwrap().all("Ntry").collect();
    assert_eq!(entries[2].text_at("RvslInd"), Some("true"));
    assert_eq!(entries[0].text_at("NtryDtls/TxDtls/Refs/EndToEndId"), Some(&*"r".repeat(35)));
    assert_eq!(entries[1].text_at("NtryDtls/TxDtls/RltdPties/CdtrAcct/Id/Othr/Id").unwrap().len(), 32);
}

#[test]
fn a_page_of_paper_holds_what_stands_on_it() {
    let (statement, mut lines) = statement("USD", 5, &[1_234_567; 200]);
    for (n, line) in lines.iter_mut().enumerate() {
        line.description = Some(["W".repeat(500), "Rent ".repeat(99), "漢".repeat(500)][n % 3].clone());
        line.external_ref = Some("⸻".repeat(128));
    }
    let pages = read_pdf::pages(&write(&statement, &lines, Format::Pdf, 7).unwrap());
    assert!(pages.len() > 50, "{}", pages.len());
    for (n, page) in pages.iter().enumerate() {
        assert!(page.iter().any(|text| text.text == format!("Page {}", n + 1)));
        for text in page {
            assert!((40.0..560.0).contains(&text.left) && (30.0..805.0).contains(&text.up), "{text:?}");
        }
        assert_eq!(page.iter().any(|text| text.text == "Brought forward"), n > 0);
    }
    let last: String = pages.last().unwrap().iter().map(|text| text.text.as_str()).collect();
    assert!(last.contains("A box stands for a character"), "{last}");
}

#[test]
fn a_ledger_that_does_not_add_up_makes_no_statement() {
    for format in FORMATS {
        let (of, lines) = statement("USD", 0, &[5, 6, 7]);
        let broken = |change: &dyn Fn(&mut Vec<Line>)| {
            let mut lines = lines.clone();
            change(&mut lines);
            write(&of, &lines, format, 10).unwrap_err()
        };
        assert!(matches!(broken(&|lines| drop(lines.remove(1))), Unfit::Gap { wanted: 43, found: 44 }));
        assert!(matches!(broken(&|lines| lines[1].amount = 60), Unfit::Balance(43)));
        assert!(matches!(broken(&|lines| drop(lines.pop())), Unfit::Closing(43)));
        assert!(matches!(broken(&|lines| lines.swap(0, 1)), Unfit::Gap { .. }));
    }
}

#[test]
fn the_same_statement_has_the_same_name_and_another_has_another() {
    let (first, _) = statement("USD", 0, &[5]);
    let digest = first.digest(Format::Csv);
    assert_eq!(digest, first.digest(Format::Csv));
    assert_ne!(digest, first.digest(Format::Pdf));
    let mut other = (*first).clone();
    other.to += 1;
    assert_ne!(digest, other.digest(Format::Csv));
    assert!(clock::rfc3339(clock::from_micros(FROM)).starts_with("2026-11-01T00:00:00"));
}
