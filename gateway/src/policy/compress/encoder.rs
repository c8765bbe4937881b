//! The three encoders under one roof: bytes in, and out whatever they are ready to give.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::write::GzEncoder;

use crate::config::Coding;

/// How far back an encoder looks, as a power of two: 256 KiB. More would pay for large bodies only, and every stream would
/// hold it.
const WINDOW: u32 = 18;

/// The smallest window of brotli (RFC 7932, section 9.1).
const SMALLEST: u32 = 10;

/// What brotli collects before it works.
const PIECE: usize = 4_096;

/// How hard each coding tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub zstd: i32,
    pub brotli: u32,
    pub gzip: u32,
}

/// One body being compressed. What comes out is in its own buffer until it is taken.
pub(super) enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// For a body of unknown length.
    pub(super) fn new(coding: Coding, levels: Levels) -> io::Result<Self> {
        Self::sized(coding, levels, None)
    }

    fn sized(coding: Coding, levels: Levels, length: Option<usize>) -> io::Result<Self> {
        let out = Vec::with_capacity(length.map_or(PIECE, |length| length / 2));
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, levels.zstd)?;
                match length {
                    // Tables for what is there, and the length in the frame's head.
                    Some(length) => encoder.set_pledged_src_size(Some(length as u64))?,
                    None => encoder.window_log(WINDOW)?,
                }
                Self::Zstd(encoder)
            }
            Coding::Brotli => {
                let window = length.map_or(WINDOW, |length| length.next_power_of_two().ilog2().clamp(SMALLEST, WINDOW));
                let params = BrotliEncoderParams {
                    quality: i32::try_from(levels.brotli).unwrap_or_default(),
                    lgwin: i32::try_from(window).unwrap_or_default(),
                    size_hint: length.unwrap_or_default(),
                    ..BrotliEncoderParams::default()
                };
                Self::Brotli(Box::new(CompressorWriter::with_params(out, PIECE, &params)))
            }
            Coding::Gzip => Self::Gzip(GzEncoder::new(out, flate2::Compression::new(levels.gzip))),
        })
    }

    /// Takes bytes in.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    /// Puts out everything that was taken in, so that the other side can read it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }

    /// What has come out.
    pub(super) fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        };
        Bytes::from(std::mem::take(out))
    }

    /// The rest.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Gzip(encoder) => encoder.finish()?,
        }))
    }
}

/// A body that is here already.
pub(super) fn whole(coding: Coding, levels: Levels, bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::sized(coding, levels, Some(bytes.len()))?;
    encoder.write(bytes)?;
    encoder.finish()
}
