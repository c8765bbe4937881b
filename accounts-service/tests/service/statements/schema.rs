//! The part of camt.053.001.08 that we write, in our own words: which elements stand in which, in what order and how
//! often, and what their texts may be. ISO's own XSD is not in this repository because its terms do not say that it may
//! be; what we write was held against it once, and this table was written from it.

use super::read::Element;

/// How often an element stands.
#[derive(Clone, Copy)]
enum Times {
    One,
    Maybe,
    Many,
    /// At least once.
    Some,
}

use Times::{Many, Maybe, One, Some as Several};

/// What stands inside: elements in this order, one of several elements, or text.
enum Inside {
    Sequence(&'static [(&'static str, Times, &'static Inside)]),
    Choice(&'static [(&'static str, &'static Inside)]),
    Text(usize),
    Word(&'static [&'static str]),
    /// At most 18 digits, 5 of them behind the point, with a currency.
    Money,
    Decimal,
    Digits(usize),
    Instant,
    Day,
}

use Inside::{Choice, Day, Decimal, Digits, Instant, Money, Sequence, Text, Word};

static DOCUMENT: Inside = Sequence(&[("BkToCstmrStmt", One, &MESSAGE)]);
static MESSAGE: Inside = Sequence(&[("GrpHdr", One, &HEADER), ("Stmt", Several, &STATEMENT)]);
static HEADER: Inside =
    Sequence(&[("MsgId", One, &Text(35)), ("CreDtTm", One, &Instant), ("MsgPgntn", Maybe, &PAGINATION)]);
static PAGINATION: Inside = Sequence(&[("PgNb", One, &Digits(5)), ("LastPgInd", One, &TRUTH)]);
static TRUTH: Inside = Word(&["true", "false"]);
static STATEMENT: Inside = Sequence(&[
    ("Id", One, &Text(35)),
    ("CreDtTm", Maybe, &Instant),
    ("FrToDt", Maybe, &PERIOD),
    ("Acct", One, &CASH_ACCOUNT),
    ("Bal", Several, &BALANCE),
    ("TxsSummry", Maybe, &SUMMARY),
    ("Ntry", Many, &ENTRY),
]);
static PERIOD: Inside = Sequence(&[("FrDtTm", One, &Instant), ("ToDtTm", One, &Instant)]);
static CASH_ACCOUNT: Inside = Sequence(&[("Id", One, &ACCOUNT), ("Ccy", Maybe, &CURRENCY), ("Nm", Maybe, &Text(70))]);
static ACCOUNT: Inside = Choice(&[("Othr", &OTHER)]);
static OTHER: Inside = Sequence(&[("Id", One, &Text(34))]);
static CURRENCY: Inside = Word(&["USD", "JPY", "KWD", "EUR"]);
static BALANCE: Inside =
    Sequence(&[("Tp", One, &BALANCE_TYPE), ("Amt", One, &Money), ("CdtDbtInd", One, &DIRECTION), ("Dt", One, &DATE)]);
static BALANCE_TYPE: Inside = Sequence(&[("CdOrPrtry", One, &BALANCE_CODE)]);
static BALANCE_CODE: Inside = Choice(&[("Cd", &Word(&["OPBD", "CLBD"]))]);
static DIRECTION: Inside = Word(&["CRDT", "DBIT"]);
static DATE: Inside = Choice(&[("Dt", &Day), ("DtTm", &Instant)]);
static SUMMARY: Inside = Sequence(&[("TtlNtries", Maybe, &TOTAL)]);
static TOTAL: Inside = Sequence(&[("NbOfNtries", Maybe, &Digits(15)), ("TtlNetNtry", Maybe, &NET)]);
static NET: Inside = Sequence(&[("Amt", One, &Decimal), ("CdtDbtInd", One, &DIRECTION)]);
static ENTRY: Inside = Sequence(&[
    ("NtryRef", Maybe, &Text(35)),
    ("Amt", One, &Money),
    ("CdtDbtInd", One, &DIRECTION),
    ("RvslInd", Maybe, &TRUTH),
    ("Sts", One, &STATUS),
    ("BookgDt", Maybe, &DATE),
    ("ValDt", Maybe, &DATE),
    ("AcctSvcrRef", Maybe, &Text(35)),
    ("BkTxCd", One, &CODE),
    ("NtryDtls", Many, &ENTRY_DETAILS),
]);
static STATUS: Inside = Choice(&[("Cd", &Word(&["BOOK"]))]);
static CODE: Inside = Sequence(&[("Domn", Maybe, &DOMAIN)]);
static DOMAIN: Inside = Sequence(&[("Cd", One, &Word(&["PMNT"])), ("Fmly", One, &FAMILY)]);
static FAMILY: Inside = Sequence(&[("Cd", One, &Word(&["RCDT", "ICDT"])), ("SubFmlyCd", One, &Word(&["BOOK"]))]);
static ENTRY_DETAILS: Inside = Sequence(&[("TxDtls", Many, &DETAILS)]);
static DETAILS: Inside = Sequence(&[
    ("Refs", Maybe, &REFERENCES),
    ("Amt", Maybe, &Money),
    ("CdtDbtInd", Maybe, &DIRECTION),
    ("RltdPties", Maybe, &PARTIES),
    ("RmtInf", Maybe, &REMITTANCE),
    ("AddtlTxInf", Maybe, &Text(500)),
]);
static REFERENCES: Inside =
    Sequence(&[("AcctSvcrRef", Maybe, &Text(35)), ("EndToEndId", Maybe, &Text(35)), ("TxId", Maybe, &Text(35))]);
static PARTIES: Inside = Sequence(&[("DbtrAcct", Maybe, &OTHER_SIDE), ("CdtrAcct", Maybe, &OTHER_SIDE)]);
static OTHER_SIDE: Inside = Sequence(&[("Id", One, &ACCOUNT)]);
static REMITTANCE: Inside = Sequence(&[("Ustrd", Many, &Text(140))]);

/// Panics where a document is none.
pub fn check(document: &Element) {
    assert_eq!(document.name, "Document");
    let namespace = ("xmlns".to_owned(), "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08".to_owned());
    assert_eq!(document.attributes, [namespace]);
    inside(document, &DOCUMENT);
}

fn inside(element: &Element, wanted: &Inside) {
    let (name, text) = (&element.name, element.text.as_str());
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match wanted {
        Sequence(parts) => sequence(element, parts),
        Choice(one_of) => {
            assert_eq!(element.children.len(), 1, "{name}");
            let child = &element.children[0];
            let (_, content) = one_of.iter().find(|(name, _)| *name == child.name).unwrap();
            inside(child, content);
        }
        Text(most) => assert!((1..=*most).contains(&text.chars().count()), "{name}: {text}"),
        Word(words) => assert!(words.contains(&text), "{name}: {text}"),
        Money => {
            assert!(matches!(&*element.attributes, [(name, code)] if name == "Ccy" && code.len() == 3), "{name}");
            decimal(text);
        }
        Decimal => decimal(text),
        Digits(most) => assert!(digits(text, *most), "{name}: {text}"),
        Instant => {
            assert!(
                time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok(),
                "{text}"
            );
        }
        Day => assert!(
            text.len() == 10
                && time::Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).is_ok()
        ),
    }
    if !matches!(wanted, Money) && name != "Document" {
        assert!(element.attributes.is_empty(), "{name}");
    }
    if matches!(wanted, Sequence(_) | Choice(_)) {
        assert!(text.is_empty(), "{name} holds text");
    } else {
        assert!(element.children.is_empty(), "{name} holds elements");
    }
}

fn sequence(element: &Element, parts: &[(&str, Times, &Inside)]) {
    let mut children = element.children.iter().peekable();
    for (name, times, content) in parts {
        let mut count = 0;
        while let Some(child) = children.next_if(|child| child.name == *name) {
            inside(child, content);
            count += 1;
        }
        let right = match times {
            One => count == 1,
            Maybe => count <= 1,
            Many => true,
            Several => count >= 1,
        };
        assert!(right, "{name} stands {count} times in {}", element.name);
    }
    let left = children.next().map(|child| &child.name);
    assert!(left.is_none(), "{left:?} has no place there in {}", element.name);
}

fn decimal(text: &str) {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(!whole.is_empty() && digits(whole) && digits(part), "{text}");
    assert!(whole.len() + part.len() <= 18 && part.len() <= 5, "{text}");
}
