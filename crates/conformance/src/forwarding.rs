//! What every store must do with the logs of targets that forward: order, once, gone when passed, no number twice, and all of
//! it undone with its transaction.

use samspor_domain::store::{NewPosting, Posted, Result as StoreResult, Sealed, Standing, Store};
use samspor_domain::{
    ForwardSum, Parked, Passage, Posting, PostingNo, Seq, SourceNo, Sum, Text, Untagged, Why,
};

use crate::check::{Check, Checked, Failure};
use crate::play::Open;

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn sealed(bytes: &str) -> Sealed {
    Sealed(bytes.as_bytes().to_vec())
}

fn must(holds: bool, what: &str) -> Checked {
    if holds { Ok(()) } else { Err(Failure::new(Check::Feed, what)) }
}

/// Runs something in a transaction of its own.
fn within<T>(store: &mut dyn Store, body: impl FnOnce(&mut dyn Store) -> StoreResult<T>) -> StoreResult<T> {
    store.begin()?;
    let done = body(store)?;
    store.commit()?;
    Ok(done)
}

/// The same, undone.
fn undone<T>(store: &mut dyn Store, body: impl FnOnce(&mut dyn Store) -> StoreResult<T>) -> StoreResult<()> {
    store.begin()?;
    body(store)?;
    store.rollback();
    Ok(())
}

fn post(store: &mut dyn Store, source: SourceNo, id: &str) -> StoreResult<PostingNo> {
    let posting = Posting {
        id: text(id),
        date: jiff::civil::date(2026, 3, 14),
        account: "5.28.21.1".parse().unwrap_or_else(|error| panic!("{error}")),
        grouping: None,
        cost_centre: None,
        amount: "1.00".parse().unwrap_or_else(|error| panic!("{error}")),
        citizen: None,
        grant: None,
        voucher: None,
        reverses: None,
    };
    let registered = "2026-03-15T08:00:00Z".parse().unwrap_or_else(|error| panic!("{error}"));
    let standing = Standing::Untagged(Untagged::NoCitizen);
    match store.post(&NewPosting { source, posting: &posting, registered, standing })? {
        Posted::New(no) => Ok(no),
        Posted::Known(row) => panic!("{id} is there as {:?}", row.no),
    }
}

fn waiting(store: &mut dyn Store, target: &Text, after: Seq, limit: usize) -> StoreResult<Vec<PostingNo>> {
    let rows = store.forward_after(target, after, limit)?;
    let numbers: Vec<(Seq, PostingNo)> = rows.iter().map(|(row, posting)| (row.no, posting.no)).collect();
    let bare = store.forward_waiting(target, after, limit)?;
    let bare: Vec<(Seq, PostingNo)> = bare.iter().map(|row| (row.no, row.posting.no)).collect();
    assert_eq!(numbers, bare, "the same with bodies and without");
    Ok(numbers.into_iter().map(|(_, posting)| posting).collect())
}

