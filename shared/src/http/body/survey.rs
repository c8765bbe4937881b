//! All faults of a body, though serde stops at the first: each is noted, mended, and the body read again.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::{Fault, MAX_FAULTS, SURVEYED_BYTES, join};
use super::read;

/// What a member is replaced with to see what is wrong besides it: one of these is of nearly any type.
const FILLERS: [&str; 8] =
    ["\"\"", "\"1\"", "0", "[]", "{}", "false", "\"01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11\"", "\"USD\""];

/// Every fault of `bytes`, of which `first` is known already: all members that are unknown or missing, and one fault
/// of each of the others.
pub(super) fn survey<T: DeserializeOwned>(bytes: &[u8], first: Fault) -> Vec<Fault> {
    let mut faults = vec![first];
    if bytes.len() > SURVEYED_BYTES {
        return faults;
    }
    let Ok(mut members) = serde_json::from_slice::<Members>(bytes) else { return faults };
    let mut fault = faults[0].clone();
    while faults.len() < MAX_FAULTS {
        if fault.rule == "unknown_field" && fault.pointer.rfind('/') == Some(0) {
            members.remove_unknown(&fault.known, &mut faults);
        } else {
            members.mend::<T>(&fault);
        }
        match read::<T>(&members.json()) {
            Ok(_) => break,
            // What nothing can stand for was left out, and is missed after all that is written.
            Err(next) if next.rule.is_empty() || faults.iter().any(|told| told.member() == next.member()) => break,
            Err(next) => fault = next,
        }
        faults.push(fault.clone());
    }
    faults.truncate(MAX_FAULTS);
    faults
}

/// The members of an object, as they were written.
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Takes out all that are not `known`, noting those that `faults` does not have.
    fn remove_unknown(&mut self, known: &[String], faults: &mut Vec<Fault>) {
        self.0.retain(|(name, _)| {
            known.contains(name) || {
                let pointer = join("", name);
                if !faults.iter().any(|fault| fault.pointer == pointer) {
                    faults.push(Fault::unknown(pointer));
                }
                false
            }
        });
    }

    /// Makes the member that `fault` lies in one that nothing is wrong with, or leaves it out.
    fn mend<T: DeserializeOwned>(&mut self, fault: &Fault) {
        let own = fault.member();
        let name = own.trim_start_matches('/').replace("~1", "/").replace("~0", "~");
        self.0.retain(|(other, _)| *other != name);
        let mut fillers: Vec<String> = FILLERS.iter().rev().map(|filler| (*filler).to_owned()).collect();
        let mut told = false;
        while let Some(filler) = fillers.pop() {
            let Ok(filler) = RawValue::from_string(filler) else { continue };
            // In front, so that it is read before any other fault.
            self.0.insert(0, (name.clone(), filler));
            match read::<T>(&self.json()) {
                Err(fault) if fault.member() == own => {
                    self.0.remove(0);
                    // An enum tells what would have been right.
                    let word = fault.known.first().filter(|_| fault.rule == "one_of" && !told);
                    told |= word.is_some();
                    fillers.extend(word.map(|word| format!("\"{word}\"")));
                }
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn json(&self) -> Vec<u8> {
        let members =
            self.0.iter().map(|(name, value)| format!("{}:{}", serde_json::Value::from(name.as_str()), value.get()));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(InOrder).map(Self)
    }
}

/// A map would keep one of two members with the same name.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
