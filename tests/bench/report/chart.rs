//! A chart of a run: how far each figure is from its target, as SVG 1.1 that any browser shows.

use std::fmt::Write as _;

use super::{Row, Target};

const LINE: usize = 26;
const TOP: usize = 40;
const TEXT: usize = 640;
/// The width of what is exactly at its target.
const UNIT: f64 = 160.0;
/// Longer bars are cut here; the figure beside them says how long they are.
const LONGEST: f64 = 2.5;

/// One bar for each row that has a target and was measured. To the left of the line is better where less is better, and
/// for the other rows the bar is turned over (target divided by figure), so that short is always good.
pub fn bars(rows: &[Row]) -> String {
    let bars: Vec<(&str, f64, String)> = rows.iter().filter_map(bar).collect();
    let (width, height) = (TEXT + (UNIT * LONGEST) as usize + 120, TOP + LINE * bars.len() + 20);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-weight=\"bold\">Against the target (the line): shorter is better</text>\n"
    );
    // Writing to a String cannot fail.
    for (at, (what, length, shown)) in bars.iter().enumerate() {
        let (y, long) = (TOP + at * LINE, length.min(LONGEST) * UNIT);
        let colour = if *length <= 1.0 { "#2e7d32" } else { "#c62828" };
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", TEXT - 10, y + 13, escaped(what));
        let _ = writeln!(svg, "<rect x=\"{TEXT}\" y=\"{y}\" width=\"{long:.1}\" height=\"16\" fill=\"{colour}\"/>");
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{}</text>", TEXT as f64 + long + 6.0, y + 13, escaped(shown));
    }
    let line = TEXT as f64 + UNIT;
    let _ = writeln!(svg, "<path d=\"M{line} {} V{}\" stroke=\"black\"/>\n</svg>", TOP - 8, height - 12);
    svg
}

fn bar(row: &Row) -> Option<(&str, f64, String)> {
    let value = row.value?;
    let length = match row.target {
        Target::Most(most) => value / most,
        Target::Least(least) => least / value,
        Target::None => return None,
    };
    Some((&row.what, length, format!("{value:.2} {}", row.unit)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