/// Takes a store through all that may be asked of these logs.
pub fn forwarding(open: &Open<'_>) -> Result<(), Failure> {
    let (line, other) = (text("line"), text("other"));
    let mut kept = open()?;
    let store = &mut *kept;
    let (source, nos) = within(store, |store| {
        let source = store.source(&text("prisme"))?;
        let nos = ["P-1", "P-2", "P-3"].into_iter().map(|id| post(store, source, id));
        Ok((source, nos.collect::<StoreResult<Vec<PostingNo>>>()?))
    })?;

    // A target begins once, and is none that reads the feed.
    undone(store, |store| store.begin_forwarding(&line, source))?;
    must(store.forwardings()?.is_empty(), "what is undone did not begin")?;
    for _ in 0..2 {
        within(store, |store| store.begin_forwarding(&line, source))?;
    }
    within(store, |store| store.begin_forwarding(&other, source))?;
    let known: Vec<(Text, SourceNo, Seq)> =
        store.forwardings()?.into_iter().map(|known| (known.target, known.source, known.cursor)).collect();
    must(
        known == [(line.clone(), source, Seq(0)), (other.clone(), source, Seq(0))],
        "the targets that began, by name, each once",
    )?;
    must(store.cursors()?.is_empty(), "a target that forwards does not read the feed")?;
    must(store.last_forward()? == Seq(0), "nothing was given a number")?;

    // Each has a log of its own, in the order in which it was appended to.
    undone(store, |store| store.forward(&line, nos[0], &sealed("body"), None))?;
    must(waiting(store, &line, Seq(0), 9)?.is_empty(), "what is undone is not there")?;
    let seqs = within(store, |store| {
        let mut seqs = Vec::new();
        for (at, no) in [2, 0, 1].map(|at| (at, nos[at])) {
            let tag = sealed("tag");
            let body = sealed(&format!("body {at}"));
            seqs.push(store.forward(&line, no, &body, Some(&tag).filter(|_| at != 1))?);
            store.forward(&other, no, &body, None)?;
        }
        Ok(seqs)
    })?;
    must(seqs.is_sorted_by(|a, b| a < b), "numbers grow")?;
    let order = [nos[2], nos[0], nos[1]];
    must(waiting(store, &line, Seq(0), 9)? == order, "all, in order")?;
    must(waiting(store, &other, Seq(0), 9)? == order, "all of the other's, in order")?;
    must(waiting(store, &line, seqs[0], 1)? == [nos[0]], "so many after a place")?;
    must(store.count_forward_after(&line, seqs[0])? == 2, "how many after a place")?;
    let row = store.forward_of(&line, nos[2])?;
    must(
        row.is_some_and(|row| {
            (row.no, row.body, row.tag) == (seqs[0], sealed("body 2"), Some(sealed("tag")))
        }),
        "one, whole",
    )?;
    must(store.forward_no(&line, nos[1])? == Some(seqs[2]), "its number")?;
    must(store.forward_tags(nos[2])? == [(seqs[0], sealed("tag"))], "the tags of one, in all logs")?;
    must(store.forward_tags(nos[1])?.is_empty(), "it has none")?;
    must(store.is_to_pass_on(nos[1])?, "it is to pass on")?;

    // A tag can be taken off, and the rest stays.
    undone(store, |store| store.blank_forward(seqs[0]))?;
    must(store.forward_tags(nos[2])?.len() == 1, "what is undone is not blank")?;
    within(store, |store| store.blank_forward(seqs[0]))?;
    let row = store.forward_of(&line, nos[2])?;
    must(row.is_some_and(|row| row.tag.is_none() && row.body == sealed("body 2")), "blank, but there")?;
    must(store.forward_tags(nos[2])?.is_empty(), "no tag is left of it")?;

    // What is parked stays, and says so.
    let since = "2026-03-15T08:00:00Z".parse().unwrap_or_else(|error| panic!("{error}"));
    let why = Why::Refused(3, "no".into());
    let parked =
        Parked { target: line.clone(), posting: nos[0], seq: seqs[1], why, since, is_released: false };
    within(store, |store| store.park(&parked))?;
    for (target, expected) in [(&line, [false, true, false]), (&other, [false; 3])] {
        let rows = store.forward_waiting(target, Seq(0), 9)?;
        let said: Vec<bool> = rows.iter().map(|row| row.is_parked).collect();
        must(said == expected, "those parked of this target, and no others")?;
    }

    // It leaves one log at a time, once, and no number is given twice.
    undone(store, |store| store.has_passed(&line, nos[1]))?;
    must(store.forward_no(&line, nos[1])?.is_some(), "what is undone has not passed")?;
    must(within(store, |store| store.has_passed(&line, nos[1]))?, "it was there")?;
    must(!within(store, |store| store.has_passed(&line, nos[1]))?, "it was not there any more")?;
    must(store.is_to_pass_on(nos[1])?, "it waits for the other")?;
    let last = store.last_forward()?;
    within(store, |store| {
        order.iter().try_for_each(|no| {
            store.has_passed(&line, *no)?;
            store.has_passed(&other, *no).map(drop)
        })
    })?;
    must(!store.is_to_pass_on(nos[1])?, "it waits for nobody")?;
    must(store.last_forward()? == last, "the last number stays when its row is gone")?;
    drop(kept);
    let mut kept = open()?;
    let store = &mut *kept;
    must(store.last_forward()? == last, "also after a while")?;
    let next = within(store, |store| store.forward(&line, nos[0], &sealed("again"), None))?;
    must(next > last, "a number is given once")?;

    // Sums are added up.
    let sum = |postings: i64| Sum { postings, ..Sum::default() };
    let month = jiff::civil::date(2026, 3, 1);
    let row = |passage, postings| ForwardSum { target: line.clone(), month, passage, sum: sum(postings) };
    let all = [row(Passage::Arrived, 3), row(Passage::Passed, 2), row(Passage::LeftOut, 1)];
    undone(store, |store| store.add_forwarded(&all))?;
    must(store.forward_sums()?.is_empty(), "what is undone adds nothing")?;
    for _ in 0..2 {
        within(store, |store| store.add_forwarded(&all))?;
    }
    let twice = [row(Passage::Arrived, 6), row(Passage::Passed, 4), row(Passage::LeftOut, 2)];
    must(store.forward_sums()? == twice, "each by itself")?;

    // The cursor is one's own.
    within(store, |store| store.advance(&line, next))?;
    let at: Vec<Seq> = store.forwardings()?.into_iter().map(|known| known.cursor).collect();
    must(at == [next, Seq(0)], "its own cursor")?;
    must(store.cursors()?.is_empty(), "and still none of the feed")?;

    // It is forgotten bit by bit, and the other stays.
    within(store, |store| store.has_passed(&line, nos[0]))?;
    undone(store, |store| store.forget_target(&line, 9))?;
    let mut slices = 1;
    while !within(store, |store| store.forget_target(&line, 1))? {
        slices += 1;
        must(slices < 9, "it comes to an end")?;
    }
    must(slices == 2, "what is parked first, then the rest")?;
    let left: Vec<Text> = store.forwardings()?.into_iter().map(|known| known.target).collect();
    must(left == [other], "only the other is left")?;
    must(store.forward_sums()?.is_empty(), "and no sums of it")
}
