//! Asking the store beside the writer, calls that take too long, and compressed messages.

use std::sync::mpsc;
use std::time::Duration;

use samspor_grpc::Settings;
use samspor_grpc::client::{Code, CompressionEncoding};
use samspor_grpc::v1::{FactKind, GetFactRequest, Outcome};

use crate::gateway::{settings, with_front};
use crate::{reason, registry, solution};

fn ask() -> GetFactRequest {
    GetFactRequest { kind: FactKind::Solution.into(), id: "sb".into(), source: None }
}

/// Threads that hold readers until they are told.
fn holders(
    front: &crate::gateway::Front,
    many: usize,
) -> (Vec<mpsc::SyncSender<()>>, impl Future<Output = ()> + use<>) {
    let (begun, mut all_begun) = tokio::sync::mpsc::channel(many);
    let mut ends = Vec::new();
    let mut asked = Vec::new();
    for _ in 0..many {
        let (end, ended) = mpsc::sync_channel::<()>(1);
        ends.push(end);
        let (handle, begun) = (front.handle(), begun.clone());
        asked.push(async move {
            let slow = handle.read(move |_, _| {
                let _ = begun.try_send(()); // There is room for each.
                let _ = ended.recv(); // It ends when its sender does.
                Ok(())
            });
            slow.await.expect("the store answers");
        });
    }
    let all = async move {
        let reading = futures_util::future::join_all(asked);
        let all_hold = async {
            for _ in 0..many {
                all_begun.recv().await;
            }
        };
        futures_util::pin_mut!(reading, all_hold);
        let _ = futures_util::future::select(all_hold, &mut reading).await;
        reading.await;
    };
    (ends, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_questions_hold_up_no_quick_one_and_none_is_without_bound() {
    with_front(Settings { call_timeout: Duration::from_millis(500), ..settings() }, async |front| {
        let mut registry = registry(front).await;
        registry.put_solution(solution(1)).await.expect("put");
        // Two of three readers are held, and the third answers whoever asks.
        let (ends, slow) = holders(front, 2);
        let quick = async {
            for _ in 0..10 {
                registry.get_fact(ask()).await.expect("answered");
            }
            drop(ends);
        };
        tokio::join!(slow, quick);

        // With all of them held, a call ends when it has taken too long, and putting goes on.
        let (ends, slow) = holders(front, 3);
        let called = async {
            let mut all_are_held = false;
            while !all_are_held {
                if let Err(status) = registry.get_fact(ask()).await {
                    assert_eq!(
                        (status.code(), reason(&status).1.as_str()),
                        (Code::DeadlineExceeded, "CALL_TOO_LONG")
                    );
                    all_are_held = true;
                }
            }
            registry.put_solution(solution(2)).await.expect("put");
            drop(ends);
        };
        tokio::join!(slow, called);
        registry.get_fact(ask()).await.expect("readers are free again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_may_be_compressed_and_their_bound_holds_for_what_they_grow_to() {
    with_front(Settings { max_message_bytes: 64 * 1024, ..settings() }, async |front| {
        let plain = registry(front).await;
        let mut registry =
            plain.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
        let answer = registry.put_solution(solution(1)).await.expect("put");
        assert_eq!(answer.get_ref().outcome(), Outcome::Fact);
        let answered = registry.get_fact(ask()).await.expect("answered");
        assert_eq!(
            answered.metadata().get("grpc-encoding").map(|value| value.as_bytes()),
            Some(&b"gzip"[..])
        );

        // A kilobyte that grows to a megabyte; just below the bound it is read, and its name is too long.
        for (grown, code) in [(1024 * 1024, Code::ResourceExhausted), (63 * 1024, Code::InvalidArgument)] {
            let mut bomb = solution(2);
            if let Some(solution) = &mut bomb.solution {
                solution.name = "x".repeat(grown);
            }
            let status = registry.put_solution(bomb).await.expect_err("refused");
            assert_eq!(status.code(), code, "{status:?}");
        }
        registry.put_solution(solution(2)).await.expect("the connection goes on");
    })
    .await;
}
