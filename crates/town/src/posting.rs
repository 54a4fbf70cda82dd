//! A posting of the town before it is written in its system's format.

use jiff::civil::Date;
use samspor_domain::Answer;
use serde_json::{Value, json};

use crate::account::Written;
use crate::json;
use crate::message::{Expectation, Message, Outcome, Stage};
use crate::oracle;
use crate::person::{cpr_writings, uuid_writings};
use crate::seed::Dice;
use crate::source;

/// A posting, whole but for its id.
#[derive(Clone)]
pub(crate) struct Posting {
    pub(crate) date: Date,
    pub(crate) account: Written,
    /// In øre.
    pub(crate) ore: i64,
    pub(crate) citizen: Option<Citizen>,
    /// System and id of the grant that it says it pays.
    pub(crate) grant: Option<(&'static str, String)>,
    pub(crate) voucher: Option<String>,
    pub(crate) reverses: Option<String>,
    /// What the voucher says; never stored.
    pub(crate) text: String,
    /// What the gateway must answer.
    pub(crate) answer: Answer,
}

/// How a posting names its citizen.
#[derive(Clone)]
pub(crate) enum Citizen {
    Cpr(String),
    Uuid(String),
    /// An id of the finance system itself.
    Local(String),
    /// System and case.
    Case(&'static str, String),
}

impl Posting {
    /// What must come of it under that id.
    pub(crate) fn expectation(&self, id: &str) -> Outcome {
        let account = (self.account.account.parse())
            .unwrap_or_else(|_| unreachable!("the town's accounts are written in normal form"));
        Outcome::Posting(Box::new(Expectation {
            id: id.to_owned(),
            date: self.date,
            account,
            amount: oracle::amount(self.ore),
            answer: self.answer.clone(),
        }))
    }

    /// Opus' message with it.
    pub(crate) fn to_opus(&self, id: &str, dice: &mut Dice) -> Message {
        let mut message = self.json(id, dice);
        if dice.once_in(6) {
            message["text"] = self.text.clone().into();
        }
        let (content_type, body) = json::body(message, dice);
        let outcomes = vec![self.expectation(id)];
        Message { stage: Stage::Postings, source: source::OPUS, content_type, body, outcomes }
    }

    fn json(&self, id: &str, dice: &mut Dice) -> Value {
        let mut message = json!({
            "type": "posting", "id": id, "date": self.date.to_string(), "amount": json::loose_amount(self.ore, dice),
        });
        json::put_account(&mut message, &self.account);
        if let Some(citizen) = &self.citizen {
            message["citizen"] = citizen.json(dice);
        }
        if let Some((system, grant)) = &self.grant {
            message["grant"] = json!({"system": system, "grant": grant});
        }
        for (key, text) in [("voucher", &self.voucher), ("reverses", &self.reverses)] {
            // Null and absent are the same.
            if text.is_some() || dice.once_in(4) {
                message[key] = json!(text);
            }
        }
        message
    }
}

impl Citizen {
    /// As a reference in the canonical JSON, in one of its writings.
    pub(crate) fn json(&self, dice: &mut Dice) -> Value {
        match self {
            Self::Cpr(cpr) => json!({"cpr": cpr_writings(cpr)[dice.one_of(&[0, 0, 1, 2])]}),
            Self::Uuid(uuid) => json!({"uuid": uuid_writings(uuid)[dice.below(4)]}),
            // Within its own source a system may leave out its name.
            Self::Local(id) if dice.once_in(2) => json!({"id": id}),
            Self::Local(id) => json!({"system": source::OPUS, "id": id}),
            Self::Case(system, case) => json!({"system": system, "case": case}),
        }
    }
}
