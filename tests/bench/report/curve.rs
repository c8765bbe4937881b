//! A chart of a figure against the number of clients, one line a side, as SVG 1.1 that any browser shows.

use std::fmt::Write as _;

/// One side's points: number of clients and figure.
#[derive(Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Lines over a logarithmic axis of clients.
#[derive(Debug)]
pub struct Curve {
    pub title: &'static str,
    /// What stands on the upright axis, with its unit.
    pub unit: &'static str,
    /// Whether that axis is logarithmic, too.
    pub logarithmic: bool,
    pub lines: Vec<Line>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 90.0;
const TOP: f64 = 50.0;
/// Room for names right of the plot.
const NAMES: f64 = 190.0;
const COLOURS: [&str; 6] = ["#1565c0", "#c62828", "#2e7d32", "#ef6c00", "#6a1b9a", "#37474f"];

/// Charts below each other.
pub fn chart(curves: &[Curve]) -> String {
    let (width, height) = (LEFT + WIDTH + NAMES, TOP + (HEIGHT + 90.0) * curves.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, curve) in curves.iter().enumerate() {
        draw(&mut svg, curve, TOP + at as f64 * (HEIGHT + 90.0));
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, curve: &Curve, top: f64) {
    let points = || curve.lines.iter().flat_map(|line| &line.points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(1.0, f64::max);
    let (clients, highest) = (most(|point| point.0), most(|point| point.1));
    let lowest = points().map(|point| point.1).fold(highest, f64::min).max(1.0);
    let x = |value: f64| LEFT + WIDTH * value.max(1.0).log2() / clients.log2().max(1.0);
    let share = |value: f64| match curve.logarithmic {
        true => (value.max(lowest) / lowest).log2() / (highest / lowest).log2().max(1.0),
        false => value / highest,
    };
    let y = |value: f64| top + HEIGHT * (1.0 - share(value));
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>", top - 16.0, curve.title);
    let bottom = top + HEIGHT;
    let _ = writeln!(svg, "<path d=\"M{LEFT} {top} V{bottom} H{}\" fill=\"none\" stroke=\"black\"/>", LEFT + WIDTH);
    let marks: Vec<f64> = match curve.logarithmic {
        true => (0..5).map(|step| lowest * (highest / lowest).powf(f64::from(step) / 4.0)).collect(),
        false => (0..5).map(|step| highest * f64::from(step) / 4.0).collect(),
    };
    for mark in marks {
        let height = y(mark);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {height:.1} h{WIDTH}\" stroke=\"#ddd\"/>");
        let (at, under) = (LEFT - 6.0, height + 4.0);
        let _ = writeln!(svg, "<text x=\"{at}\" y=\"{under:.1}\" text-anchor=\"end\">{mark:.0}</text>");
    }
    let mut mark = 1.0;
    while mark <= clients {
        let at = x(mark);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}</text>", bottom + 16.0);
        mark *= 4.0;
    }
    let (middle, under) = (LEFT + WIDTH / 2.0, bottom + 34.0);
    let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{under}\" text-anchor=\"middle\">clients</text>");
    let (at, half) = (16.0, top + HEIGHT / 2.0);
    let _ = writeln!(
        svg,
        "<text x=\"{at}\" y=\"{half}\" transform=\"rotate(-90 {at} {half})\" text-anchor=\"middle\">{}</text>",
        curve.unit
    );
    for ((number, line), colour) in curve.lines.iter().enumerate().zip(COLOURS.into_iter().cycle()) {
        let path: Vec<_> = line.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        let (name, height) = (LEFT + WIDTH + 12.0, top + 16.0 * (number as f64 + 1.0));
        let _ = writeln!(svg, "<text x=\"{name}\" y=\"{height}\" fill=\"{colour}\">{}</text>", line.name);
    }
}
