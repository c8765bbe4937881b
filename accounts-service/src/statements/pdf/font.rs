//! DejaVu Sans (its licence stands beside it), cut down to the glyphs that a document has.

use std::collections::HashMap;
use std::io;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Chunk, Filter, Name, Rect, Ref, Str};
use subsetter::GlyphRemapper;
use ttf_parser::Face;

use super::page::deflated;

const DATA: &[u8] = include_bytes!("DejaVuSans.ttf");

/// What the subset is called; six letters and a plus sign say that it is one (ISO 32000-1, section 9.6.4).
const NAME: Name<'static> = Name(b"TOLLGT+DejaVuSans");

/// What pages call it.
pub const RESOURCE: Name<'static> = Name(b"F");

const IDENTITY: SystemInfo<'static> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// Widths and heights are in thousandths of the font's size.
const EM: i32 = 1_000;

/// The objects that a font is made of.
pub struct FontRefs {
    pub font: Ref,
    pub descendant: Ref,
    pub descriptor: Ref,
    pub file: Ref,
    pub unicode: Ref,
}

#[derive(Clone, Copy)]
struct Glyph {
    /// Its number in the subset.
    id: u16,
    width: i32,
}

/// The font, and what has been written in it.
pub struct Font {
    face: Face<'static>,
    subset: GlyphRemapper,
    /// Only characters that the font has: no text makes this larger than the font.
    glyphs: HashMap<char, Glyph>,
    /// By number in the subset: what it stands for, and how wide it is.
    used: Vec<(char, i32)>,
    missing: Glyph,
    lacked: bool,
}

impl Font {
    pub fn load() -> io::Result<Self> {
        let face = Face::parse(DATA, 0).map_err(io::Error::other)?;
        let missing = Glyph { id: 0, width: width(&face, ttf_parser::GlyphId(0)) };
        Ok(Self {
            face,
            subset: GlyphRemapper::new(),
            glyphs: HashMap::new(),
            used: vec![(char::REPLACEMENT_CHARACTER, missing.width)],
            missing,
            lacked: false,
        })
    }

    /// How wide a character is.
    pub fn width(&mut self, character: char) -> i32 {
        if is_silent(character) { 0 } else { self.glyph(character).width }
    }

    /// A text as the subset's glyphs, two bytes each.
    pub fn encode(&mut self, text: &str) -> Vec<u8> {
        let drawn: Vec<_> = text.chars().filter(|character| !is_silent(*character)).collect();
        drawn.into_iter().flat_map(|character| self.glyph(character).id.to_be_bytes()).collect()
    }

    /// Whether any text had a character that the font lacks.
    pub const fn lacked(&self) -> bool {
        self.lacked
    }

    fn glyph(&mut self, character: char) -> Glyph {
        if let Some(known) = self.glyphs.get(&character) {
            return *known;
        }
        let Some(original) = self.face.glyph_index(character) else {
            self.lacked = true;
            return self.missing;
        };
        let glyph = Glyph { id: self.subset.remap(original.0), width: width(&self.face, original) };
        // Several characters may share a glyph, which then reads as the first of them.
        if usize::from(glyph.id) == self.used.len() {
            self.used.push((character, glyph.width));
        }
        self.glyphs.insert(character, glyph);
        glyph
    }

    /// Hands out each object of the font.
    pub fn write(&self, refs: &FontRefs, mut put: impl FnMut(Ref, &Chunk)) -> io::Result<()> {
        let mut object = |id: Ref, write: &dyn Fn(&mut Chunk)| {
            let mut chunk = Chunk::new();
            write(&mut chunk);
            put(id, &chunk);
        };
        object(refs.font, &|chunk| {
            let mut font = chunk.type0_font(refs.font);
            font.base_font(NAME).encoding_predefined(Name(b"Identity-H"));
            font.descendant_font(refs.descendant).to_unicode(refs.unicode);
        });
        object(refs.descendant, &|chunk| {
            let mut font = chunk.cid_font(refs.descendant);
            font.subtype(CidFontType::Type2).base_font(NAME).system_info(IDENTITY);
            font.font_descriptor(refs.descriptor).cid_to_gid_map_predefined(Name(b"Identity"));
            font.widths().consecutive(0, self.used.iter().map(|(_, width)| real(*width)));
        });
        object(refs.descriptor, &|chunk| self.describe(refs, chunk));
        let mut unicode = UnicodeCmap::new(Name(b"Tollgate"), IDENTITY);
        for (id, (character, _)) in (0_u16..).zip(&self.used) {
            unicode.pair(id, *character);
        }
        let unicode = deflated(unicode.finish().as_slice())?;
        object(refs.unicode, &|chunk| _ = chunk.cmap(refs.unicode, &unicode).filter(Filter::FlateDecode));
        let subset = subsetter::subset(DATA, 0, &self.subset).map_err(|error| io::Error::other(error.to_string()))?;
        let (length, subset) = (i32::try_from(subset.len()).unwrap_or(i32::MAX), deflated(&subset)?);
        object(refs.file, &|chunk| {
            let mut file = chunk.stream(refs.file, &subset);
            file.filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
        });
        Ok(())
    }

    fn describe(&self, refs: &FontRefs, chunk: &mut Chunk) {
        let scaled = |units: i16| real(scale(&self.face, units.into()));
        let bounds = self.face.global_bounding_box();
        let mut descriptor = chunk.font_descriptor(refs.descriptor);
        descriptor.name(NAME).flags(FontFlags::SYMBOLIC).italic_angle(real(0)).stem_v(real(80));
        descriptor.bbox(Rect::new(
            scaled(bounds.x_min),
            scaled(bounds.y_min),
            scaled(bounds.x_max),
            scaled(bounds.y_max),
        ));
        descriptor.ascent(scaled(self.face.ascender())).descent(scaled(self.face.descender()));
        descriptor.cap_height(scaled(self.face.capital_height().unwrap_or_default())).font_file2(refs.file);
    }
}

fn width(face: &Face<'_>, glyph: ttf_parser::GlyphId) -> i32 {
    scale(face, face.glyph_hor_advance(glyph).unwrap_or_default().into())
}

/// From the font's units to thousandths.
fn scale(face: &Face<'_>, units: i32) -> i32 {
    units * EM / i32::from(face.units_per_em())
}

/// As PDF takes numbers: these are whole and small, so nothing is lost.
fn real(number: i32) -> f32 {
    f32::from(i16::try_from(number).unwrap_or(i16::MAX))
}

/// What has no shape of its own: joiners, marks of direction (which also could make a line read as another), selectors.
const fn is_silent(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{E0000}'..='\u{E01EF}'
    )
}
