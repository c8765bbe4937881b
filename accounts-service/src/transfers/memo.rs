//! What a transfer carries along for its client: whether it can be carried, and what makes two of it the same.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared::problem::{Code, Problem};
use shared::wire::idempotency;

/// Characters of a description.
pub const MAX_DESCRIPTION: usize = 500;
/// Characters of an external reference.
const MAX_EXTERNAL_REF: usize = 128;

/// What is wrong with a member: where, by which rule, in words.
pub type Fault = (&'static str, &'static str, String);

/// The texts that are empty, too long, or hold what is no text for people.
pub fn faults(description: Option<&str>, external_ref: Option<&str>) -> Vec<Fault> {
    let texts = [("/description", description, MAX_DESCRIPTION), ("/external_ref", external_ref, MAX_EXTERNAL_REF)];
    let sound =
        |text: &str, most: usize| (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let faulty = texts.into_iter().filter(|(_, text, most)| text.is_some_and(|text| !sound(text, *most)));
    faulty
        .map(|(pointer, _, most)| (pointer, "length", format!("1 to {most} characters, no control characters")))
        .collect()
}

/// 422 with all of them, if there are any.
pub fn refused(faults: Vec<Fault>) -> Result<(), Problem> {
    if faults.is_empty() {
        return Ok(());
    }
    let refused = Problem::new(Code::ValidationFailed);
    Err(faults.into_iter().fold(refused, |refused, (pointer, rule, detail)| refused.error(pointer, rule, detail)))
}

/// Feeds a text. Absent and empty are two things.
pub fn feed_text(hash: &mut Sha256, text: Option<&str>) {
    hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
    hash.update(text.unwrap_or_default());
}

/// Feeds the client's own data, however it is spelt.
pub fn feed_metadata(hash: &mut Sha256, metadata: Option<&RawValue>) {
    hash.update([u8::from(metadata.is_some())]);
    let Some(raw) = metadata else { return };
    match serde_json::from_str(raw.get()) {
        Ok(value) => hash.update(idempotency::fingerprint(&value)),
        Err(_number_too_large) => hash.update(raw.get()),
    }
}
