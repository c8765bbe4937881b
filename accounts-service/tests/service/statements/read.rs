//! Reads statements back from JSON, CSV and camt.053, as their receivers would.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

/// What every form must give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub opening: i64,
    pub closing: i64,
    /// Amount and the balance after it, where the form says it.
    pub lines: Vec<(i64, Option<i64>)>,
    /// Description and reference of each line.
    pub texts: Vec<(Option<String>, Option<String>)>,
}

impl Read {
    /// Whether opening and lines make closing.
    pub fn adds_up(&self) -> bool {
        let sum: i128 = self.lines.iter().map(|(amount, _)| i128::from(*amount)).sum();
        i128::from(self.opening) + sum == i128::from(self.closing)
    }
}

/// From decimal text to minor units, given that all of the currency's decimals are there.
pub fn minor(text: &str, exponent: usize) -> i64 {
    let text = text.replace(',', "");
    let part = text.split_once('.').map_or(0, |(_, part)| part.len());
    assert_eq!(part, exponent, "{text}");
    text.replace('.', "").parse().unwrap()
}

pub fn json(bytes: &[u8]) -> Read {
    let whole: Value = serde_json::from_slice(bytes).unwrap();
    let entries = whole["entries"].as_array().unwrap();
    assert_eq!(whole["entry_count"], entries.len());
    let text = |entry: &Value, name: &str| entry[name].as_str().map(str::to_owned);
    Read {
        opening: whole["opening_balance"].as_i64().unwrap(),
        closing: whole["closing_balance"].as_i64().unwrap(),
        lines: entries
            .iter()
            .map(|entry| (entry["amount"].as_i64().unwrap(), entry["balance_after"].as_i64()))
            .collect(),
        texts: entries.iter().map(|entry| (text(entry, "description"), text(entry, "external_ref"))).collect(),
    }
}

pub fn csv(bytes: &[u8], exponent: usize) -> Read {
    assert!(!String::from_utf8_lossy(bytes).replace("\r\n", "").contains('\n'), "rows end with CRLF");
    let mut reader = csv::Reader::from_reader(bytes);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let balance = |kind: &str| {
        let mut of = rows.iter().filter(|row| &row[0] == kind);
        let row = of.next().unwrap();
        assert!(of.next().is_none());
        minor(&row[9], exponent)
    };
    assert_eq!((&rows[0][0], &rows[rows.len() - 1][0]), ("opening", "closing"));
    let entries: Vec<_> = rows.iter().filter(|row| &row[0] == "entry").collect();
    assert_eq!(entries.len() + 2, rows.len());
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Read {
        opening: balance("opening"),
        closing: balance("closing"),
        lines: entries.iter().map(|row| (minor(&row[8], exponent), Some(minor(&row[9], exponent)))).collect(),
        texts: entries.iter().map(|row| (text(&row[5]), text(&row[6]))).collect(),
    }
}

/// An XML element.
#[derive(Clone, Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn at<'a>(&'a self, path: &str) -> Option<&'a Element> {
        path.split('/').try_fold(self, |element, name| element.children.iter().find(|child| child.name == name))
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(|element| element.text.as_str())
    }

    fn begun(start: &BytesStart<'_>) -> Self {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            (attribute.key.as_ref().to_owned(), attribute.value.to_string())
        });
        Self { name: start.name().as_ref().to_owned(), attributes: attributes.collect(), ..Self::default() }
    }
}

/// A whole document.
pub fn xml(bytes: &[u8]) -> Element {
    let mut reader = Reader::from_str(std::str::from_utf8(bytes).unwrap());
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(Element::begun(&start)),
            Event::End(_) => {
                let ended = open.pop().unwrap();
                open.last_mut().unwrap().children.push(ended);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = match &*reference {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "quot" => '"',
                    "apos" => '\'',
                    other => panic!("&{other};"),
                };
                open.last_mut().unwrap().text.push(character);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open.len(), 1, "unclosed");
    open.pop().unwrap().children.pop().unwrap()
}

pub fn camt(document: &Element, exponent: usize) -> Read {
    let statement = document.at("BkToCstmrStmt/Stmt").unwrap();
    let signed = |of: &Element| {
        let amount = minor(of.text_at("Amt").unwrap(), exponent);
        if of.text_at("CdtDbtInd") == Some("DBIT") { -amount } else { amount }
    };
    let balance = |code: &str| {
        signed(statement.all("Bal").find(|balance| balance.text_at("Tp/CdOrPrtry/Cd") == Some(code)).unwrap())
    };
    let entries: Vec<_> = statement.all("Ntry").collect();
    let count = statement.text_at("TxsSummry/TtlNtries/NbOfNtries").unwrap();
    assert_eq!(count, entries.len().to_string());
    let description = |entry: &Element| {
        let pieces = entry.at("NtryDtls/TxDtls/RmtInf")?.all("Ustrd").map(|piece| piece.text.clone());
        Some(pieces.collect())
    };
    let reference = |entry: &Element| {
        let details = entry.at("NtryDtls/TxDtls").unwrap();
        let cut = details.text_at("Refs/EndToEndId").filter(|reference| *reference != "NOTPROVIDED");
        details.text_at("AddtlTxInf").or(cut).map(str::to_owned)
    };
    Read {
        opening: balance("OPBD"),
        closing: balance("CLBD"),
        lines: entries.iter().map(|entry| (signed(entry), None)).collect(),
        texts: entries.iter().map(|entry| (description(entry), reference(entry))).collect(),
    }
}
