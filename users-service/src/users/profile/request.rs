//! A profile as it is sent: whole, or as a merge patch.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use shared::http::patch::Field;
use time::Date;

use super::changes::{AddressChanges, ProfileChanges};
use crate::users::fields::{AddressLine, BirthDate, PersonName, Phone, Refused, State, ZipCode};
use crate::users::register::noted;

/// A whole profile: what is left out is forgotten.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileRequest {
    /// 1 to 50 characters, a letter among them.
    #[schema(example = "Ada", min_length = 1, max_length = 50)]
    pub first_name: String,
    /// 1 to 50 characters, a letter among them.
    #[schema(example = "Lovelace", min_length = 1, max_length = 50)]
    pub last_name: String,
    /// A day, 18 years ago (by the UTC date) or longer.
    #[serde(default)]
    #[schema(example = "1990-12-10")]
    pub birth_date: Option<String>,
    /// Telephone number (E.164).
    #[serde(default)]
    #[schema(example = "+14155550123")]
    pub phone: Option<String>,
    /// Address.
    #[serde(default)]
    #[schema(value_type = Option<AddressRequest>)]
    pub address: Option<Object<AddressRequest>>,
}

/// A whole address.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRequest {
    /// Street and number.
    #[schema(example = "12 St. James's Square", min_length = 1, max_length = 100)]
    pub street: String,
    /// City.
    #[schema(example = "New York", min_length = 1, max_length = 100)]
    pub city: String,
    /// Two capitals.
    #[schema(example = "NY")]
    pub state: String,
    /// Five digits.
    #[schema(example = "10001")]
    pub zip_code: String,
}

/// A merge patch (RFC 7396): absent keeps, `null` clears.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfilePatch {
    /// First name.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Ada")]
    pub first_name: Field<String>,
    /// Last name.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "King")]
    pub last_name: Field<String>,
    /// Birth date.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1990-12-10")]
    pub birth_date: Field<String>,
    /// Telephone number (E.164).
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "+14155550123")]
    pub phone: Field<String>,
    /// Address.
    #[serde(default)]
    #[schema(value_type = Option<AddressPatch>)]
    pub address: Field<Object<AddressPatch>>,
}

/// The same for an address. Its parts cannot be cleared one by one, and where there was none all of them are wanted.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressPatch {
    /// Street and number.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "12 St. James's Square")]
    pub street: Field<String>,
    /// City.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "New York")]
    pub city: Field<String>,
    /// Two capitals.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "NY")]
    pub state: Field<String>,
    /// Five digits.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "10001")]
    pub zip_code: Field<String>,
}

/// A struct that is written as an object: Serde would take an array for it too, member by member.
#[derive(Clone, Debug, Default)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }
        from.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Where each member is, for whoever is told what is wrong with it.
#[derive(Debug)]
pub struct Places {
    first_name: &'static str,
    last_name: &'static str,
    birth_date: &'static str,
    phone: &'static str,
    street: &'static str,
    city: &'static str,
    state: &'static str,
    zip_code: &'static str,
}

macro_rules! places {
    ($under:literal) => {
        Places {
            first_name: concat!($under, "/first_name"),
            last_name: concat!($under, "/last_name"),
            birth_date: concat!($under, "/birth_date"),
            phone: concat!($under, "/phone"),
            street: concat!($under, "/address/street"),
            city: concat!($under, "/address/city"),
            state: concat!($under, "/address/state"),
            zip_code: concat!($under, "/address/zip_code"),
        }
    };
}

/// A profile is the whole body.
pub const TOP: Places = places!("");
/// A profile is a member of a user.
pub const NESTED: Places = places!("/profile");

type Faults = Vec<(&'static str, Refused)>;

impl From<ProfileRequest> for ProfilePatch {
    /// The patch that replaces everything.
    fn from(request: ProfileRequest) -> Self {
        let ProfileRequest { first_name, last_name, birth_date, phone, address } = request;
        let address = address.map(|Object(address)| {
            Object(AddressPatch {
                street: Field::Value(address.street),
                city: Field::Value(address.city),
                state: Field::Value(address.state),
                zip_code: Field::Value(address.zip_code),
            })
        });
        Self {
            first_name: Field::Value(first_name),
            last_name: Field::Value(last_name),
            birth_date: birth_date.map_or(Field::Null, Field::Value),
            phone: phone.map_or(Field::Null, Field::Value),
            address: address.map_or(Field::Null, Field::Value),
        }
    }
}

impl ProfilePatch {
    /// The patch, validated; what is wrong with it is added to the faults.
    pub fn parse(self, places: &Places, today: Date, faults: &mut Faults) -> ProfileChanges {
        let mut name = |at, name: Field<String>| read(faults, at, name, PersonName::parse);
        let (first_name, last_name) =
            (name(places.first_name, self.first_name), name(places.last_name, self.last_name));
        let birth_date = read(faults, places.birth_date, self.birth_date, |text| BirthDate::parse(text, today));
        let phone = read(faults, places.phone, self.phone, Phone::parse);
        let address = self.address.optional();
        let address = address.map(|address| address.map(|Object(address)| address.parse(places, faults)));
        ProfileChanges { first_name, last_name, birth_date, phone, address }
    }
}

impl AddressPatch {
    fn parse(self, places: &Places, faults: &mut Faults) -> AddressChanges {
        AddressChanges {
            street: part(faults, places.street, self.street, AddressLine::parse),
            city: part(faults, places.city, self.city, AddressLine::parse),
            state: part(faults, places.state, self.state, State::parse),
            zip_code: part(faults, places.zip_code, self.zip_code, ZipCode::parse),
        }
    }
}

type Parse<T> = fn(&str) -> Result<T, Refused>;

/// A member that can be cleared. What is wrong reads as nothing: the patch is refused anyway.
fn read<T>(
    faults: &mut Faults,
    at: &'static str,
    member: Field<String>,
    parse: impl Fn(&str) -> Result<T, Refused>,
) -> Option<Option<T>> {
    member.optional().map(|text| text.and_then(|text| noted(faults, at, parse(&text))))
}

/// One that cannot.
fn part<T>(faults: &mut Faults, at: &'static str, member: Field<String>, parse: Parse<T>) -> Option<T> {
    let parsed = match member {
        Field::Absent => return None,
        Field::Null => Err(Refused { code: "required", detail: "cannot be cleared: clear the whole address" }),
        Field::Value(text) => parse(&text),
    };
    noted(faults, at, parsed)
}
