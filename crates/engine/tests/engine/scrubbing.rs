//! Overwriting what was erased waits for readers, and intake does not wait for it.

use std::sync::Arc;

use rusqlite::Connection;

use crate::fakes::{LIMIT, Queue};
use crate::stage::Stage;
use crate::supervision::{inlet, posting, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_holds_up_overwriting_does_not_hold_up_intake() {
    let mut stage = Stage::new();
    let opus = Arc::<Queue>::default();
    let gateway = start(&mut stage, vec![inlet("opus", &opus)], vec![]);
    opus.put(&posting("P-0"));
    opus.until_accepted(1).await;
    let reader = Connection::open(stage.dir.path().join("samspor.sqlite")).expect("the store's file");
    reader.execute_batch("BEGIN; SELECT count(*) FROM posting").expect("it reads as of now");
    opus.put(r#"{"type":"consent","id":"C-1","version":1,"withdrawn":true}"#);
    opus.put(r#"{"type":"consent","id":"C-1","version":2,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#);
    opus.put(r#"{"type":"consent","id":"C-1","version":3,"withdrawn":true}"#);
    opus.until_accepted(4).await;
    let many = async {
        for i in 1..40 {
            opus.put(&posting(&format!("P-{i}")));
            opus.until_accepted(4 + i).await;
        }
    };
    tokio::time::timeout(LIMIT, many).await.expect("they are taken in while somebody reads");
    let owed = "SELECT length(value) FROM meta WHERE key = 'scrub-owed'";
    assert_eq!(stage.sql(owed), [[1.into()]], "and overwriting waits");
    reader.execute_batch("ROLLBACK").expect("it ends");
    let overwritten = async {
        while stage.sql(owed) != [[0.into()]] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, overwritten).await.expect("it is overwritten though nothing else comes");
    gateway.stop(LIMIT).await.expect("it stops");
}

/// As where several ask in turn and somebody always reads, while messages keep coming.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_never_pause_do_not_keep_what_was_erased_in_the_log() {
    let mut stage = Stage::new();
    let opus = Arc::<Queue>::default();
    let gateway = start(&mut stage, vec![inlet("opus", &opus)], vec![]);
    opus.put(&posting("P-0"));
    opus.until_accepted(1).await;
    let file = stage.dir.path().join("samspor.sqlite");
    let mut readers = [0, 1].map(|_| Connection::open(&file).expect("the store's file"));
    let begins = |reader: &Connection| {
        reader.execute_batch("BEGIN; SELECT count(*) FROM posting").expect("it reads as of now");
    };
    begins(&readers[0]);
    let reading = async {
        loop {
            tokio::task::yield_now().await;
            begins(&readers[1]);
            readers[0].execute_batch("COMMIT").expect("it ends");
            readers.reverse();
        }
    };
    let owed = "SELECT length(value) FROM meta WHERE key = 'scrub-owed'";
    let coming = async {
        opus.put(r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#);
        opus.put(r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#);
        opus.until_accepted(3).await;
        for i in 1.. {
            if stage.sql(owed) == [[0.into()]] {
                return;
            }
            opus.put(&posting(&format!("P-{i}")));
            opus.until_accepted(3 + i).await;
        }
    };
    let overwritten = async {
        tokio::select! {
            never = reading => never,
            () = coming => {}
        }
    };
    tokio::time::timeout(LIMIT, overwritten)
        .await
        .expect("it is overwritten while somebody reads and all goes on");
    gateway.stop(LIMIT).await.expect("it stops");
}
