//! Images to send, good ones and bad ones.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageEncoder, ImageFormat, Rgb, RgbImage};

/// What an image is written as.
#[derive(Clone, Copy, Debug)]
pub enum Canvas {
    Png,
    Jpeg,
    Webp,
}

/// Red on the left, blue on the right.
pub fn halves(width: u32, height: u32) -> DynamicImage {
    let colour = |x| if x < width / 2 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) };
    RgbImage::from_fn(width, height, |x, _| colour(x)).into()
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn png(image: &DynamicImage) -> Vec<u8> {
    written(image, ImageFormat::Png)
}

pub fn jpeg(image: &DynamicImage) -> Vec<u8> {
    written(image, ImageFormat::Jpeg)
}

pub fn webp(image: &DynamicImage) -> Vec<u8> {
    written(image, ImageFormat::WebP)
}

/// With an orientation of 6 (turned by 90 degrees to the right when shown), and where it was taken.
pub fn with_exif(image: &DynamicImage, canvas: Canvas, place: &[u8]) -> Vec<u8> {
    // TIFF, little-endian: one directory with one short, and behind it whatever.
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(place);
    let mut bytes = Vec::new();
    let (pixels, width, height) = (image.to_rgb8(), image.width(), image.height());
    let form = image::ExtendedColorType::Rgb8;
    match canvas {
        Canvas::Png => {
            let mut encoder = PngEncoder::new(&mut bytes);
            encoder.set_exif_metadata(exif).unwrap();
            encoder.write_image(&pixels, width, height, form).unwrap();
        }
        Canvas::Jpeg => {
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
            encoder.set_exif_metadata(exif).unwrap();
            encoder.write_image(&pixels, width, height, form).unwrap();
        }
        Canvas::Webp => {
            let mut encoder = WebPEncoder::new_lossless(&mut bytes);
            encoder.set_exif_metadata(exif).unwrap();
            encoder.write_image(&pixels, width, height, form).unwrap();
        }
    }
    bytes
}

/// A PNG of one pixel whose header says that it is so large.
pub fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(&halves(1, 1));
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The same as a JPEG.
pub fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg(&halves(8, 8));
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// The same as a WebP of 16,384 pixels a side, which is as large as they get.
pub fn webp_of_all() -> Vec<u8> {
    let mut bytes = webp(&halves(1, 1));
    let at = bytes.windows(4).position(|name| name == b"VP8L").unwrap() + 9;
    bytes[at..at + 3].fill(0xff);
    bytes[at + 3] |= 0x0f;
    bytes
}

/// A PNG of a few pixels with a colour profile that unpacks to so many bytes, all zero.
pub fn png_with_profile(length: usize) -> Vec<u8> {
    let mut chunk = b"iCCPprofile\0\0".to_vec();
    chunk.extend(zlib_of_zeros(length));
    let size = u32::try_from(chunk.len() - 4).unwrap().to_be_bytes();
    let chunk = [&size[..], &chunk, &crc(&chunk).to_be_bytes()].concat();
    // Behind the header, which every PNG begins with.
    let mut bytes = png(&halves(16, 16));
    bytes.splice(33..33, chunk);
    bytes
}

/// RFC 1950 and 1951, by hand: a zero, and then "258 times what was one byte before" until there are enough.
fn zlib_of_zeros(length: usize) -> Vec<u8> {
    let (mut bytes, mut word, mut filled) = (vec![0x78, 0x01], 0_u32, 0);
    let mut put = |bits: &str| {
        for bit in bits.bytes() {
            word |= u32::from(bit == b'1') << filled;
            filled += 1;
            if filled == 8 {
                bytes.push(u8::try_from(word).unwrap());
                (word, filled) = (0, 0);
            }
        }
    };
    // The last block, with the fixed codes (least significant bit first), and the literal 0.
    put("1");
    put("10");
    put("00110000");
    let repeats = length / 258;
    for _ in 0..repeats {
        put("11000101");
        put("00000");
    }
    // Its end, and what fills the last byte.
    put("0000000");
    put("0000000");
    let sum = u32::try_from((repeats * 258 + 1) % 65_521).unwrap() << 16 | 1;
    bytes.extend(sum.to_be_bytes());
    bytes
}

/// CRC-32 as PNG has it (ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}
