//! The file of an export: under its name only when it is whole, readable by its owner only, and gzip where its name says so.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use uuid::Uuid;

/// Bytes that are written and read at once.
const BUFFER: usize = 256 * 1024;

/// The first byte of gzip (RFC 1952). An export begins with `{`.
const GZIP: u8 = 0x1f;

/// Where an export goes.
#[derive(Debug)]
pub enum Sink {
    /// To the standard output.
    Standard(BufWriter<Stdout>),
    /// To a file.
    File(Box<Part>),
}

/// A file that is being written, under a name of its own.
#[derive(Debug)]
pub struct Part {
    out: Out,
    part: PathBuf,
    path: PathBuf,
    /// Whether it has got its name, or was given up.
    is_over: bool,
}

#[derive(Debug)]
enum Out {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Sink {
    /// `-`: the standard output; else a file, compressed if its name ends with `.gz`.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(BufWriter::with_capacity(BUFFER, io::stdout())));
        }
        let name = path.file_name().filter(|_| !path.is_dir());
        let name = name.ok_or_else(|| io::Error::other("name a file to write to"))?.to_string_lossy();
        let part = path.with_file_name(format!(".{name}.{}.part", Uuid::new_v4().simple()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        let file = BufWriter::with_capacity(BUFFER, file);
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let out =
            if is_gzip { Out::Gzip(Box::new(GzEncoder::new(file, Compression::fast()))) } else { Out::Plain(file) };
        Ok(Self::File(Box::new(Part { out, part, path: path.to_owned(), is_over: false })))
    }

    /// Gives the file its name, in place of what has it, once all of it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written to its end. There is no new file under that name then.
    pub fn keep(self) -> io::Result<()> {
        match self {
            Self::Standard(mut out) => out.flush(),
            Self::File(part) => part.keep(),
        }
    }
}

impl Part {
    fn keep(mut self) -> io::Result<()> {
        let file = match &mut self.out {
            Out::Plain(file) => file,
            Out::Gzip(gzip) => {
                gzip.try_finish()?;
                gzip.get_mut()
            }
        };
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&self.part, &self.path)?;
        self.is_over = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_over {
            // Half a file is of no use to anybody; if it stays, it has neither the name nor a last line.
            drop(std::fs::remove_file(&self.part));
        }
    }
}

impl Sink {
    fn out(&mut self) -> &mut dyn Write {
        match self {
            Self::Standard(out) => out,
            Self::File(part) => match &mut part.out {
                Out::Plain(out) => out,
                Out::Gzip(out) => out,
            },
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out().flush()
    }
}

/// What an import reads: `-`: the standard input; else a file; whichever is gzip is decompressed.
///
/// # Errors
/// When it cannot be opened or read.
pub fn source(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut plain: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::with_capacity(BUFFER, io::stdin()))
    } else {
        Box::new(BufReader::with_capacity(BUFFER, File::open(path)?))
    };
    let is_gzip = plain.fill_buf()?.first() == Some(&GZIP);
    Ok(if is_gzip { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(plain))) } else { plain })
}
