//! What callers put over gRPC: a byte that says which request it is, and the request as it comes over the wire.

use prost::Message as _;
use samspor_grpc::{Method, v1};

use crate::Corpus;

/// Reads a request as the front does. Answers whether it is a fact.
pub(crate) fn put(corpus: &Corpus, input: &[u8]) -> bool {
    let Some((method, bytes)) = input.split_first() else { return false };
    let method = Method::ALL[usize::from(*method) % Method::ALL.len()];
    let (read, again) = (method.read(bytes), method.read(bytes));
    assert!(read == again, "read again, it is something else");
    match read {
        Some(Ok(message)) => {
            corpus.shows_nobody(&message);
            true
        }
        Some(Err(faults)) => {
            assert!(!faults.is_empty(), "it is refused for no reason");
            faults.iter().for_each(|fault| corpus.quotes_nothing(fault));
            false
        }
        None => false,
    }
}

/// A good request of each kind, and one that lacks everything.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let text = str::to_owned;
    let cpr = |cpr: &str| v1::CitizenReference {
        reference: Some(v1::citizen_reference::Reference::Cpr(cpr.to_owned())),
    };
    let powers = || v1::Powers { grants: text("solution"), pays: text("area") };
    let solution = v1::Solution {
        id: text("sb-familier"),
        version: 1,
        name: text("SB Familier"),
        priority: Some(10),
        from_date: Some(text("2025-10-01")),
        baseline_days: 730,
        aftercare_days: 180,
        ceiling: Some(text("25000.00")),
        above_ceiling: Some(text("shared")),
        sides: vec![v1::SideRule {
            account: text("5.28.21"),
            side: v1::Side::Inside.into(),
            ..v1::SideRule::default()
        }],
        powers: vec![v1::PowerRule {
            account: text("5.28.21"),
            grouping: Some(text("003")),
            grants: text("solution"),
            pays: text("shared"),
            ..v1::PowerRule::default()
        }],
        default_powers: Some(powers()),
        claims: vec![v1::Claim {
            account: text("5.28.21"),
            cost_centre: Some(text("0417")),
            ..v1::Claim::default()
        }],
        ..v1::Solution::default()
    };
    let enrolment = v1::Enrolment {
        id: text("E-1"),
        version: 1,
        solution: text("sb-familier"),
        citizen: Some(cpr("6112801234")),
        family: Some(text("F-17")),
        from_date: text("2026-02-01"),
        ..v1::Enrolment::default()
    };
    let consent = v1::Consent {
        id: text("C-1"),
        version: 2,
        citizen: Some(cpr("6112801234")),
        sources: vec![text("opus"), text("dubu")],
        covers_from: text("2025-01-01"),
        given_on: Some(text("2026-01-20")),
        ..v1::Consent::default()
    };
    let identity = v1::Identity {
        id: text("I-1"),
        version: 1,
        kind: v1::IdentityKind::CprChange.into(),
        refs: vec![cpr("6112801234"), cpr("6212801234")],
    };
    let split = v1::Split {
        id: text("mentor"),
        version: 1,
        solution: text("sb-familier"),
        parts: vec![
            v1::Share { area: text("employment"), weight: 60 },
            v1::Share { area: text("health"), weight: 40 },
        ],
        account: Some(text("5.68.90")),
        ..v1::Split::default()
    };
    let grant = v1::SystemId { system: String::new(), id: text("B-12") };
    let posting = v1::Posting {
        id: text("P-1"),
        date: text("2026-03-14"),
        account: text("5.28.21.1"),
        amount: text("12450.00"),
        citizen: Some(cpr("6112801234")),
        grant: Some(grant),
        voucher: Some(text("V-1")),
        ..v1::Posting::default()
    };
    let case = v1::InvestmentCase {
        id: text("N-1"),
        version: 1,
        solution: text("sb-familier"),
        from_date: text("2026-01-01"),
        to_date: text("2029-12-31"),
        expected: vec![v1::ExpectedAmount { year: Some(2026), area: text("health"), amount: text("-1.00") }],
        ..v1::InvestmentCase::default()
    };
    let submit = |message| {
        let message = Some(v1::SourceMessage { message: Some(message) });
        v1::SubmitMessageRequest { source: text("source"), message }.encode_to_vec()
    };
    let (id, version) = (text("E-1"), 7);
    let kind = v1::FactKind::Enrolment.into();
    let requests = [
        (Method::PutSolution, v1::PutSolutionRequest { solution: Some(solution) }.encode_to_vec()),
        (Method::PutEnrolment, v1::PutEnrolmentRequest { enrolment: Some(enrolment) }.encode_to_vec()),
        (Method::PutConsent, v1::PutConsentRequest { consent: Some(consent) }.encode_to_vec()),
        (Method::PutIdentity, v1::PutIdentityRequest { identity: Some(identity) }.encode_to_vec()),
        (Method::PutSplit, v1::PutSplitRequest { split: Some(split) }.encode_to_vec()),
        (
            Method::PutInvestmentCase,
            v1::PutInvestmentCaseRequest { investment_case: Some(case) }.encode_to_vec(),
        ),
        (Method::DeleteFact, v1::DeleteFactRequest { kind, id: id.clone(), version }.encode_to_vec()),
        (Method::WithdrawConsent, v1::WithdrawConsentRequest { id, version }.encode_to_vec()),
        (Method::SubmitMessage, submit(v1::source_message::Message::Posting(posting))),
        (Method::SubmitMessage, Vec::new()),
    ];
    let marked = requests.into_iter().map(|(method, request)| {
        let no =
            Method::ALL.into_iter().zip(0..).find(|(known, _)| *known == method).map(|(_, no): (_, u8)| no);
        no.into_iter().chain(request).collect()
    });
    marked.collect()
}
