//! What a cancel loses in an await of tokio's, operation by operation: the table of `docs/cancel-safety.md`.

use cancelable::{CancellationToken, guard};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Mutex, Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::{self, JoinSet};

/// Cancels an await while it is pending, as one of an annotated function.
async fn cut<F: Future>(future: F) {
    let token = CancellationToken::new();
    let awaited = token.scope(async { guard(future).await.map(drop) });
    let (result, ()) = tokio::join!(awaited, async { token.cancel() });
    assert!(result.is_err(), "it was not pending");
}

#[tokio::test]
async fn mpsc_loses_what_is_sent_but_neither_what_is_received_nor_what_is_reserved_for() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.send(1).await.unwrap();
    cut(sender.send(2)).await;
    cut(sender.reserve()).await;
    assert_eq!(receiver.recv().await, Some(1));
    assert!(receiver.try_recv().is_err());

    cut(receiver.recv()).await;
    cut(receiver.recv_many(&mut vec![], 10)).await;
    sender.send(3).await.unwrap();
    assert_eq!(receiver.recv().await, Some(3));
}

#[tokio::test]
async fn oneshot_is_lost_by_value_only() {
    let (sender, receiver) = oneshot::channel();
    cut(receiver).await;
    assert_eq!(sender.send(1), Err(1));

    let (sender, mut receiver) = oneshot::channel();
    cut(&mut receiver).await;
    sender.send(1).unwrap();
    assert_eq!(receiver.await, Ok(1));
}

#[tokio::test]
async fn broadcast_and_watch_lose_nothing() {
    let (sender, mut receiver) = broadcast::channel(1);
    cut(receiver.recv()).await;
    sender.send(1).unwrap();
    assert_eq!(receiver.recv().await, Ok(1));

    let (sender, mut receiver) = watch::channel(0);
    cut(receiver.changed()).await;
    sender.send(1).unwrap();
    receiver.changed().await.unwrap();
    assert_eq!(*receiver.borrow(), 1);
}

#[tokio::test]
async fn read_loses_nothing_and_read_exact_what_it_has() {
    let (mut near, mut far) = duplex(8);
    let mut buffer = [0; 3];
    cut(far.read(&mut buffer)).await;
    near.write_all(b"ab").await.unwrap();
    cut(far.read_exact(&mut buffer)).await;
    assert_eq!(&buffer, b"ab\0");

    near.write_all(b"c").await.unwrap();
    cut(far.read_u16()).await;
    near.write_all(b"d").await.unwrap();
    assert_eq!(far.read_u8().await.unwrap(), b'd');
}

#[tokio::test]
async fn read_line_loses_what_it_has_and_lines_and_read_until_nothing() {
    let (mut near, far) = duplex(8);
    let mut far = BufReader::new(far);
    let mut line = String::new();
    near.write_all(b"ab").await.unwrap();
    cut(far.read_line(&mut line)).await;
    assert_eq!(line, "");
    near.write_all(b"c\n").await.unwrap();
    far.read_line(&mut line).await.unwrap();
    assert_eq!(line, "c\n");

    let mut line = vec![];
    near.write_all(b"ab").await.unwrap();
    cut(far.read_until(b'\n', &mut line)).await;
    near.write_all(b"c\n").await.unwrap();
    far.read_until(b'\n', &mut line).await.unwrap();
    assert_eq!(line, b"abc\n");

    let (mut text, mut bytes) = (String::new(), vec![]);
    near.write_all(b"ab").await.unwrap();
    cut(far.read_to_string(&mut text)).await;
    assert_eq!(text, "");
    near.write_all(b"ab").await.unwrap();
    cut(far.read_to_end(&mut bytes)).await;
    assert_eq!(bytes, b"ab");

    let mut lines = far.lines();
    near.write_all(b"ab").await.unwrap();
    cut(lines.next_line()).await;
    near.write_all(b"c\n").await.unwrap();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "abc");
}

#[tokio::test]
async fn write_writes_nothing_and_write_all_a_part() {
    let (mut near, mut far) = duplex(4);
    cut(near.write_all(b"abcdef")).await;
    cut(near.write(b"gh")).await;
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "abcd");
}

#[tokio::test]
async fn what_is_not_flushed_stays_in_the_writer() {
    let (near, mut far) = duplex(4);
    let mut near = BufWriter::new(near);
    near.write_all(b"abcdef").await.unwrap();
    cut(near.flush()).await;
    let mut bytes = [0; 6];
    let (flushed, read) = tokio::join!(near.flush(), far.read_exact(&mut bytes));
    flushed.and(read.map(drop)).unwrap();
    assert_eq!(&bytes, b"abcdef");
}

#[tokio::test]
async fn accept_loses_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    cut(listener.accept()).await;
    let client = task::spawn(TcpStream::connect(listener.local_addr().unwrap()));
    listener.accept().await.unwrap();
    client.await.unwrap().unwrap();
}

#[tokio::test]
async fn locks_permits_and_notifications_are_there_for_the_next() {
    let mutex = Mutex::new(());
    let held = mutex.lock().await;
    cut(mutex.lock()).await;
    drop(held);
    drop(mutex.try_lock().unwrap());

    let semaphore = Semaphore::new(0);
    cut(semaphore.acquire()).await;
    semaphore.add_permits(1);
    assert!(semaphore.try_acquire().is_ok());

    let notify = Notify::new();
    cut(notify.notified()).await;
    notify.notify_one();
    notify.notified().await;
}

#[tokio::test]
async fn who_leaves_a_barrier_has_been_counted() {
    let barrier = Barrier::new(2);
    cut(barrier.wait()).await;
    barrier.wait().await;
}

#[tokio::test]
async fn tasks_and_blocking_workers_run_on() {
    let (go, gone) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    cut(task::spawn(async move { done.send(gone.await) })).await;
    go.send("on").unwrap();
    assert_eq!(is_done.await.unwrap(), Ok("on"));

    let (go, gone) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    cut(task::spawn_blocking(move || done.send(gone.blocking_recv()))).await;
    go.send("on").unwrap();
    assert_eq!(is_done.await.unwrap(), Ok("on"));
}

#[tokio::test]
async fn join_next_loses_nothing() {
    let (go, gone) = oneshot::channel();
    let mut set = JoinSet::new();
    set.spawn(gone);
    cut(set.join_next()).await;
    go.send("on").unwrap();
    assert_eq!(set.join_next().await.unwrap().unwrap(), Ok("on"));
}

#[tokio::test(start_paused = true)]
async fn a_tick_is_not_used_up() {
    let period = Duration::from_secs(1);
    let mut ticks = tokio::time::interval(period);
    let first = ticks.tick().await;
    cut(ticks.tick()).await;
    assert_eq!(ticks.tick().await, first + period);
}

#[tokio::test]
async fn a_timeout_drops_what_is_in_it() {
    let inside = Arc::new(());
    let held = Arc::clone(&inside);
    cut(tokio::time::timeout(Duration::from_secs(3600), async move {
        let _held = held;
        std::future::pending::<()>().await;
    }))
    .await;
    assert_eq!(Arc::strong_count(&inside), 1);
}
