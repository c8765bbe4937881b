//! What is done with an image: looked at as it comes, and made small later.
//!
//! A file of a few bytes may claim to be a million pixels wide. So nothing is decoded before its header has said how
//! large it is, and the decoders have limits of their own.

use std::io::Cursor;

use fast_image_resize::images::Image;
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits,
    RgbImage, RgbaImage,
};

use super::model::{Kind, Size};
use crate::users::Refused;

/// Pixels a side.
const LONGEST_SIDE: u32 = 10_000;

const TOO_LARGE: Refused =
    Refused { code: "dimensions", detail: "at most 10,000 pixels a side, and as many in all as the settings allow" };

/// Bytes that reading a header may take: colour profiles are compressed.
const HEADER: u64 = 16 * 1024 * 1024;

/// Bytes of one pixel at most: four channels of 16 bits.
const WIDEST_PIXEL: u64 = 8;

/// Of JPEG, of 100: more is seen by nobody at 512 pixels.
const QUALITY: u8 = 85;

/// An image that cannot be read, or not be written. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

impl Unreadable {
    fn because(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// An image in every size, without anything but its pixels.
#[derive(Clone, Debug)]
pub(super) struct Small {
    pub(super) kind: Kind,
    /// In the order of [`Size::ALL`].
    pub(super) sizes: [Vec<u8>; 3],
}

/// Looks at the header.
///
/// # Errors
/// What is wrong with it.
pub(super) fn look(kind: Kind, bytes: &[u8], max_pixels: u64) -> Result<(), Refused> {
    match open(kind, bytes, HEADER) {
        Ok(decoder) => bounded(&decoder, max_pixels),
        // One row of it alone would be too much.
        Err(ImageError::Limits(_)) => Err(TOO_LARGE),
        Err(_) => Err(Refused { code: "image", detail: "an image that can be read" }),
    }
}

fn bounded(decoder: &impl ImageDecoder, max_pixels: u64) -> Result<(), Refused> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    match width.max(height) <= LONGEST_SIDE && pixels <= max_pixels {
        _ if pixels == 0 => Err(Refused { code: "image", detail: "an image with pixels" }),
        true => Ok(()),
        false => Err(TOO_LARGE),
    }
}

fn open(kind: Kind, bytes: &[u8], most: u64) -> Result<impl ImageDecoder + '_, ImageError> {
    let format = match kind {
        Kind::Png => ImageFormat::Png,
        Kind::Jpeg => ImageFormat::Jpeg,
        Kind::Webp => ImageFormat::WebP,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Sides are looked at by `bounded`, which says so in our words.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most);
    reader.limits(limits);
    reader.into_decoder()
}

/// Decodes an image, cuts the square out of its middle, and writes that in every size: JPEG where nothing can be seen
/// through, else PNG. What EXIF says of its orientation is done, and everything but the pixels left out.
///
/// # Errors
/// When it cannot be read after all.
pub(super) fn shrink(kind: Kind, bytes: &[u8], max_pixels: u64) -> Result<Small, Unreadable> {
    let most = max_pixels.saturating_mul(WIDEST_PIXEL);
    let mut decoder = open(kind, bytes, most).map_err(Unreadable::because)?;
    bounded(&decoder, max_pixels).map_err(Unreadable::because)?;
    if decoder.total_bytes() > most {
        return Err(Unreadable::because("more bytes than pixels have"));
    }
    // Of a header that makes no sense nothing is done.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let whole = DynamicImage::from_decoder(decoder).map_err(Unreadable::because)?;
    // One after the other, each from the one before: the last two are small work.
    let mut large = square(whole, Size::Large)?;
    large.apply_orientation(orientation);
    let medium = square(large.clone(), Size::Medium)?;
    let thumb = square(medium.clone(), Size::Thumb)?;
    let opaque = large.as_rgba8().is_none_or(|pixels| pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX));
    let kind = if opaque { Kind::Jpeg } else { Kind::Png };
    Ok(Small { kind, sizes: [written(thumb, kind)?, written(medium, kind)?, written(large, kind)?] })
}

/// The square in the middle, at this size or as large as it is.
fn square(image: DynamicImage, size: Size) -> Result<DynamicImage, Unreadable> {
    let (width, height) = (image.width(), image.height());
    let side = size.side().min(width).min(height);
    let see_through = image.color().has_alpha();
    let (pixels, form) = match see_through {
        true => (image.into_rgba8().into_raw(), PixelType::U8x4),
        false => (image.into_rgb8().into_raw(), PixelType::U8x3),
    };
    let whole = Image::from_vec_u8(width, height, pixels, form).map_err(Unreadable::because)?;
    let mut small = Image::new(side, side, form);
    let middle = ResizeOptions::new().fit_into_destination(None);
    Resizer::new().resize(&whole, &mut small, &middle).map_err(Unreadable::because)?;
    let pixels = small.into_vec();
    let made = match see_through {
        true => RgbaImage::from_raw(side, side, pixels).map(DynamicImage::from),
        false => RgbImage::from_raw(side, side, pixels).map(DynamicImage::from),
    };
    made.ok_or_else(|| Unreadable::because("fewer pixels than there should be"))
}

fn written(image: DynamicImage, kind: Kind) -> Result<Vec<u8>, Unreadable> {
    let (width, height) = (image.width(), image.height());
    let mut bytes = Vec::new();
    let done = match kind {
        Kind::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            encoder.write_image(&image.into_rgb8(), width, height, ExtendedColorType::Rgb8)
        }
        Kind::Png | Kind::Webp => {
            let encoder = PngEncoder::new(&mut bytes);
            encoder.write_image(&image.into_rgba8(), width, height, ExtendedColorType::Rgba8)
        }
    };
    done.map_err(Unreadable::because)?;
    Ok(bytes)
}
