//! `samspor check --broker`: the configuration against the brokers as they are. [`look()`] asks, [`rules`] turn what was
//! seen into findings, and [`report`] prints them.

mod folder;
mod keys;
mod look;
mod report;
mod rules;

pub(crate) use look::look;
