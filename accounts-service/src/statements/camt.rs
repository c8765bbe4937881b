//! A statement as ISO 20022 camt.053.001.08 (BankToCustomerStatementV08), for bookkeeping programs.

use std::io;
use std::sync::Arc;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use shared::clock::{from_micros, rfc3339};
use shared::domain::AccountId;

use super::amount::unsigned;
use super::model::{Format, Line, Statement};
use super::writer::Form;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08";

/// Characters of the standard's Max35Text, Max70Text, Max140Text and Max500Text.
const MAX_35: usize = 35;
const MAX_70: usize = 70;
const MAX_140: usize = 140;
const MAX_500: usize = 500;

type Xml<'a> = Writer<&'a mut Vec<u8>>;

/// The form.
pub struct Camt(Arc<Statement>);

impl Camt {
    pub const fn new(statement: Arc<Statement>) -> Self {
        Self(statement)
    }

    fn header(&self, xml: &mut Xml<'_>) -> io::Result<()> {
        let statement = &self.0;
        let id = statement.digest(Format::Camt053).simple().to_string();
        // When it was made is when its time ended: the same statement has the same bytes, and the same id.
        let made = instant(statement.to);
        xml.create_element("GrpHdr").write_inner_content(|xml| {
            text(xml, "MsgId", &id)?;
            text(xml, "CreDtTm", &made)?;
            xml.create_element("MsgPgntn").write_inner_content(|xml| {
                text(xml, "PgNb", "1")?;
                text(xml, "LastPgInd", "true")
            })?;
            Ok(())
        })?;
        xml.write_event(Event::Start(BytesStart::new("Stmt")))?;
        text(xml, "Id", &id)?;
        text(xml, "CreDtTm", &made)?;
        xml.create_element("FrToDt").write_inner_content(|xml| {
            text(xml, "FrDtTm", &instant(statement.from))?;
            text(xml, "ToDtTm", &made)
        })?;
        xml.create_element("Acct").write_inner_content(|xml| {
            account(xml, statement.account)?;
            text(xml, "Ccy", statement.currency.code())?;
            optional(xml, "Nm", &statement.name, MAX_70)
        })?;
        // The closing date is the last day within: `to` itself is outside.
        let last = (statement.to - 1).max(statement.from);
        self.balance(xml, "OPBD", statement.opening, statement.from)?;
        self.balance(xml, "CLBD", statement.closing, last)?;
        xml.create_element("TxsSummry").write_inner_content(|xml| {
            xml.create_element("TtlNtries").write_inner_content(|xml| {
                text(xml, "NbOfNtries", &statement.lines().to_string())?;
                let net = statement.closing - statement.opening;
                xml.create_element("TtlNetNtry").write_inner_content(|xml| {
                    text(xml, "Amt", &unsigned(net, statement.currency))?;
                    text(xml, "CdtDbtInd", direction(net))
                })?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    }

    fn balance(&self, xml: &mut Xml<'_>, code: &str, balance: i64, at: i64) -> io::Result<()> {
        xml.create_element("Bal").write_inner_content(|xml| {
            xml.create_element("Tp").write_inner_content(|xml| {
                xml.create_element("CdOrPrtry").write_inner_content(|xml| text(xml, "Cd", code))?;
                Ok(())
            })?;
            self.money(xml, balance)?;
            // A day, as banks write it and as programs expect it; the instants stand in FrToDt.
            let day = from_micros(at).date().to_string();
            xml.create_element("Dt").write_inner_content(|xml| text(xml, "Dt", &day))?;
            Ok(())
        })?;
        Ok(())
    }

    /// An amount and its direction, which in ISO 20022 always go together.
    fn money(&self, xml: &mut Xml<'_>, minor: i64) -> io::Result<()> {
        let amount = unsigned(minor, self.0.currency);
        let element = xml.create_element("Amt").with_attribute(("Ccy", self.0.currency.code()));
        element.write_text_content(BytesText::new(&amount))?;
        text(xml, "CdtDbtInd", direction(minor))
    }

    fn entry(&self, xml: &mut Xml<'_>, line: &Line) -> io::Result<()> {
        let transfer = line.transfer.as_uuid().simple().to_string();
        text(xml, "NtryRef", &line.seq.to_string())?;
        self.money(xml, line.amount)?;
        if line.reversal_of.is_some() {
            text(xml, "RvslInd", "true")?;
        }
        xml.create_element("Sts").write_inner_content(|xml| text(xml, "Cd", "BOOK"))?;
        let posted = instant(line.posted_at);
        for name in ["BookgDt", "ValDt"] {
            xml.create_element(name).write_inner_content(|xml| text(xml, "DtTm", &posted))?;
        }
        text(xml, "AcctSvcrRef", &transfer)?;
        code(xml, line.amount)?;
        xml.create_element("NtryDtls").write_inner_content(|xml| {
            xml.create_element("TxDtls").write_inner_content(|xml| self.details(xml, line, &transfer))?;
            Ok(())
        })?;
        Ok(())
    }

    fn details(&self, xml: &mut Xml<'_>, line: &Line, transfer: &str) -> io::Result<()> {
        let reference = line.external_ref.as_deref().map(sound).unwrap_or_default();
        let short: String = reference.chars().take(MAX_35).collect();
        xml.create_element("Refs").write_inner_content(|xml| {
            text(xml, "AcctSvcrRef", transfer)?;
            text(xml, "EndToEndId", if short.is_empty() { "NOTPROVIDED" } else { &short })?;
            text(xml, "TxId", transfer)
        })?;
        self.money(xml, line.amount)?;
        xml.create_element("RltdPties").write_inner_content(|xml| {
            let other = if line.amount < 0 { "CdtrAcct" } else { "DbtrAcct" };
            xml.create_element(other).write_inner_content(|xml| account(xml, line.counterparty))?;
            Ok(())
        })?;
        let description = line.description.as_deref().map(sound).unwrap_or_default();
        if !description.is_empty() {
            xml.create_element("RmtInf").write_inner_content(|xml| {
                let characters: Vec<char> = description.chars().collect();
                characters.chunks(MAX_140).try_for_each(|piece| text(xml, "Ustrd", &piece.iter().collect::<String>()))
            })?;
        }
        // A reference that does not fit above stands here whole.
        if short.len() < reference.len() { optional(xml, "AddtlTxInf", &reference, MAX_500) } else { Ok(()) }
    }
}

impl Form for Camt {
    fn open(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut xml = Writer::new(out);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.write_event(Event::Start(BytesStart::new("Document").with_attributes([("xmlns", NAMESPACE)])))?;
        xml.write_event(Event::Start(BytesStart::new("BkToCstmrStmt")))?;
        self.header(&mut xml)
    }

    fn line(&mut self, line: &Line, out: &mut Vec<u8>) -> io::Result<()> {
        Writer::new(out).create_element("Ntry").write_inner_content(|xml| self.entry(xml, line))?;
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut xml = Writer::new(out);
        ["Stmt", "BkToCstmrStmt", "Document"]
            .into_iter()
            .try_for_each(|name| xml.write_event(Event::End(BytesEnd::new(name))))
    }
}

/// Received or issued credit transfers, booked within the ledger.
fn code(xml: &mut Xml<'_>, amount: i64) -> io::Result<()> {
    let family = if amount < 0 { "ICDT" } else { "RCDT" };
    xml.create_element("BkTxCd").write_inner_content(|xml| {
        xml.create_element("Domn").write_inner_content(|xml| {
            text(xml, "Cd", "PMNT")?;
            xml.create_element("Fmly").write_inner_content(|xml| {
                text(xml, "Cd", family)?;
                text(xml, "SubFmlyCd", "BOOK")
            })?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

/// An account of ours: no IBAN, and without hyphens because the standard has 34 characters for it.
fn account(xml: &mut Xml<'_>, id: AccountId) -> io::Result<()> {
    xml.create_element("Id").write_inner_content(|xml| {
        let id = id.as_uuid().simple().to_string();
        xml.create_element("Othr").write_inner_content(|xml| text(xml, "Id", &id))?;
        Ok(())
    })?;
    Ok(())
}

fn text(xml: &mut Xml<'_>, name: &str, content: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(content)).map(drop)
}

/// What somebody wrote, cut to what the standard has room for; left out when nothing is left of it.
fn optional(xml: &mut Xml<'_>, name: &str, content: &str, most: usize) -> io::Result<()> {
    let content: String = sound(content).chars().take(most).collect();
    if content.is_empty() { Ok(()) } else { text(xml, name, &content) }
}

/// Without the characters that XML 1.0 cannot hold, not even escaped (section 2.2).
fn sound(text: &str) -> String {
    let is_char = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    text.chars().filter(is_char).collect()
}

fn instant(micros: i64) -> String {
    rfc3339(from_micros(micros))
}

const fn direction(minor: i64) -> &'static str {
    if minor < 0 { "DBIT" } else { "CRDT" }
}
