//! Readers, writers, listeners and codecs that check.

use std::io::{self, BufRead as _, BufReader, Cursor, ErrorKind, Read, Seek as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::pin::{Pin, pin};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::io::{CheckedAsync, checked, checked_async};
use cancelable::{CancelReason, CancellationToken, Cancelled, Scope, cancelable, net, thread};
use enough::{Stop, StopReason};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};

fn cancelled(error: &io::Error) -> &Cancelled {
    error
        .get_ref()
        .expect("it has an inside")
        .downcast_ref()
        .expect("a cancel")
}

// The standard library's -----------------------------------------------------------------------------------------------

/// Cancels when it is asked the `n`th time.
struct CancelsAt(u32, CancellationToken);

impl Read for CancelsAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 -= 1;
        if self.0 == 0 {
            self.1.cancel_with(CancelReason::shutdown());
        }
        buffer[0] = b'x';
        Ok(1)
    }
}

#[test]
fn a_copy_stops_at_the_next_read_and_loses_nothing() {
    let token = CancellationToken::new();
    let mut copied = Vec::new();
    let error = token.sync_scope(|| io::copy(&mut checked(CancelsAt(3, token.clone())), &mut copied).unwrap_err());
    assert_eq!(copied, b"xxx");
    assert_eq!(cancelled(&error).observed_at().file(), file!());
    assert_ne!(error.kind(), ErrorKind::Interrupted);
}

#[test]
fn each_call_that_reads_or_writes_asks_and_no_other() {
    let token = CancellationToken::new();
    let mut reader = checked(BufReader::new(Cursor::new(b"one\ntwo\n".to_vec())));
    let mut writer = checked(Vec::new());
    token.sync_scope(|| {
        let mut line = String::new();
        assert_eq!(reader.read_line(&mut line).unwrap(), 4);
        writer.write_all(b"before").unwrap();
        token.cancel();
        for error in [
            reader.read(&mut [0]).unwrap_err(),
            reader.read_vectored(&mut [io::IoSliceMut::new(&mut [0])]).unwrap_err(),
            reader.read_to_end(&mut Vec::new()).unwrap_err(),
            reader.fill_buf().unwrap_err(),
            reader.read_line(&mut line).unwrap_err(),
            writer.write(b"after").unwrap_err(),
            writer.write_vectored(&[io::IoSlice::new(b"after")]).unwrap_err(),
            writer.write_all(b"after").unwrap_err(),
        ] {
            assert!(cancelled(&error).reason().location().file() == file!());
        }
        writer.flush().unwrap();
        assert_eq!(reader.seek(io::SeekFrom::Start(4)).unwrap(), 4);
    });
    // Out of the scope, all is there.
    assert_eq!(writer.into_inner(), b"before");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "two\n");
}

#[test]
fn the_scope_is_that_of_the_call_and_not_of_the_making() {
    let mut reader = checked(io::repeat(0));
    let outcome = Scope::new()
        .timeout(Duration::from_millis(5))
        .run_sync(|| io::copy(&mut reader, &mut io::sink()));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(reader.read(&mut [0]).unwrap(), 1);
}

// Async code -----------------------------------------------------------------------------------------------------------

fn pair(token: &CancellationToken) -> (CheckedAsync<DuplexStream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(16);
    (token.sync_scope(|| checked_async(ours)), theirs)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_pending_read_of_code_that_knows_nothing_is_woken_by_the_cancel() {
    let token = CancellationToken::new();
    let (mut ours, _theirs) = pair(&token);
    block_on(async {
        // Polled outside of any scope.
        let copying = tokio::spawn(async move { tokio::io::copy(&mut ours, &mut tokio::io::sink()).await });
        tokio::task::yield_now().await;
        token.cancel();
        let error = copying.await.unwrap().unwrap_err();
        assert_eq!(cancelled(&error).observed_at().file(), file!());
    });
}

#[test]
fn a_read_takes_nothing_that_it_does_not_hand_out() {
    let token = CancellationToken::new();
    let (mut ours, mut theirs) = pair(&token);
    block_on(async {
        theirs.write_all(b"there").await.unwrap();
        token.cancel();
        assert!(ours.read(&mut [0; 16]).await.is_err());
        let mut rest = [0; 5];
        ours.get_mut().read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"there");
    });
    let token = CancellationToken::new();
    let mut lines = token.sync_scope(|| checked_async(&b"one\ntwo\n"[..])).lines();
    block_on(async {
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "one");
        token.cancel();
        assert!(lines.next_line().await.is_err());
    });
}

