//! The table: printed, and written as Markdown, CSV and a chart under bench-results/.

mod chart;
mod curve;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

pub use self::curve::{Curve, Line};
use crate::failure::Failure;

/// Which way a target looks.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At most this much.
    Most(f64),
    /// At least this much.
    Least(f64),
    /// Shown for comparison.
    None,
}

/// One comparison.
#[derive(Debug)]
pub struct Row {
    pub what: String,
    pub ours: String,
    pub peer: String,
    /// What the target is about; `None` when it could not be measured.
    pub value: Option<f64>,
    /// How the value is shown: `x`, `us`, `MiB`.
    pub unit: &'static str,
    pub target: Target,
}

/// Figures behind the comparisons.
#[derive(Debug)]
pub struct Detail {
    pub title: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// Everything that a run found.
#[derive(Debug, Default)]
pub struct Report {
    pub rows: Vec<Row>,
    pub details: Vec<Detail>,
    /// Charts, by the name of their file.
    pub charts: Vec<(&'static str, Vec<Curve>)>,
    /// What was left out, and what the reader has to know.
    pub notes: Vec<String>,
}

const HEAD: [&str; 6] = ["what", "ours", "peer", "ratio", "target", "met"];

impl Row {
    fn cells(&self) -> Vec<String> {
        let shown = |value: f64| {
            if self.unit == "x" { format!("{value:.2} x") } else { format!("{value:.0} {}", self.unit) }
        };
        let (target, met) = match (self.target, self.value) {
            (Target::Most(most), value) => {
                (format!("at most {}", number(most, self.unit)), value.map(|value| value <= most))
            }
            (Target::Least(least), value) => {
                (format!("at least {}", number(least, self.unit)), value.map(|value| value >= least))
            }
            (Target::None, _) => (String::new(), None),
        };
        let met = match (self.target, met) {
            (Target::None, _) => "",
            (_, Some(true)) => "met",
            (_, Some(false)) => "NOT MET",
            (_, None) => "NOT MEASURED",
        };
        let value = self.value.map_or_else(|| "-".to_owned(), shown);
        vec![self.what.clone(), self.ours.clone(), self.peer.clone(), value, target, met.to_owned()]
    }
}

fn number(value: f64, unit: &str) -> String {
    format!("{value} {unit}")
}

impl Report {
    /// Remembers something that the reader must not miss, and says it at once.
    pub fn note(&mut self, text: String) {
        tests::say_error(format!("!! {text}"));
        self.notes.push(text);
    }

    /// As Markdown; aligned, so that it reads well on a terminal too.
    pub fn markdown(&self) -> String {
        let mut text = table(&HEAD, &self.rows.iter().map(Row::cells).collect::<Vec<_>>());
        for note in &self.notes {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n**{note}**");
        }
        for detail in &self.details {
            let _ = write!(text, "\n### {}\n\n{}", detail.title, table(&detail.head, &detail.rows));
        }
        text
    }

    /// Into `folder`, which is made.
    pub fn write(&self, folder: &Path, opening: &str) -> Result<(), Failure> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("bench.md"), format!("{opening}\n\n{}", self.markdown()))?;
        fs::write(folder.join("bench.svg"), chart::bars(&self.rows))?;
        for (name, curves) in &self.charts {
            fs::write(folder.join(name), curve::chart(curves))?;
        }
        let mut csv = line(&HEAD.map(str::to_owned));
        csv.extend(self.rows.iter().map(|row| line(&row.cells())));
        fs::write(folder.join("bench.csv"), csv)?;
        let mut csv = String::new();
        for detail in &self.details {
            csv += &line(std::slice::from_ref(&detail.title));
            csv += &line(&detail.head.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
            csv.extend(detail.rows.iter().map(|row| line(row)));
        }
        Ok(fs::write(folder.join("details.csv"), csv)?)
    }
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain(head.get(at).map(|name| name.len())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let row = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<_> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = row(&mut head.iter().copied());
    text += &format!("|{}|\n", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|"));
    text.extend(rows.iter().map(|cells| row(&mut cells.iter().map(String::as_str))));
    text
}

/// RFC 4180.
fn line(cells: &[String]) -> String {
    let quoted: Vec<_> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    quoted.join(",") + "\r\n"
}

/// The middle one; the mean of two in the middle would be a figure that nobody measured.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
