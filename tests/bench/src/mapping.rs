//! Declared mappings: the same postings in each of the four forms that a mapping reads, as whole files. And payments in G68.
//!
//! They are timed and not counted: they are no part of the hot path that the baseline holds, and how fast they are depends
//! on what a mapping says.

use std::fmt::Write as _;
use std::hint::black_box;

use anyhow::{Result, anyhow, ensure};
use samspor_domain::{Decode, Delivery, Text};
use samspor_formats::mapping::{Decoder, Mapping};
use samspor_formats::{g68, g69};

use crate::{Listed, Work};

pub(crate) const STAGES: [Listed; 5] = [
    ("decode-g68", || {
        let settings = g68::Settings {
            encoding: g69::Encoding::Latin1,
            reference: 16,
            grant: 17,
            system: Text::new("dubu")?,
        };
        decoding(&g68::Decoder::new(settings), &lines(payment))
    }),
    ("decode-mapping-csv", || {
        let head = "Id;Dato;Konto;Beloeb;DK;Cpr;Bilag;Tekst\r\n";
        mapped("format = \"csv\"", "", &format!("{head}{}", lines(csv)))
    }),
    ("decode-mapping-fixed", || mapped(FIXED, "", &lines(fixed))),
    ("decode-mapping-json", || {
        let items = lines(json);
        mapped("format = \"json\"", "", &format!("[{}]", items.trim_end_matches([',', '\n'])))
    }),
    ("decode-mapping-xml", || {
        mapped("format = \"xml\"", "each = \"/Udtraek/Linje\"", &format!("<Udtraek>{}</Udtraek>", lines(xml)))
    }),
];

/// Postings in a file.
const LINES: usize = 1_000;

const FIELDS: &str = r#"
  [message.fields]
  id = "Id"
  date = { path = "Dato", format = "%d-%m-%Y" }
  account = "Konto"
  amount = { path = "Beloeb", decimal = ",", thousands = ".", sign = "trailing", negative = { path = "DK", is = "K" }, positive = { path = "DK", is = "D" } }
  citizen.cpr = { path = "Cpr", pad = 10 }
  voucher = "Bilag"
"#;

const FIXED: &str = r#"format = "fixed"
columns = [
  { name = "Id", at = 1, width = 12 }, { name = "Dato", at = 13, width = 10 }, { name = "Konto", at = 23, width = 16 },
  { name = "Beloeb", at = 39, width = 15 }, { name = "DK", at = 54, width = 1 }, { name = "Cpr", at = 55, width = 10 },
  { name = "Bilag", at = 65, width = 10 },
]"#;

/// What a posting of that number says: id, date, account, amount, debit or credit, CPR number, voucher.
fn said(number: usize) -> [String; 7] {
    [
        format!("2026-{number:06}"),
        format!("{:02}-03-2026", number % 28 + 1),
        "5282110417003499".to_owned(),
        format!("{}.{:03},50", number % 90 + 1, number % 1_000),
        (if number.is_multiple_of(9) { "K" } else { "D" }).to_owned(),
        format!("6{}12801234", number % 9 + 1),
        format!("B-{:06}", number / 4),
    ]
}

fn lines(line: fn(&mut String, [String; 7])) -> String {
    let mut file = String::new();
    (0..LINES).for_each(|number| line(&mut file, said(number)));
    file
}

fn csv(file: &mut String, said: [String; 7]) {
    let _ = write!(file, "{};\"Familiebehandling; uge 12\"\r\n", said.join(";"));
}

fn fixed(file: &mut String, [id, date, account, amount, side, cpr, voucher]: [String; 7]) {
    let _ = write!(file, "{id:<12}{date}{account}{amount:>15}{side}{cpr}{voucher:<10}Familiebehandling\r\n");
}

fn json(file: &mut String, [id, date, account, amount, side, cpr, voucher]: [String; 7]) {
    let _ = writeln!(
        file,
        r#"{{"Id":"{id}","Dato":"{date}","Konto":"{account}","Beloeb":"{amount}","DK":"{side}","Cpr":"{cpr}","Bilag":"{voucher}","Tekst":"Familiebehandling"}},"#
    );
}

fn xml(file: &mut String, [id, date, account, amount, side, cpr, voucher]: [String; 7]) {
    let _ = writeln!(
        file,
        "<Linje><Id>{id}</Id><Dato>{date}</Dato><Konto>{account}</Konto><Beloeb>{amount}</Beloeb><DK>{side}</DK><Cpr>{cpr}</Cpr><Bilag>{voucher}</Bilag><Tekst>Familiebehandling</Tekst></Linje>"
    );
}

fn payment(file: &mut String, [id, _, _, _, _, cpr, voucher]: [String; 7]) {
    let _ = write!(
        file,
        "000G68000010151011&020151&0300&0800001245050&09+&1002&11{cpr}&1220260331&16{id}&17{voucher}&40Familiebehandling\r\n"
    );
}

fn mapped(reads: &str, more: &str, body: &str) -> Result<Work> {
    let text = format!("[reads]\n{reads}\n\n[[message]]\ntype = \"posting\"\n{more}\n{FIELDS}");
    let mapping = Mapping::load(&text).map_err(|flaws| anyhow!("the mapping has flaws: {flaws:?}"))?;
    decoding(&Decoder::new(mapping), body)
}

fn decoding(decoder: &(impl Decode + Clone + 'static), body: &str) -> Result<Work> {
    let (name, decoder) = (Text::new("opus")?, decoder.clone());
    let delivery = Delivery { body: body.to_owned().into(), ..Delivery::default() };
    let decoded = decoder.decode(&name, &delivery);
    let fault = decoded.iter().find_map(|item| item.content.as_ref().err());
    ensure!(fault.is_none() && decoded.len() == LINES, "{} items, {fault:?}", decoded.len());
    Ok(Work::new(LINES, Some(body.len()), move || {
        black_box(decoder.decode(&name, black_box(&delivery)));
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_form_is_read() {
        for (name, make) in super::STAGES {
            make().unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }
}
