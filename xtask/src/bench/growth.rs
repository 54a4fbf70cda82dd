//! `cargo xtask growth`: how the figures move as the journal, the citizens, the sources, the targets and the bodies grow.

use anyhow::{Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::arena::{Arena, Filled, Moved};
use super::contender::Contender;
use super::load::Load;
use super::page;
use crate::soak::{commit, machine, now};
use crate::{broker, build};

/// How growth is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// Install what is missing without asking.
    #[arg(long)]
    yes: bool,
    /// Postings in each round.
    #[arg(long, default_value_t = 60_000)]
    postings: usize,
    /// The largest journal, in postings.
    #[arg(long, default_value_t = 10_000_000)]
    most: usize,
    /// Leave docs/performance.md and its plots as they are.
    #[arg(long)]
    keep_page: bool,
    /// Only these: journal, enrolled, sources, targets, bodies, files.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Journal,
    Enrolled,
    Sources,
    Targets,
    Bodies,
    Files,
}

impl What {
    pub(super) const ALL: [Self; 6] =
        [Self::Journal, Self::Enrolled, Self::Sources, Self::Targets, Self::Bodies, Self::Files];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Enrolled => "enrolled",
            Self::Sources => "sources",
            Self::Targets => "targets",
            Self::Bodies => "bodies",
            Self::Files => "files",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Journal => "postings in the journal",
            Self::Enrolled => "enrolled citizens",
            Self::Sources => "sources",
            Self::Targets => "targets",
            Self::Bodies => "bytes of a body",
            Self::Files => "lines of a file",
        }
    }

    /// The loads, smallest first. All but the journal's own have a journal of 100,000 postings.
    fn loads(self, most: usize) -> Vec<(usize, Load)> {
        let small = Load { before: 100_000, ..Load::default() };
        let each = |sizes: &[usize], load: &dyn Fn(usize) -> Load| {
            sizes.iter().map(|size| (*size, load(*size))).collect::<Vec<_>>()
        };
        match self {
            Self::Journal => {
                let mut sizes = vec![100_000, 1_000_000, most];
                sizes.retain(|size| *size <= most);
                sizes.dedup();
                each(&sizes, &|before| Load { before, ..small })
            }
            Self::Enrolled => each(&[100, 10_000, 100_000], &|enrolled| Load { enrolled, ..small }),
            Self::Sources => each(&[1, 2, 4, 8], &|sources| Load { sources, ..small }),
            Self::Targets => each(&[1, 2, 4], &|targets| Load { targets, ..small }),
            Self::Bodies => each(&[300, 900, 10_000, 100_000], &|body| Load { body, ..small }),
            Self::Files => each(&[10, 1_000, 100_000], &|lines| Load { lines, ..small }),
        }
    }
}

/// What came of it all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Growth {
    pub(super) began: String,
    pub(super) commit: String,
    pub(super) machine: (usize, u64),
    pub(super) points: Vec<Point>,
}

/// One size of one thing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Point {
    pub(super) what: String,
    pub(super) size: usize,
    pub(super) filled: Filled,
    /// Every posting tagged, and every twentieth.
    pub(super) tagged: Moved,
    pub(super) twentieth: Moved,
    /// How long a start took until the gateway said that it was ready, in seconds.
    pub(super) ready_s: f64,
    /// From when an enrolment was sent that concerns 2,000 postings of the journal until all their records were at the
    /// target, in seconds.
    pub(super) late_enrolment_s: f64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let unknown = options.only.iter().find(|only| !What::ALL.iter().any(|what| what.name() == *only));
    let names = || What::ALL.map(What::name).join(", ");
    ensure!(
        unknown.is_none(),
        "nothing grows that is called {}; there are {}",
        unknown.map_or("", |s| s),
        names()
    );
    broker::ensure_installed(options.yes)?;
    println!("Building the gateway, optimised …");
    let programs = build::optimised()?;
    let dir = build::root().join("target/bench");
    std::fs::create_dir_all(&dir)?;
    let mut arena = Arena::open(&dir, programs).await?;
    let mut growth = Growth { began: now(), commit: commit(), machine: machine(), points: Vec::new() };
    for what in What::ALL {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == what.name()) {
            continue;
        }
        for (size, load) in what.loads(options.most) {
            let point = point(&mut arena, what, size, load, options.postings).await?;
            println!(
                "{} {size}: {:.0}/s tagged, {:.0}/s with 5 %, {:.0} MiB, ready after {:.2} s, late enrolment {:.2} s",
                what.title(),
                point.tagged.per_second,
                point.twentieth.per_second,
                point.tagged.peak_mib,
                point.ready_s,
                point.late_enrolment_s
            );
            growth.points.push(point);
            // What was measured stays, whatever becomes of the next.
            std::fs::write(dir.join("growth.json"), serde_json::to_string_pretty(&growth)?)?;
        }
    }
    println!("The figures are in target/bench/growth.json.");
    if !options.keep_page {
        page::keep("growth", &growth)?;
        println!("docs/performance.md tells of this run.");
    }
    Ok(())
}

async fn point(arena: &mut Arena, what: What, size: usize, load: Load, postings: usize) -> Result<Point> {
    let filled = arena.fill(load).await?;
    // Of large bodies fewer are enough, and the broker has to hold them; of large files there are three, so that the
    // first one is not all.
    let postings = postings.min(200_000_000 / load.body).max(load.lines * 3);
    let tag = |which| format!("{}-{size}-{which}", what.name());
    let tagged = arena.round(Contender::Tagged, &tag("all"), postings).await?;
    let twentieth = arena.round(Contender::Twentieth, &tag("few"), postings).await?;
    let (ready_s, late_enrolment_s) = arena.late_enrolment().await?;
    Ok(Point { what: what.name().to_owned(), size, filled, tagged, twentieth, ready_s, late_enrolment_s })
}
