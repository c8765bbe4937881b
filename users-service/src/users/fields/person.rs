//! What a profile holds: a person's names, birth date and address.

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Month};

use super::hidden::is_plain;
use super::{Refused, refused};

/// In characters.
const MAX_NAME: usize = 50;
const MAX_LINE: usize = 100;
const ZIP_DIGITS: usize = 5;

/// In years.
const OF_AGE: i32 = 18;
/// Nobody who lives was born before.
const EARLIEST: i32 = 1900;

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// As it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )+};
}

texts! {
    /// A first or last name: 1 to 50 characters with a letter among them, none that cannot be seen, no blanks at its ends.
    PersonName
    /// A street or a city: 1 to 100 characters, none that cannot be seen, no blanks at its ends.
    AddressLine
    /// A state: two capitals.
    State
    /// A ZIP code: five digits.
    ZipCode
    /// The day of somebody's birth, who is 18 or older.
    BirthDate
}

impl PersonName {
    /// Reads a name.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        line(text, MAX_NAME, "1 to 50 characters")?;
        if !text.chars().any(char::is_alphabetic) {
            return refused("format", "a name with a letter in it, not only digits and signs");
        }
        Ok(Self(text.to_owned()))
    }
}

impl AddressLine {
    /// Reads a line.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        line(text, MAX_LINE, "1 to 100 characters")?;
        Ok(Self(text.to_owned()))
    }
}

impl State {
    /// Reads a state.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let form = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if form { Ok(Self(text.to_owned())) } else { refused("state", "two capitals, such as NY") }
    }
}

impl ZipCode {
    /// Reads a code.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let form = text.len() == ZIP_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        if form { Ok(Self(text.to_owned())) } else { refused("zip_code", "five digits, such as 10001") }
    }
}

impl BirthDate {
    /// Reads a day, on another: the UTC date of today.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str, today: Date) -> Result<Self, Refused> {
        const WRONG: Refused = Refused { code: "date", detail: "a day from 1900 on, such as 1990-12-31" };
        // The parser also takes signs, and longer years.
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = text.split('-');
        let form = [4, 2, 2].into_iter().all(|length| parts.next().is_some_and(|part| digits(part, length)));
        let day = Date::parse(text, DAY).ok().filter(|day| form && parts.next().is_none() && day.year() >= EARLIEST);
        let day = day.ok_or(WRONG)?;
        if of_age(day).is_none_or(|of_age| today < of_age) {
            return refused("age", "18 years ago or longer");
        }
        Ok(Self(text.to_owned()))
    }
}

/// The day on which somebody is 18. Who was born on 29 February is a year older on 1 March where there is none.
fn of_age(born: Date) -> Option<Date> {
    let year = born.year() + OF_AGE;
    born.replace_year(year).or_else(|_| Date::from_calendar_date(year, Month::March, 1)).ok()
}

fn line(text: &str, most: usize, length: &'static str) -> Result<(), Refused> {
    if !(1..=most).contains(&text.chars().count()) {
        return refused("length", length);
    }
    if !is_plain(text) || text.trim() != text {
        return refused("format", "no characters that cannot be seen, and no blanks at the beginning or end");
    }
    Ok(())
}
