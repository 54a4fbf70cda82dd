//! The systems that receive in a campaign, and what people do meanwhile: they open a month whose books were closed, and
//! release what the brake holds.

use anyhow::{Context as _, Result, ensure};
use samspor_domain::Untagged;
use samspor_town::source;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::site::{LOOK, RECEIPTS};
use super::{CLOSED, ERP, LEDGER, LIMIT, LIS, QUEUE, Receiver, Sender, Site};
use crate::gateway::Running;
use crate::rabbitmq::Node;

/// What all targets of a site have received.
pub struct Receivers {
    /// The ledger, over the broker. In business it gives receipts over a queue.
    pub ledger: Receiver,
    /// The leadership-information system, over the broker.
    pub lis: Receiver,
    /// A second ledger, over HTTP, which answers with receipts; in business only.
    pub erp: Option<Receiver>,
    /// What was done in business.
    pub business: Option<Business>,
}

/// What came of the closed month, the brake and the receipts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Business {
    /// Records that the closed month held up when it was opened, of both ledgers.
    pub closed: usize,
    /// Facts that the brake held, and that were released.
    pub held: usize,
    /// Postings that they were to change, as their previews said.
    pub previewed: u64,
    /// Feed records that came of the release in the course of the campaign, while nothing else came.
    pub recorded: usize,
    /// By ledger: records that its books accepted and rejected, of those that it keeps.
    pub booked: Vec<(&'static str, i64, i64)>,
}

impl Business {
    /// An error unless all of it happened.
    pub fn all_happened(&self) -> Result<()> {
        let Self { closed, held, previewed, recorded, booked } = self;
        let counts = [*closed, *held, usize::try_from(*previewed)?, *recorded];
        let receipts = booked.iter().all(|(_, accepted, rejected)| *accepted > 0 && *rejected > 0);
        ensure!(counts.iter().all(|count| *count > 0) && receipts, "not everything happened: {self:?}");
        Ok(())
    }
}

impl Receivers {
    /// Those of a site.
    #[must_use]
    pub fn of(site: &Site) -> Self {
        let (ledger, lis) = (Receiver::new(&site.url, LEDGER), Receiver::new(&site.url, LIS));
        match site.business() {
            None => Self { ledger, lis, erp: None, business: None },
            Some((seed, book)) => Self {
                ledger: ledger.giving_receipts(&format!("{QUEUE}{RECEIPTS}"), seed),
                lis,
                erp: Some(Receiver::of_book(book)),
                business: Some(Business::default()),
            },
        }
    }

    /// Those who get the whole tag with the posting's own id, by the name of their target.
    pub fn ledgers(&self) -> impl Iterator<Item = (&'static str, &Receiver)> {
        [("ledger", &self.ledger)].into_iter().chain(self.erp.as_ref().map(|erp| (ERP, erp)))
    }

    /// Takes what has come by now, and gives receipts: how many records came.
    pub async fn collect(&mut self) -> Result<usize> {
        let mut came = self.ledger.collect().await? + self.lis.collect().await?;
        if let Some(erp) = &mut self.erp {
            came += erp.collect().await?;
        }
        Ok(came)
    }

    /// In the course of a campaign: opens the closed month, of which nothing was sent until then; lets facts come late, of
    /// which the brake holds those that reach too much; and releases what it holds. Nothing else may be sent meanwhile.
    /// The late facts are the registry's up to a share of them, counted in parts of `of`.
    pub async fn decide(
        &mut self,
        site: &Site,
        running: &mut Running,
        sender: &mut Sender,
        (share, of): (usize, usize),
    ) -> Result<()> {
        site.wait_until_idle(running).await?;
        self.collect().await?;
        if self.business.is_none() {
            return Ok(());
        }
        for (name, receiver) in self.ledgers() {
            let sent = receiver.of_month(CLOSED);
            ensure!(sent == 0, "{sent} records of {CLOSED} are at the {name}, and its books are closed");
        }
        let closed = site.parked()?;
        site.open_month()?;
        running.hang_up().await?;
        let deadline = Instant::now() + LIMIT;
        while site.parked()? > 0 {
            running.still_runs()?;
            ensure!(Instant::now() < deadline, "{} records of the opened month stay parked", site.parked()?);
            tokio::time::sleep(LOOK).await;
        }
        site.wait_until_idle(running).await?;
        sender.send_surely(&[source::REGISTRY], share, of).await?;
        site.wait_until_idle(running).await?;
        let before = site.last_record()?;
        // One after the other: releasing one changes what another would.
        loop {
            let since = site.last_record()?;
            let Some(tags) = self.release(site).await? else { break };
            site.wait_until_idle(running).await?;
            let recorded = site.last_record()? - since;
            ensure!(
                recorded >= tags,
                "a change of {tags} tags was released, and {recorded} records came of it"
            );
        }
        let recorded = site.last_record()? - before;
        if let Some(business) = &mut self.business {
            (business.closed, business.recorded) = (closed, recorded);
        }
        self.collect().await?;
        // Its receipts, too.
        site.wait_until_idle(running).await
    }

    /// Releases a change that is held, if there is one: how many tags it changes, as its preview says.
    async fn release(&mut self, site: &Site) -> Result<Option<usize>> {
        let Some(business) = &mut self.business else { return Ok(None) };
        let listed: Value =
            serde_json::from_str(&site.program.run(&["held", "list"], &["--json"], &[0]).await?)?;
        let mut changes = listed.as_array().context("a list")?.iter();
        let Some(change) = changes.find(|change| change["weighing"] != true) else { return Ok(None) };
        // Another reason to be untagged makes no record.
        let is_tag = |word: &Value| Untagged::ALL.iter().all(|reason| *word != reason.word());
        let shifts = || change["preview"].as_array().into_iter().flatten();
        let previewed: u64 = shifts().filter_map(|shift| shift["postings"].as_u64()).sum();
        let tags = shifts().filter(|shift| is_tag(&shift["from"]) || is_tag(&shift["to"]));
        let tags: u64 = tags.filter_map(|shift| shift["postings"].as_u64()).sum();
        ensure!(previewed > super::site::BRAKE, "a change of {previewed} postings is held");
        let (number, version) = (change["number"].to_string(), change["version"].to_string());
        let options = ["--number", &number, "--fact-version", &version];
        site.program.run(&["held", "release"], &options, &[0]).await?;
        business.held += 1;
        business.previewed += previewed;
        Ok(Some(usize::try_from(tags)?))
    }

    /// Waits until nothing is left to do: nothing waits for the gateway, nothing is held, and every record that came has
    /// its receipt.
    pub async fn settle(&mut self, site: &Site, node: &Node, running: &mut Running) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            site.wait_until_done(node, running).await?;
            if self.release(site).await?.is_none() && self.collect().await? == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "waited {LIMIT:?}, and there is always more");
        }
    }
}
