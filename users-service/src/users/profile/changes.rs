//! What is to become of a profile: validated, and not yet held against what it is.

use shared::problem::{Code, Problem};

use super::model::{Address, Profile};
use crate::users::fields::{AddressLine, BirthDate, PersonName, Phone, State, ZipCode};

/// A validated merge patch of a profile: `None` keeps, `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct ProfileChanges {
    /// First name.
    pub first_name: Option<Option<PersonName>>,
    /// Last name.
    pub last_name: Option<Option<PersonName>>,
    /// Birth date.
    pub birth_date: Option<Option<BirthDate>>,
    /// Telephone number.
    pub phone: Option<Option<Phone>>,
    /// Address.
    pub address: Option<Option<AddressChanges>>,
}

/// The same of an address, of which nothing can be cleared alone.
#[derive(Clone, Debug, Default)]
pub struct AddressChanges {
    /// Street and number.
    pub street: Option<AddressLine>,
    /// City.
    pub city: Option<AddressLine>,
    /// State.
    pub state: Option<State>,
    /// ZIP code.
    pub zip_code: Option<ZipCode>,
}

/// Where the parts of an address are in a patch, in its order.
const PARTS: [&str; 4] =
    ["/profile/address/street", "/profile/address/city", "/profile/address/state", "/profile/address/zip_code"];

impl ProfileChanges {
    /// Everything is forgotten.
    #[must_use]
    pub const fn nothing_left() -> Self {
        Self {
            first_name: Some(None),
            last_name: Some(None),
            birth_date: Some(None),
            phone: Some(None),
            address: Some(None),
        }
    }

    /// Whether an address would be whole.
    ///
    /// # Errors
    /// 422 with each part that somebody without an address leaves out.
    pub fn check(&self, now: &Profile) -> Result<(), Problem> {
        let (Some(Some(new)), None) = (&self.address, &now.address) else { return Ok(()) };
        let given = [new.street.is_some(), new.city.is_some(), new.state.is_some(), new.zip_code.is_some()];
        let mut missing = PARTS.into_iter().zip(given).filter(|(_, given)| !given).peekable();
        if missing.peek().is_none() {
            return Ok(());
        }
        let problem = Problem::new(Code::ValidationFailed);
        Err(missing
            .fold(problem, |problem, (part, _)| problem.error(part, "required", "missing: there is no address yet")))
    }

    /// The profile with the changes in it.
    #[must_use]
    pub fn on(&self, now: &Profile) -> Profile {
        let address = match &self.address {
            None => now.address.clone(),
            Some(None) => None,
            Some(Some(new)) => Some(new.on(now.address.as_ref())),
        };
        Profile {
            first_name: told(self.first_name.as_ref(), PersonName::as_str, now.first_name.as_ref()),
            last_name: told(self.last_name.as_ref(), PersonName::as_str, now.last_name.as_ref()),
            birth_date: told(self.birth_date.as_ref(), BirthDate::as_str, now.birth_date.as_ref()),
            phone: told(self.phone.as_ref(), Phone::as_str, now.phone.as_ref()),
            address,
        }
    }
}

impl AddressChanges {
    /// Whoever has no address gives all of it: see [`ProfileChanges::check`].
    fn on(&self, now: Option<&Address>) -> Address {
        let part = |new: Option<&str>, old: fn(&Address) -> &String| {
            new.map(str::to_owned).or_else(|| now.map(old).cloned()).unwrap_or_default()
        };
        Address {
            street: part(self.street.as_ref().map(AddressLine::as_str), |now| &now.street),
            city: part(self.city.as_ref().map(AddressLine::as_str), |now| &now.city),
            state: part(self.state.as_ref().map(State::as_str), |now| &now.state),
            zip_code: part(self.zip_code.as_ref().map(ZipCode::as_str), |now| &now.zip_code),
        }
    }
}

fn told<T>(new: Option<&Option<T>>, text: fn(&T) -> &str, now: Option<&String>) -> Option<String> {
    match new {
        None => now.cloned(),
        Some(new) => new.as_ref().map(|new| text(new).to_owned()),
    }
}
