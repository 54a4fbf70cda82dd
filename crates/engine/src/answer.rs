//! What a receiver answers when it takes a record: the receipt of its books, if it gives them so.

use std::panic::{AssertUnwindSafe, catch_unwind};

use samspor_domain::store::{Read, Result as StoreResult};
use samspor_domain::{Decode, Delivery, Message, Receipt, Sent};

use crate::blocking;
use crate::careful::Doubts;
use crate::deliver::{Flight, Means, Outlet, Step};

const WHAT_TO_DO: &str = "The record is delivered and its receipt stays awaited: let the receiver answer with a receipt as \
                          docs/http.md has it, or with nothing, and bring what is missing over a queue (`receipts_of`)";

impl Outlet {
    /// Hears what a receiver answered to the records of a flight.
    pub(crate) fn hear_all(
        &mut self,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        flight: &Flight,
        sent: &[Sent],
    ) -> StoreResult<()> {
        if self.answers.is_none() {
            return Ok(());
        }
        let mut sent = sent;
        for (step, count) in &flight.steps {
            let (own, others) = sent.split_at(sent.len().min(*count));
            self.hear(means, doubts, step, own)?;
            sent = others;
        }
        Ok(())
    }

    /// Hears what a receiver answered to a record. A receipt is kept until it is noted that the record was handed over,
    /// and is booked in the same transaction: the record is not sent again, so nothing else would bring it.
    pub(crate) fn hear(
        &mut self,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        step: &Step,
        sent: &[Sent],
    ) -> StoreResult<()> {
        let Some(decoder) = self.answers.clone() else { return Ok(()) };
        for sent in sent.iter().filter(|sent| sent.is_delivered()) {
            let heard = match sent {
                Sent::Answered(Ok(answer)) => {
                    blocking::in_place(|| self.receipt(&mut *means.reader, &*decoder, step, answer))?
                }
                Sent::Answered(Err(why)) => Err(why.clone()),
                _ => {
                    means.handle.misunderstood.forget(&self.name); // It has not said anything that would be misunderstood.
                    continue;
                }
            };
            match heard {
                Ok(receipt) => {
                    means.handle.misunderstood.forget(&self.name);
                    doubts.answered(step.seq, receipt);
                }
                Err(why) => {
                    let why =
                        format!("the receiver answered a record with no receipt of it: {why}. {WHAT_TO_DO}");
                    means.handle.misunderstood.tell(&self.name, why, means.status);
                }
            }
        }
        Ok(())
    }

    /// The receipt of a record in an answer to it, or why it is none; without a word of the answer.
    fn receipt(
        &mut self,
        reader: &mut dyn Read,
        decoder: &dyn Decode,
        step: &Step,
        answer: &Delivery,
    ) -> StoreResult<Result<Receipt, String>> {
        let Some(posting) = reader.posting(step.posting)? else {
            return Ok(Err("its posting was purged meanwhile".into()));
        };
        let (source, _) = self.scribe.source(reader, &posting)?;
        // A decoder is pure, so one that panics leaves nothing half done.
        let items = catch_unwind(AssertUnwindSafe(|| decoder.decode(&source, answer))).unwrap_or_default();
        let [item] = &items[..] else { return Ok(Err("the body is not one message".into())) };
        Ok(match &item.content {
            Ok(Message::Receipt(receipt)) => {
                let is_of_it = receipt.source == source
                    && receipt.posting == posting.posting.id
                    && receipt.revision == step.revision;
                is_of_it.then(|| receipt.clone()).ok_or_else(|| "it is of another posting or revision".into())
            }
            Ok(_) => Err("it is a message of another type".into()),
            Err(fault) => Err(match &fault.path {
                Some(path) => format!("{} ({path}: {})", fault.reason.word(), fault.message),
                None => format!("{} ({})", fault.reason.word(), fault.message),
            }),
        })
    }
}
