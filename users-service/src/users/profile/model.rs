//! A profile as it is shown.

use serde::{Deserialize, Serialize};

/// What a user tells about themselves; what they have not told is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Profile {
    /// First name.
    #[schema(example = "Ada")]
    pub first_name: Option<String>,
    /// Last name.
    #[schema(example = "Lovelace")]
    pub last_name: Option<String>,
    /// Birth date.
    #[schema(example = "1990-12-10")]
    pub birth_date: Option<String>,
    /// Telephone number (E.164).
    #[schema(example = "+14155550123")]
    pub phone: Option<String>,
    /// Address.
    pub address: Option<Address>,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Address {
    /// Street and number.
    #[schema(example = "12 St. James's Square")]
    pub street: String,
    /// City.
    #[schema(example = "New York")]
    pub city: String,
    /// State: two capitals.
    #[schema(example = "NY")]
    pub state: String,
    /// ZIP code: five digits.
    #[schema(example = "10001")]
    pub zip_code: String,
}

impl Profile {
    /// Which members differ from another's, for the audit: never their values.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let Self { first_name, last_name, birth_date, phone, address } = self;
        let members = [
            (*first_name == other.first_name, "first_name"),
            (*last_name == other.last_name, "last_name"),
            (*birth_date == other.birth_date, "birth_date"),
            (*phone == other.phone, "phone"),
            (*address == other.address, "address"),
        ];
        members.into_iter().filter(|(same, _)| !same).map(|(_, member)| member).collect()
    }
}
