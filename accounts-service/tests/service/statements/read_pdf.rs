//! Reads statements back from PDF: the table of objects, every page's texts in the order of drawing, what they mean.

use std::collections::HashMap;

use hayro_syntax::Pdf;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::{Array, Dict, Stream};

use super::read::{Read, minor};

/// A text and where it begins, in points from the lower left corner.
#[derive(Clone, Debug)]
pub struct Text {
    pub left: f64,
    pub up: f64,
    pub text: String,
}

/// Every page's texts. A reader that mends broken files would not see it, so the table of objects is looked at first.
pub fn pages(bytes: &[u8]) -> Vec<Vec<Text>> {
    table(bytes);
    let pdf = Pdf::new(bytes.to_vec()).unwrap_or_else(|error| panic!("{error:?}"));
    let characters = characters(&pdf);
    pdf.pages()
        .iter()
        .map(|page| {
            assert_eq!(page.base_dimensions().0.round(), 595.0);
            let (mut texts, mut place) = (Vec::new(), (0.0, 0.0));
            let mut operations = page.typed_operations();
            while let Some(operation) = operations.next() {
                match operation {
                    TypedInstruction::NextLine(to) => place = (to.0.as_f64(), to.1.as_f64()),
                    TypedInstruction::ShowText(shown) => {
                        let glyphs = shown.0.as_bytes().chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                        let text = glyphs.map(|glyph| characters[&glyph]).collect();
                        texts.push(Text { left: place.0, up: place.1, text });
                    }
                    _ => {}
                }
            }
            texts
        })
        .collect()
}

/// Each offset of the cross-reference table is where that object begins.
fn table(bytes: &[u8]) {
    let find = |text: &str| bytes.windows(text.len()).rposition(|window| window == text.as_bytes()).unwrap();
    let start = String::from_utf8_lossy(&bytes[find("startxref")..]).lines().nth(1).unwrap().parse::<usize>().unwrap();
    let table = String::from_utf8_lossy(&bytes[start..]).into_owned();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("xref"));
    let size: usize = lines.next().unwrap().strip_prefix("0 ").unwrap().parse().unwrap();
    for (number, line) in lines.by_ref().take(size).enumerate() {
        let offset: usize = line[..10].parse().unwrap();
        if line.ends_with('n') {
            assert!(bytes[offset..].starts_with(format!("{number} 0 obj").as_bytes()), "object {number}");
        }
    }
    assert_eq!(lines.next(), Some("trailer"));
}

/// What each glyph of the font stands for, from its `ToUnicode`.
fn characters(pdf: &Pdf) -> HashMap<u16, char> {
    let page = &pdf.pages()[0];
    let font: Dict<'_> = page.resources().fonts.get("F").unwrap();
    let descendants: Array<'_> = font.get("DescendantFonts").unwrap();
    let descendant: Dict<'_> = descendants.iter().next().unwrap();
    let descriptor: Dict<'_> = descendant.get("FontDescriptor").unwrap();
    let file: Stream<'_> = descriptor.get("FontFile2").unwrap();
    assert!(ttf_parser::Face::parse(&file.decoded().unwrap(), 0).is_ok(), "the subset is a font");
    let unicode: Stream<'_> = font.get("ToUnicode").unwrap();
    let map = String::from_utf8(unicode.decoded().unwrap().into_owned()).unwrap();
    let pairs = map.lines().filter_map(|line| line.strip_prefix('<')?.strip_suffix('>')?.split_once("> <"));
    let pairs = pairs.filter(|(glyph, character)| glyph.len() == 4 && character.len() >= 4);
    pairs.map(|(glyph, text)| (u16::from_str_radix(glyph, 16).unwrap(), utf16(text))).collect()
}

fn utf16(hex: &str) -> char {
    let units =
        hex.as_bytes().chunks(4).map(|unit| u16::from_str_radix(std::str::from_utf8(unit).unwrap(), 16).unwrap());
    char::decode_utf16(units).next().unwrap().unwrap()
}

/// The numbers of a statement. A row's date is followed by its amount and balance; texts are not told apart here.
pub fn pdf(bytes: &[u8], exponent: usize) -> Read {
    let pages = pages(bytes);
    let texts: Vec<&str> = pages.iter().flatten().map(|text| text.text.as_str()).collect();
    let after = |name: &str| {
        let at = texts.iter().rposition(|text| *text == name).unwrap();
        minor(texts[at + 1], exponent)
    };
    let is_date =
        |text: &str| text.len() == 10 && text.chars().all(|c| c == '-' || c.is_ascii_digit()) && text.contains('-');
    let rows = pages.iter().flatten().enumerate().filter(|(_, text)| is_date(&text.text) && text.left < 50.0);
    let lines = rows.map(|(at, _)| (minor(texts[at + 1], exponent), Some(minor(texts[at + 2], exponent))));
    Read {
        opening: after("Opening balance"),
        closing: after("Closing balance"),
        lines: lines.collect(),
        texts: Vec::new(),
    }
}