/// Polls once.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_message_that_has_begun_is_written_to_its_end_however_long_the_peer_takes() {
    let token = CancellationToken::new();
    let (mut ours, mut theirs) = pair(&token);
    let message = [7; 40];
    {
        // The pipe has room for 16.
        let mut writing = pin!(ours.write_all(&message));
        assert!(poll(writing.as_mut()).is_pending());
        token.cancel();
        assert!(poll(writing.as_mut()).is_pending());
        let mut read = [0; 40];
        block_on(async {
            let (wrote, read) = tokio::join!(writing, theirs.read_exact(&mut read));
            wrote.unwrap();
            read.unwrap();
        });
        assert_eq!(read, message);
    }
    block_on(async {
        ours.flush().await.unwrap();
        assert!(ours.write_all(b"another").await.is_err());
        // What ends a message goes through.
        ours.shutdown().await.unwrap();
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn a_message_that_has_not_begun_does_not_begin() {
    let token = CancellationToken::new();
    let (mut ours, mut theirs) = pair(&token);
    block_on(async {
        ours.write_all(&[1; 16]).await.unwrap();
        ours.flush().await.unwrap();
    });
    let mut writing = pin!(ours.write_all(b"no"));
    assert!(poll(writing.as_mut()).is_pending());
    token.cancel();
    assert!(matches!(poll(writing.as_mut()), Poll::Ready(Err(_))));
    block_on(async {
        let mut read = [0; 17];
        theirs.read_exact(&mut read[..16]).await.unwrap();
    });
}

#[test]
fn who_asks_for_it_has_writes_cut() {
    let token = CancellationToken::new();
    let (ours, _theirs) = pair(&token);
    let mut ours = ours.cutting_writes();
    let mut writing = pin!(ours.write_all(&[7; 40]));
    assert!(poll(writing.as_mut()).is_pending());
    token.cancel();
    assert!(matches!(poll(writing.as_mut()), Poll::Ready(Err(_))));
}

#[test]
fn a_flush_that_never_ends_is_cut_only_where_asked_for() {
    /// Takes all, and never has it out.
    struct Stuck;
    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buffer.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    let token = CancellationToken::new();
    token.cancel();
    let mut whole = checked_async(Stuck).with_token(&token);
    assert!(poll(pin!(whole.flush())).is_pending());
    assert!(poll(pin!(whole.shutdown())).is_pending());
    let mut cut = checked_async(Stuck).with_token(&token).cutting_writes();
    assert!(matches!(poll(pin!(cut.flush())), Poll::Ready(Err(_))));
    assert!(matches!(poll(pin!(cut.shutdown())), Poll::Ready(Err(_))));
}

#[test]
fn the_traits_of_futures_work_the_same() {
    use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let token = CancellationToken::new();
    let mut ours = checked_async(smol::io::Cursor::new(vec![0; 8])).with_token(&token);
    smol::block_on(async {
        ours.write_all(b"half").await.unwrap();
        token.cancel();
        ours.write_all(b"half").await.unwrap();
        ours.flush().await.unwrap();
        assert!(ours.write_all(b"more").await.is_err());
        assert!(ours.read(&mut [0]).await.is_err());
        ours.close().await.unwrap();
    });
    assert_eq!(ours.into_inner().into_inner(), b"halfhalf");
}

// Listeners ------------------------------------------------------------------------------------------------------------

#[cancelable]
fn serve(listener: &TcpListener, served: &mpsc::Sender<TcpStream>) -> io::Result<()> {
    for stream in net::incoming(listener)? {
        served.send(stream?).unwrap();
    }
    Ok(())
}

/// <https://github.com/rust-lang/rust/issues/26395>, <https://github.com/rust-lang/rust/issues/67978>,
/// <https://github.com/rust-lang/socket2/issues/378>: a thread in `accept` can be ended by nobody.
#[test]
fn an_accept_loop_serves_until_the_cancel() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Arc::new(listener);
    let token = CancellationToken::new();
    let (sender, served) = mpsc::channel();
    let serving = token.sync_scope(|| {
        let listener = Arc::clone(&listener);
        thread::spawn(move || serve(&listener, &sender))
    });
    for _ in 0..3 {
        let mut client = TcpStream::connect(address).unwrap();
        let mut stream = served.recv().unwrap();
        // It blocks, as those of the standard library do.
        client.write_all(b"hello").unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"hello");
    }
    token.cancel_with(CancelReason::shutdown());
    let error = serving.join().unwrap().unwrap_err();
    assert_eq!(cancelled(&error).reason().to_string(), "shutting down");
    // The next one is not lost: it is there for whoever goes on, and the listener blocks again.
    let _client = TcpStream::connect(address).unwrap();
    listener.accept().unwrap();
}

#[test]
fn an_accept_loop_ends_at_a_deadline_and_stays_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut incoming = net::incoming(&listener).unwrap();
    let outcome = Scope::new()
        .timeout(Duration::from_millis(5))
        .run_sync(|| incoming.next().unwrap().map(drop));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(incoming.next().is_none());
}

#[test]
#[cfg(unix)]
fn unix_listeners_are_taken_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let token = CancellationToken::new();
    token.sync_scope(|| {
        let mut incoming = net::incoming(&listener).unwrap();
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        assert!(incoming.next().unwrap().is_ok());
        token.cancel();
        assert!(incoming.next().unwrap().is_err());
        assert!(incoming.next().is_none());
    });
}

// Codecs ---------------------------------------------------------------------------------------------------------------

#[test]
fn a_token_is_what_codecs_ask() {
    fn decode(stop: &dyn Stop) -> Result<(), StopReason> {
        stop.check()
    }

    let token = CancellationToken::new();
    assert_eq!(decode(&token), Ok(()));
    assert!(token.may_stop() && !token.should_stop());
    token.cancel();
    assert_eq!(decode(&token), Err(StopReason::Cancelled));
    assert!(token.should_stop());

    let late = CancellationToken::new();
    late.cancel_after(Duration::ZERO);
    assert_eq!(decode(&late), Err(StopReason::TimedOut));

    assert!(!CancellationToken::never().may_stop());
    assert!((&CancellationToken::never() as &dyn Stop).live().is_none());
}
