//! The file around the pages (ISO 32000-1, section 7.5): objects as they come, and at the end where each begins.

use std::io;

use pdf_writer::writers::{Catalog, DocumentInfo};
use pdf_writer::{Chunk, Date, Filter, Rect, Ref, TextStr};
use time::OffsetDateTime;
use uuid::Uuid;

use super::font::{Font, FontRefs, RESOURCE};
use super::page::{HEIGHT, WIDTH, points};

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const INFO: Ref = Ref::new(3);
const FONT: FontRefs = FontRefs {
    font: Ref::new(4),
    descendant: Ref::new(5),
    descriptor: Ref::new(6),
    file: Ref::new(7),
    unicode: Ref::new(8),
};
/// The first number that is not spoken for.
const FIRST_FREE: i32 = 9;

/// Pages under one node of the tree, so that a viewer finds a page of a long statement without reading all of them.
const BRANCH: usize = 64;

/// The largest offset that a cross-reference table can hold: ten digits.
const LARGEST: u64 = 9_999_999_999;

/// What has been written.
pub struct File {
    written: u64,
    /// Where each object begins, by its number less one; 0 for one that is still to come.
    offsets: Vec<u64>,
    /// Finished nodes, each with how many pages are under it.
    branches: Vec<(Ref, usize)>,
    /// The node that pages are put under now.
    branch: Ref,
    leaves: Vec<Ref>,
}

impl File {
    pub fn new() -> Self {
        let mut offsets = vec![0; usize::try_from(FIRST_FREE).unwrap_or_default() - 1];
        let branch = next(&mut offsets);
        Self { written: 0, offsets, branches: Vec::new(), branch, leaves: Vec::new() }
    }

    /// The header; the comment behind it says that the file is not text.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        self.raw(b"%PDF-1.7\n%\x80\x80\x80\x80\n", out);
    }

    /// A page with this content, which is compressed.
    pub fn page(&mut self, content: &[u8], out: &mut Vec<u8>) {
        let [page, stream] = [next(&mut self.offsets), next(&mut self.offsets)];
        let parent = self.branch;
        self.put(stream, |chunk| _ = chunk.stream(stream, content).filter(Filter::FlateDecode), out);
        self.put(page, |chunk| _ = chunk.page(page).parent(parent).contents(stream), out);
        self.leaves.push(page);
        if self.leaves.len() == BRANCH {
            self.bend(out);
            self.branch = next(&mut self.offsets);
        }
    }

    /// Closes the node that pages were put under.
    fn bend(&mut self, out: &mut Vec<u8>) {
        let (branch, leaves) = (self.branch, std::mem::take(&mut self.leaves));
        self.branches.push((branch, leaves.len()));
        let count = leaves.len();
        self.put(branch, |chunk| _ = chunk.pages(branch).parent(PAGES).count(number(count)).kids(leaves), out);
    }

    /// Everything that is known only now: the tree, the font, the table of objects.
    pub fn end(
        &mut self,
        font: &Font,
        (title, made): (&str, OffsetDateTime),
        id: Uuid,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.bend(out);
        let count = self.branches.iter().map(|(_, count)| count).sum();
        let branches: Vec<_> = self.branches.iter().map(|(branch, _)| *branch).collect();
        self.put(
            PAGES,
            |chunk| {
                let mut pages = chunk.pages(PAGES);
                pages.count(number(count)).kids(branches);
                pages.media_box(Rect::new(points(0), points(0), points(WIDTH), points(HEIGHT)));
                pages.resources().fonts().pair(RESOURCE, FONT.font);
            },
            out,
        );
        font.write(&FONT, |id, chunk| self.keep(id, chunk, out))?;
        self.put(
            CATALOG,
            |chunk| {
                let mut catalog: Catalog<'_> = chunk.indirect(CATALOG).start();
                catalog.pages(PAGES).lang(TextStr("en"));
                catalog.viewer_preferences().display_doc_title(true);
            },
            out,
        );
        self.put(
            INFO,
            |chunk| {
                let mut info: DocumentInfo<'_> = chunk.indirect(INFO).start();
                info.title(TextStr(title)).producer(TextStr("Tollgate")).creation_date(date(made));
            },
            out,
        );
        self.table(id, out)
    }

    fn put(&mut self, id: Ref, write: impl FnOnce(&mut Chunk), out: &mut Vec<u8>) {
        let mut chunk = Chunk::new();
        write(&mut chunk);
        self.keep(id, &chunk, out);
    }

    /// A chunk that holds this one object.
    fn keep(&mut self, id: Ref, chunk: &Chunk, out: &mut Vec<u8>) {
        let at = usize::try_from(id.get()).unwrap_or_default().saturating_sub(1);
        if let Some(offset) = self.offsets.get_mut(at) {
            *offset = self.written;
        }
        self.raw(chunk.as_bytes(), out);
    }

    fn raw(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.written = self.written.saturating_add(bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    fn table(&mut self, id: Uuid, out: &mut Vec<u8>) -> io::Result<()> {
        if self.written > LARGEST {
            return Err(io::Error::other("a PDF of more than ten thousand million bytes"));
        }
        let size = self.offsets.len() + 1;
        out.extend_from_slice(format!("xref\n0 {size}\n0000000000 65535 f\r\n").as_bytes());
        for offset in &self.offsets {
            // The node that was begun for pages that did not come has no place.
            let kind = if *offset == 0 { "65535 f" } else { "00000 n" };
            out.extend_from_slice(format!("{offset:010} {kind}\r\n").as_bytes());
        }
        let (catalog, info, id, start) = (CATALOG.get(), INFO.get(), id.simple(), self.written);
        let trailer = format!("trailer\n<< /Size {size} /Root {catalog} 0 R /Info {info} 0 R /ID [<{id}> <{id}>] >>");
        out.extend_from_slice(format!("{trailer}\nstartxref\n{start}\n%%EOF\n").as_bytes());
        Ok(())
    }
}

/// A number for one more object.
fn next(offsets: &mut Vec<u64>) -> Ref {
    offsets.push(0);
    Ref::new(number(offsets.len()))
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn date(at: OffsetDateTime) -> Date {
    Date::new(u16::try_from(at.year()).unwrap_or_default())
        .month(u8::from(at.month()))
        .day(at.day())
        .hour(at.hour())
        .minute(at.minute())
        .second(at.second())
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}
