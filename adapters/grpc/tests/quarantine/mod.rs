//! The quarantine over gRPC: pages, frozen sets, releases, discards, and what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use samspor_domain::quarantine::{Filter, Standing};
use samspor_domain::{Decode, Delivery, Fault, Item, Message, Posting, Reason, SourceName, Text};
use samspor_engine::{Intake, Permissions};
use samspor_grpc::client::{Channel, Code, QuarantineServiceClient, StatusExt, connect};
use samspor_grpc::v1::{self, Becoming, QuarantineState, discard_request, preview_release_request};

use crate::gateway::{Front, settings, with_front};

/// Reads a body as the id of a posting, once it is mended; but for `bad`.
#[derive(Clone, Default)]
pub(crate) struct Ids(Arc<AtomicBool>);

impl Decode for Ids {
    fn decode(&self, _: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let id = std::str::from_utf8(&delivery.body).expect("an id");
        let content = if id == "bad" || !self.0.load(Ordering::SeqCst) {
            Err(Fault::at(Reason::InvalidAmount, "parts[3].amount", "must have two decimals"))
        } else {
            Ok(Message::Posting(Posting {
                id: Text::new(id).expect("an id"),
                date: "2026-03-14".parse().expect("a date"),
                account: "5.28.21".parse().expect("an account"),
                grouping: None,
                cost_centre: None,
                amount: "100".parse().expect("an amount"),
                citizen: None,
                grant: None,
                voucher: None,
                reverses: None,
            }))
        };
        vec![Item { content, excerpt: None, ignored_fields: 0 }]
    }
}

/// Puts bodies in quarantine. Answers what mends them, and a client.
pub(crate) async fn filled(front: &Front, bodies: &[&str]) -> (Ids, QuarantineServiceClient<Channel>) {
    let ids = Ids::default();
    let intake = Intake {
        source: Text::new("opus").expect("a name"),
        decoder: Arc::new(ids.clone()),
        may_send: Permissions::all(),
        max_body_bytes: 100,
    };
    front.handle().intakes().set([intake.clone()]);
    for body in bodies {
        let delivery = Delivery { body: (*body).to_owned().into(), ..Delivery::default() };
        front.handle().take_in(intake.prepare(&delivery)).await.expect("taken in");
    }
    (ids, QuarantineServiceClient::new(connect(&front.url).await.expect("the front answers")))
}

/// Of each fate how many.
fn sum(entries: &[v1::EntryFate]) -> BTreeMap<(Becoming, Option<&str>), i64> {
    let mut sum = BTreeMap::new();
    for fate in entries.iter().flat_map(|entry| &entry.fates) {
        *sum.entry((fate.becoming(), fate.reason.as_deref())).or_default() += fate.count;
    }
    sum
}

pub(crate) fn of(filter: v1::QuarantineFilter) -> v1::PreviewReleaseRequest {
    v1::PreviewReleaseRequest { of: Some(preview_release_request::Of::Filter(filter)), ..Default::default() }
}

