//! One page while it is written. All measures are whole hundredths of a point, from the upper left corner.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::TextRenderingMode;
use pdf_writer::{Content, Str};

use super::font::{Font, RESOURCE};

/// A4.
pub const WIDTH: i32 = 59_528;
pub const HEIGHT: i32 = 84_189;

const MARGIN: i32 = 4_500;
/// Where the lines end and the foot begins.
const BOTTOM: i32 = HEIGHT - 6_000;
const FOOT: i32 = HEIGHT - 3_600;

/// Between a row's last line and the rule below it.
pub const GAP: i32 = 450;

/// How something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub size: i32,
    /// From one line to the next.
    pub leading: i32,
    bold: bool,
    ink: Ink,
}

impl Style {
    pub const TITLE: Self = Self { size: 1_600, leading: 2_200, bold: true, ink: Ink::Black };
    pub const HEADING: Self = Self { size: 1_050, leading: 1_500, bold: false, ink: Ink::Black };
    pub const FACT: Self = Self { size: 850, leading: 1_250, bold: false, ink: Ink::Black };
    pub const TEXT: Self = Self { size: 800, leading: 1_080, bold: false, ink: Ink::Black };
    pub const STRONG: Self = Self { size: 800, leading: 1_250, bold: true, ink: Ink::Black };
    pub const SMALL: Self = Self { size: 650, leading: 880, bold: false, ink: Ink::Black };

    /// The same in grey.
    pub const fn faint(self) -> Self {
        Self { ink: Ink::Grey, ..self }
    }
}

/// Shades; statements are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Black,
    Grey,
    Pale,
}

impl Ink {
    const fn level(self) -> f32 {
        match self {
            Self::Black => 0.0,
            Self::Grey => 0.4,
            Self::Pale => 0.85,
        }
    }
}

/// Where something stands across the page.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    Date,
    Fact,
    Text,
    /// From margin to margin.
    Wide,
    Amount,
    Balance,
}

impl Column {
    const fn left(self) -> i32 {
        match self {
            Self::Date | Self::Wide => MARGIN,
            Self::Fact => MARGIN + 9_000,
            Self::Text => MARGIN + 6_600,
            Self::Amount => 33_500,
            Self::Balance => 44_400,
        }
    }

    const fn right(self) -> i32 {
        match self {
            Self::Date => Self::Text.left() - 300,
            Self::Text => Self::Amount.left() - 600,
            Self::Amount => Self::Balance.left() - 300,
            Self::Fact | Self::Wide | Self::Balance => WIDTH - MARGIN,
        }
    }

    pub const fn width(self) -> i32 {
        self.right() - self.left()
    }

    const fn is_of_numbers(self) -> bool {
        match self {
            Self::Amount | Self::Balance => true,
            Self::Date | Self::Fact | Self::Text | Self::Wide => false,
        }
    }
}

/// A page.
pub struct Page {
    content: Content,
    at: i32,
}

impl Page {
    pub fn new() -> Self {
        Self { content: Content::new(), at: MARGIN }
    }

    pub const fn has_room(&self, height: i32) -> bool {
        self.at + height <= BOTTOM
    }

    pub const fn skip(&mut self, height: i32) {
        self.at += height;
    }

    /// On to the next line.
    pub const fn down(&mut self, style: Style) {
        self.skip(style.leading);
    }

    /// Writes on this line: numbers end at their column's right edge.
    pub fn write(&mut self, font: &mut Font, column: Column, style: Style, text: &str) {
        let left = if column.is_of_numbers() { column.right() - measure(text, style, font) } else { column.left() };
        self.draw(font, (left, self.at), style, text);
    }

    /// A line across the page below what is written.
    pub fn rule(&mut self, ink: Ink) {
        self.skip(GAP);
        let y = points(HEIGHT - self.at);
        self.content.set_stroke_gray(ink.level()).set_line_width(0.5);
        self.content.move_to(points(MARGIN), y).line_to(points(WIDTH - MARGIN), y).stroke();
    }

    /// At the bottom, on the right.
    pub fn foot(&mut self, font: &mut Font, text: &str) {
        let style = Style::SMALL.faint();
        let left = WIDTH - MARGIN - measure(text, style, font);
        self.draw(font, (left, FOOT), style, text);
    }

    fn draw(&mut self, font: &mut Font, (left, down): (i32, i32), style: Style, text: &str) {
        let (shade, size) = (style.ink.level(), points(style.size));
        let glyphs = font.encode(text);
        self.content.begin_text().set_font(RESOURCE, size).set_fill_gray(shade);
        if style.bold {
            // There is one font; a hair around each glyph makes it a bold one.
            self.content.set_stroke_gray(shade).set_line_width(0.3);
            self.content.set_text_rendering_mode(TextRenderingMode::FillStroke);
        } else {
            self.content.set_text_rendering_mode(TextRenderingMode::Fill);
        }
        self.content.next_line(points(left), points(HEIGHT - down)).show(Str(&glyphs)).end_text();
    }

    /// What is drawn on it, compressed.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        deflated(self.content.finish().as_slice())
    }
}

/// How wide a text is.
pub fn measure(text: &str, style: Style, font: &mut Font) -> i32 {
    let width: i32 = text.chars().map(|character| font.width(character)).sum();
    width * style.size / 1_000
}

/// Points, as PDF takes them.
#[expect(clippy::float_arithmetic, reason = "places on paper, not money")]
pub fn points(hundredths: i32) -> f32 {
    hundredths as f32 / 100.0
}

/// As `FlateDecode` reads it.
pub fn deflated(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}
