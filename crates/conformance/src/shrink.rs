//! From a script that fails to a short one that fails in the same way: things are left out as long as it still does.

use crate::{Failure, Script, Step};

/// How often a script is played while it is made shorter.
const PLAYS: usize = 600;

/// Leaves out of a failing script what it takes not to fail. `fails` plays a script.
pub fn shrink(
    script: Script,
    failure: Failure,
    fails: impl Fn(&Script) -> Option<Failure>,
) -> (Script, Failure) {
    let mut state = Shrinking { script, failure, fails, plays: 0 };
    loop {
        let before = state.script.clone();
        // Whatever comes after the failure is not needed, so the end goes first.
        state.leave_out(
            |script| script.steps.len(),
            |script, gone| {
                let mut i = 0;
                script.steps.retain(|_| {
                    i += 1;
                    !gone.contains(&(i - 1))
                });
            },
        );
        state.leave_out(Script::arrivals, |script, gone| {
            let mut i = 0;
            for step in &mut script.steps {
                if let Step::Take(items) = step {
                    items.retain(|_| {
                        i += 1;
                        !gone.contains(&(i - 1))
                    });
                }
            }
            script.steps.retain(|step| *step != Step::Take(Vec::new()));
        });
        if state.script == before || state.plays >= PLAYS {
            return (state.script, state.failure);
        }
    }
}

struct Shrinking<F> {
    script: Script,
    failure: Failure,
    fails: F,
    plays: usize,
}

impl<F: Fn(&Script) -> Option<Failure>> Shrinking<F> {
    /// Leaves out ranges of what a script has so many of, halves first, then less and less.
    fn leave_out(&mut self, count: fn(&Script) -> usize, leave: fn(&mut Script, std::ops::Range<usize>)) {
        let mut size = count(&self.script).div_ceil(2);
        while size > 0 && self.plays < PLAYS {
            let mut end = count(&self.script);
            while end > 0 && self.plays < PLAYS {
                let start = end.saturating_sub(size);
                let mut shorter = self.script.clone();
                leave(&mut shorter, start..end);
                self.plays += 1;
                if let Some(failure) = (self.fails)(&shorter).filter(|f| f.check == self.failure.check) {
                    (self.script, self.failure) = (shorter, failure);
                }
                end = start;
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}
