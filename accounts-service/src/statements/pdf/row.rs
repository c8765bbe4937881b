//! A line of a statement as lines of text that fit their column.

use shared::clock::from_micros;
use shared::domain::Currency;
use unicode_bidi::BidiInfo;

use super::font::Font;
use super::page::{Column, GAP, Style};
use crate::statements::amount::grouped;
use crate::statements::model::Line;

/// What stands in the columns.
pub struct Row {
    pub date: String,
    pub time: String,
    pub amount: String,
    pub balance: String,
    pub balance_after: i64,
    /// What it was, then what identifies it.
    pub lines: Vec<(Style, String)>,
}

impl Row {
    pub fn of(line: &Line, currency: Currency, font: &mut Font) -> Self {
        let at = from_micros(line.posted_at);
        let what = line.description.as_deref().unwrap_or(if line.amount < 0 { "Payment" } else { "Receipt" });
        let mut details = vec![format!("{} {}", if line.amount < 0 { "to" } else { "from" }, line.counterparty)];
        details.extend(line.external_ref.as_ref().map(|reference| format!("reference {reference}")));
        details.extend(line.reversal_of.map(|original| format!("reversal of {original}")));
        details.push(format!("entry {}, transfer {}", line.seq, line.transfer));
        let mut lines = set(what, Style::TEXT, font);
        for detail in details {
            lines.extend(set(&detail, Style::SMALL.faint(), font));
        }
        Self {
            date: at.date().to_string(),
            time: format!("{:02}:{:02}:{:02}.{:06}", at.hour(), at.minute(), at.second(), at.microsecond()),
            amount: grouped(line.amount, currency),
            balance: grouped(line.balance_after, currency),
            balance_after: line.balance_after,
            lines,
        }
    }

    /// How much of the page it takes.
    pub fn height(&self) -> i32 {
        self.lines.iter().map(|(style, _)| style.leading).sum::<i32>() + GAP
    }
}

fn set(text: &str, style: Style, font: &mut Font) -> Vec<(Style, String)> {
    wrap(text, Column::Text.width(), style, font).into_iter().map(|line| (style, line)).collect()
}

/// Breaks a text into lines no wider than `width`: between words, and within one that is wider by itself. There is always
/// at least one line.
pub fn wrap(text: &str, width: i32, style: Style, font: &mut Font) -> Vec<String> {
    let most = width * 1_000 / style.size;
    let mut lines = Vec::new();
    let (mut line, mut taken) = (String::new(), 0);
    for word in text.split_whitespace() {
        let (space, long) = (font.width(' '), word.chars().map(|it| font.width(it)).sum::<i32>());
        if !line.is_empty() {
            if taken + space + long <= most {
                line.push(' ');
                taken += space;
            } else {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
        }
        for character in word.chars() {
            let wide = font.width(character);
            if taken + wide > most && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
            line.push(character);
            taken += wide;
        }
    }
    lines.push(line);
    lines.into_iter().map(|line| in_order(&line)).collect()
}

/// From the order of reading to the order on paper (UAX #9). Arabic stays unjoined: joining takes a shaping engine.
fn in_order(line: &str) -> String {
    let bidi = BidiInfo::new(line, None);
    if !bidi.has_rtl() {
        return line.to_owned();
    }
    bidi.paragraphs.iter().map(|paragraph| bidi.reorder_line(paragraph, paragraph.range.clone())).collect()
}
