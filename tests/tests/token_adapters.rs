//! tokio-util's tokens beside ours, and reasons as they leave the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cancelable::{CancelReason, CancellationToken, ReasonKind};
use tests::DropFlag;
use tokio_util::sync::CancellationToken as Theirs;

#[test]
fn theirs_is_a_parent_of_ours() {
    let theirs = Theirs::new();
    let ours = CancellationToken::from(&theirs.child_token());
    let below = ours.child_token();
    let alone = CancellationToken::from(&theirs);
    alone.cancel();
    assert!(!theirs.is_cancelled() && !below.is_cancelled());
    theirs.cancel();
    assert!(ours.is_cancelled() && ours.is_inherited() && below.is_cancelled());
    assert_eq!(below.reason().unwrap().kind(), ReasonKind::Manual);
    assert!(CancellationToken::from(&theirs).is_cancelled(), "born cancelled");
}

#[test]
fn theirs_reaches_what_is_below_when_ours_is_dropped() {
    let theirs = Theirs::new();
    let below = CancellationToken::from(&theirs).child_token().child_token();
    theirs.cancel();
    assert!(below.is_cancelled());
}

#[test]
fn ours_is_a_parent_of_theirs() {
    let ours = CancellationToken::new();
    let (a, b) = (ours.to_tokio_util(), ours.child_token().to_tokio_util());
    let again = ours.to_tokio_util();
    a.cancel();
    assert!(!ours.is_cancelled() && !again.is_cancelled() && !b.is_cancelled());
    ours.cancel();
    assert!(again.is_cancelled());
    assert!(!b.is_cancelled(), "the token it was made for is gone");
    assert!(ours.to_tokio_util().is_cancelled());
    assert!(!CancellationToken::never().to_tokio_util().is_cancelled());
}

#[test]
fn l07_a_token_that_is_converted_again_and_again_is_tied_once() {
    let ours = CancellationToken::new();
    let theirs: Vec<_> = (0..100).map(|_| ours.to_tokio_util()).collect();
    let shown = format!("{ours:?}");
    assert!(shown.ends_with("children: 1 }"), "{shown}");
    ours.cancel();
    assert!(theirs.iter().all(Theirs::is_cancelled));
}

#[test]
fn a_cancel_goes_round_through_both() {
    let ours = CancellationToken::new();
    let theirs = ours.to_tokio_util();
    let back = CancellationToken::from(&theirs.child_token());
    ours.cancel_with("why");
    assert!(back.is_cancelled());
}

#[test]
fn neither_keeps_the_other_when_dropped() {
    // (What it leaves in memory is in `token_memory.rs`.)
    let theirs = Theirs::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let ours = CancellationToken::from(&theirs);
        let flag = DropFlag(Arc::clone(&dropped));
        ours.on_cancel(move |_| drop(flag)).detach();
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 100, "gone with their tokens");
    theirs.cancel();

    let ours = CancellationToken::new();
    let short = ours.child_token();
    let theirs = short.to_tokio_util();
    drop(short);
    ours.cancel();
    assert!(!theirs.is_cancelled(), "on its own, as documented");
}

#[test]
fn reasons_serialize_as_kind_and_message() {
    let json = |reason: CancelReason| serde_json::to_string(&reason).unwrap();
    assert_eq!(json(CancelReason::shutdown()), r#"{"kind":"shutdown","message":null}"#);
    assert_eq!(json("stop".into()), r#"{"kind":"manual","message":"stop"}"#);
    for kind in [ReasonKind::Timeout, ReasonKind::ScopeEnded, ReasonKind::Superseded] {
        let text = serde_json::to_string(&kind).unwrap();
        assert_eq!(serde_json::from_str::<ReasonKind>(&text).unwrap(), kind);
    }
    assert_eq!(
        serde_json::to_string(&ReasonKind::ScopeEnded).unwrap(),
        r#""scope_ended""#
    );
}

#[test]
fn a_tie_does_not_keep_a_token_that_is_linked_itself() {
    struct Flag(std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let dropped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Flag(std::sync::Arc::clone(&dropped));
    let source = CancellationToken::new();
    let linked = CancellationToken::any([&source]);
    linked.on_cancel(move |_| drop(flag)).detach();
    let theirs = linked.to_tokio_util();
    drop(linked);
    assert!(dropped.load(std::sync::atomic::Ordering::SeqCst));
    source.cancel();
    assert!(!theirs.is_cancelled(), "on its own");
}
