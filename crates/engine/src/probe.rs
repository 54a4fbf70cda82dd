//! Telling bad postings from a receiver that is out of order, in a log of which nothing is sent twice: where more of them
//! failed in a row than may, some of those behind are tried once each. The first that gets through is the proof, also for
//! those tried before it. It goes out of turn, since otherwise the line would stand still until somebody looked at it.

use samspor_domain::Publisher;
use samspor_domain::store::Seq;

use crate::blocking;
use crate::careful::{Doubts, Fell, How, InHand};
use crate::deliver::{Failure, Means, Outlet, Step};

impl Outlet {
    /// Tries what is behind an entry, from where this came the last time, so much of it as may fail in a row. Answers
    /// whether any of it got through. What did leaves the log at once.
    pub(crate) async fn probe(
        &mut self,
        publisher: &mut dyn Publisher,
        means: &mut Means<'_>,
        doubts: &mut Doubts,
        behind: Seq,
    ) -> Result<bool, Failure> {
        let mut left = self.policy.failing.max(1);
        while left > 0 {
            let after = doubts.probed.max(behind);
            let steps = blocking::in_place(|| self.read(means.reader, after))?;
            if steps.is_empty() {
                // Next time from the first one behind again.
                doubts.probed = Seq::default();
                return Ok(false);
            }
            for mut step in steps {
                if means.stop.is_cancelled() || left == 0 {
                    return Ok(false);
                }
                // Before it is tried, since it may end the connection.
                doubts.probed = step.seq;
                let is_to_go = step.handing.is_some() && !doubts.has(step.seq);
                if !is_to_go || !self.refresh(means.reader, &mut step)? {
                    continue;
                }
                left -= 1;
                match self.publish_alone(publisher, means, doubts, InHand::Proof, &step).await? {
                    None => {
                        self.got_through_first(means, doubts, step).await;
                        return Ok(true);
                    }
                    Some(Fell { why, how: How::Later, asked }) => return Err(Failure::Later(why, asked)),
                    Some(fell) => doubts.failed_behind(&step, fell, self.policy.tries),
                }
            }
        }
        Ok(false)
    }

    /// Notes what the receiver has before what lies in front of it.
    async fn got_through_first(&self, means: &mut Means<'_>, doubts: &mut Doubts, mut step: Step) {
        means.backoff.reset();
        doubts.went_through(&step);
        let mut advance = self.no_advance();
        advance.handed.extend(doubts.handing(&mut step));
        self.say(means.handle, doubts, advance).await;
        // It may not have left the log yet when that is read again.
        doubts.spare_delivered();
    }
}