pub(crate) fn discard(what: discard_request::What, reason: &str) -> v1::DiscardRequest {
    v1::DiscardRequest { what: Some(what), reason: reason.into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_listed_by_pages_shown_and_grouped() {
    with_front(settings(), async |front| {
        let (_, mut client) = filled(front, &["a", "b", "c", "d", "e"]).await;
        for newest_first in [false, true] {
            let (mut numbers, mut page_token) = (Vec::new(), String::new());
            loop {
                let request =
                    v1::ListQuarantineRequest { page_size: 2, page_token, newest_first, filter: None };
                let page = client.list_quarantine(request).await.expect("lists").into_inner();
                assert!(page.entries.len() <= 2);
                numbers.extend(page.entries.iter().map(|entry| entry.number));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let mut right = [1, 2, 3, 4, 5];
            if newest_first {
                right.reverse();
            }
            assert_eq!(numbers, right);
        }
        let state = QuarantineState::Discarded.into();
        let filter = Some(v1::QuarantineFilter { state, ..Default::default() });
        let request = v1::ListQuarantineRequest { filter, ..Default::default() };
        assert!(client.list_quarantine(request).await.expect("lists").into_inner().entries.is_empty());

        let shown = client.get_quarantined(v1::GetQuarantinedRequest { number: 3 }).await.expect("shows");
        let shown = shown.into_inner();
        let entry = shown.entry.expect("an entry");
        assert_eq!((entry.source.as_str(), entry.reason.as_str()), ("opus", "invalid-amount"));
        assert_eq!((entry.path.as_deref(), entry.state()), (Some("parts[3].amount"), QuarantineState::Open));
        // This front was given nothing that masks, so it shows nothing.
        let body = shown.body.expect("a body");
        assert_eq!((body.byte_count, body.text.as_str(), body.cut), (1, "", true));
        let status = client.get_quarantined(v1::GetQuarantinedRequest { number: 6 }).await.expect_err("none");
        assert_eq!(status.code(), Code::NotFound);

        let groups =
            client.group_quarantine(v1::GroupQuarantineRequest { filter: None }).await.expect("groups");
        let groups = groups.into_inner().groups;
        assert_eq!(
            (groups.len(), groups[0].path.as_deref(), groups[0].count),
            (1, Some("parts[*].amount"), 5)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_previewed_set_is_released_once_and_the_rest_discarded() {
    with_front(settings(), async |front| {
        let (ids, mut client) = filled(front, &["a", "b", "bad", "c"]).await;
        let status =
            client.preview_release(v1::PreviewReleaseRequest::default()).await.expect_err("of nothing");
        assert_eq!(status.code(), Code::InvalidArgument);
        let preview = client.preview_release(of(v1::QuarantineFilter::default())).await.expect("previews");
        let preview = preview.into_inner();
        let set = preview.set.expect("a set");
        assert_eq!((set.count, preview.next_after), (4, 0));
        let faulty = (Becoming::Quarantined, Some("invalid-amount"));
        assert_eq!(sum(&preview.entries), [(faulty, 4)].into());

        // Mended; one comes later, and one is discarded meanwhile.
        ids.0.store(true, Ordering::SeqCst);
        let again = v1::PreviewReleaseRequest {
            of: Some(preview_release_request::Of::Set(set.number)),
            ..Default::default()
        };
        let preview = client.preview_release(again).await.expect("previews").into_inner();
        assert_eq!(sum(&preview.entries), [((Becoming::Posting, None), 3), (faulty, 1)].into());
        let one =
            client.discard(discard(discard_request::What::Number(4), "not needed")).await.expect("discards");
        assert_eq!(one.into_inner(), v1::DiscardResponse { discarded: 1, settled: 0 });

        // Two callers at once, and then once more.
        let request = v1::ReleaseRequest { set: set.number, after: 0 };
        let mut other = client.clone();
        let (one, two) = tokio::join!(client.release(request), other.release(request));
        let mut both: BTreeMap<_, i64> = BTreeMap::new();
        let (one, two) = (one.expect("releases").into_inner(), two.expect("releases").into_inner());
        for (fate, count) in sum(&one.entries).into_iter().chain(sum(&two.entries)) {
            *both.entry(fate).or_default() += count;
        }
        let settled = (Becoming::Settled, None);
        assert_eq!(both, [((Becoming::Posting, None), 2), (settled, 4), (faulty, 2)].into());
        let third = client.release(request).await.expect("releases").into_inner();
        assert_eq!(sum(&third.entries), [(settled, 3), (faulty, 1)].into());

        let rest = client.discard(discard(discard_request::What::Set(set.number), "the rest")).await;
        assert_eq!(rest.expect("discards").into_inner(), v1::DiscardResponse { discarded: 1, settled: 3 });
        let filter = Filter { standing: Some(Standing::Open), ..Filter::default() };
        assert!(front.reader().groups(&filter).expect("the store answers").is_empty());
        let list =
            client.list_quarantine(v1::ListQuarantineRequest::default()).await.expect("lists").into_inner();
        assert_eq!(list.entries[0].became, [("postings".to_owned(), 1)].into());
        assert_eq!(list.entries[2].discarded_because.as_deref(), Some("the rest"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_malformed_is_refused_at_its_place_and_changes_nothing() {
    with_front(settings(), async |front| {
        let (_, mut client) = filled(front, &["a"]).await;
        let filter = v1::QuarantineFilter {
            source: Some(String::new()),
            reason: Some("because".into()),
            from: Some("2026-03-15".into()),
            state: 9,
            ..Default::default()
        };
        let request =
            v1::ListQuarantineRequest { filter: Some(filter), page_token: "x".into(), ..Default::default() };
        let status = client.list_quarantine(request).await.expect_err("refused");
        let violations = status.get_details_bad_request().expect("details").field_violations;
        let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["filter.source", "filter.reason", "filter.from", "filter.state", "page_token"]);

        let entry = discard_request::What::Number(1);
        for why in ["", "of 611280-1234", "0F8FAD5BD9CB469FA16570867728950E", "a\nb", &"x".repeat(121)] {
            let status = client.discard(discard(entry, why)).await.expect_err("refused");
            assert_eq!(status.code(), Code::InvalidArgument, "{why}");
            assert!(!status.message().contains("1234"), "it quotes nothing");
        }
        for what in [discard_request::What::Number(2), discard_request::What::Set(1)] {
            let status = client.discard(discard(what, "not needed")).await.expect_err("refused");
            assert_eq!(status.code(), Code::NotFound);
        }
        let status = client.release(v1::ReleaseRequest { set: 1, after: 0 }).await.expect_err("refused");
        assert_eq!(status.code(), Code::NotFound);
        let state = QuarantineState::Open.into();
        let filter = Some(v1::QuarantineFilter { state, ..Default::default() });
        let open = client.group_quarantine(v1::GroupQuarantineRequest { filter }).await.expect("groups");
        assert_eq!(open.into_inner().groups[0].count, 1);
    })
    .await;
}
