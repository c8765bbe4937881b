//! A statement as PDF, for people: A4, page by page as the lines come.

mod file;
mod font;
mod page;
mod row;

use std::io;
use std::sync::Arc;

use shared::clock::{from_micros, rfc3339};

use self::file::File;
use self::font::Font;
use self::page::{Column, Ink, Page, Style};
use self::row::{Row, wrap};
use super::amount::grouped;
use super::model::{Format, Line, Statement};
use super::writer::Form;

/// Said where a text has characters that DejaVu Sans lacks.
const BOXES: &str = "A box stands for a character that this document's font does not have.";

/// The form. It keeps one page, the glyphs that were used, and 8 bytes for each object of the file.
pub struct Pdf {
    statement: Arc<Statement>,
    file: File,
    font: Font,
    page: Page,
    pages: u32,
    balance: i64,
    received: Total,
    paid: Total,
}

/// A sum for the end. Sums of a long life may be larger than any balance.
#[derive(Default)]
struct Total {
    lines: u64,
    amount: i128,
}

impl Total {
    fn add(&mut self, amount: i64) {
        self.lines += 1;
        self.amount += i128::from(amount);
    }
}

impl Pdf {
    pub fn new(statement: Arc<Statement>) -> io::Result<Self> {
        let balance = statement.opening;
        let (file, font) = (File::new(), Font::load()?);
        Ok(Self {
            statement,
            file,
            font,
            page: Page::new(),
            pages: 1,
            balance,
            received: Total::default(),
            paid: Total::default(),
        })
    }

    /// Who, what and when, on the first page only.
    fn title(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let statement = Arc::clone(&self.statement);
        self.say("Account statement", Style::TITLE, out)?;
        for line in wrap(&statement.name, Column::Wide.width(), Style::HEADING, &mut self.font) {
            self.say(&line, Style::HEADING, out)?;
        }
        self.page.skip(600);
        let (from, to) = (instant(statement.from), instant(statement.to));
        let facts = [
            ("Account", statement.account.to_string()),
            ("Currency", statement.currency.code().to_owned()),
            ("From", from),
            ("To (not included)", to),
            ("Entries", statement.lines().to_string()),
            ("Opening balance", grouped(statement.opening, statement.currency)),
            ("Closing balance", grouped(statement.closing, statement.currency)),
        ];
        for (name, value) in facts {
            self.page.down(Style::FACT);
            self.page.write(&mut self.font, Column::Date, Style::FACT.faint(), name);
            self.page.write(&mut self.font, Column::Fact, Style::FACT, &value);
        }
        self.page.skip(1_200);
        Ok(())
    }

    fn columns(&mut self) {
        self.page.down(Style::SMALL);
        for (column, name) in [
            (Column::Date, "Date (UTC)"),
            (Column::Text, "Description"),
            (Column::Amount, "Amount"),
            (Column::Balance, "Balance"),
        ] {
            self.page.write(&mut self.font, column, Style::SMALL.faint(), name);
        }
        self.page.rule(Ink::Black);
    }

    /// A row of a balance between two rules.
    fn total(&mut self, name: &str, balance: i64, out: &mut Vec<u8>) -> io::Result<()> {
        self.room(Style::STRONG.leading + page::GAP, out)?;
        self.page.down(Style::STRONG);
        self.page.write(&mut self.font, Column::Text, Style::STRONG, name);
        let balance = grouped(balance, self.statement.currency);
        self.page.write(&mut self.font, Column::Balance, Style::STRONG, &balance);
        self.page.rule(Ink::Black);
        Ok(())
    }

    /// What came and what went, for whoever checks by hand.
    fn sums(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let currency = self.statement.currency;
        let sums = [("Received", &self.received), ("Paid", &self.paid)];
        let sums = sums.map(|(name, sum)| {
            // Beyond 64 bits nobody checks by hand; the balances stand above either way.
            let amount =
                i64::try_from(sum.amount).map_or_else(|_| "more than fits".to_owned(), |it| grouped(it, currency));
            (format!("{name} ({})", sum.lines), amount)
        });
        for (name, amount) in sums {
            self.room(Style::FACT.leading, out)?;
            self.page.down(Style::FACT);
            self.page.write(&mut self.font, Column::Text, Style::FACT.faint(), &name);
            self.page.write(&mut self.font, Column::Amount, Style::FACT, &amount);
        }
        Ok(())
    }

    fn say(&mut self, text: &str, style: Style, out: &mut Vec<u8>) -> io::Result<()> {
        self.room(style.leading, out)?;
        self.page.down(style);
        self.page.write(&mut self.font, Column::Date, style, text);
        Ok(())
    }

    /// Goes to a new page when so much does not fit on this one.
    fn room(&mut self, height: i32, out: &mut Vec<u8>) -> io::Result<()> {
        if self.page.has_room(height) {
            return Ok(());
        }
        self.turn(out)?;
        self.say(&format!("Account statement {}", self.statement.account), Style::SMALL.faint(), out)?;
        self.page.skip(600);
        self.columns();
        self.total("Brought forward", self.balance, out)
    }

    /// Writes this page and begins another.
    fn turn(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.page.foot(&mut self.font, &format!("Page {}", self.pages));
        let page = std::mem::replace(&mut self.page, Page::new());
        self.pages += 1;
        self.file.page(&page.finish()?, out);
        Ok(())
    }

    fn row(&mut self, row: &Row, out: &mut Vec<u8>) -> io::Result<()> {
        // A row is not torn: the longest texts in the widest glyphs take two thirds of a page.
        self.room(row.height(), out)?;
        let [date, amount, balance] = [&row.date, &row.amount, &row.balance];
        for (at, (style, text)) in row.lines.iter().enumerate() {
            self.page.down(*style);
            self.page.write(&mut self.font, Column::Text, *style, text);
            if at == 0 {
                self.page.write(&mut self.font, Column::Date, Style::TEXT, date);
                self.page.write(&mut self.font, Column::Amount, Style::TEXT, amount);
                self.page.write(&mut self.font, Column::Balance, Style::TEXT, balance);
                self.balance = row.balance_after;
            } else if at == 1 {
                self.page.write(&mut self.font, Column::Date, Style::SMALL.faint(), &row.time);
            }
        }
        self.page.rule(Ink::Pale);
        Ok(())
    }
}

impl Form for Pdf {
    fn open(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.file.begin(out);
        self.title(out)?;
        self.columns();
        self.total("Opening balance", self.statement.opening, out)
    }

    fn line(&mut self, line: &Line, out: &mut Vec<u8>) -> io::Result<()> {
        let row = Row::of(line, self.statement.currency, &mut self.font);
        self.row(&row, out)?;
        let sum = if line.amount < 0 { &mut self.paid } else { &mut self.received };
        sum.add(line.amount);
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.total("Closing balance", self.statement.closing, out)?;
        self.sums(out)?;
        if self.font.lacked() {
            self.page.skip(600);
            self.say(BOXES, Style::SMALL.faint(), out)?;
        }
        self.turn(out)?;
        let title = format!("Account statement {}", self.statement.account);
        let made = from_micros(self.statement.to);
        self.file.end(&self.font, (&title, made), self.statement.digest(Format::Pdf), out)
    }
}

fn instant(micros: i64) -> String {
    rfc3339(from_micros(micros))
}
