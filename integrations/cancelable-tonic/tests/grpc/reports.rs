//! What comes back from the far end.

use std::time::Duration;

use cancelable::{Scope, cancelable, sleep};
use cancelable_tonic::{CallError, ServerLayer, report};
use tonic::{Code, Request};

use crate::proto::Number;
use crate::support::{FOR_EVER, Local, Script, all, endless};

/// The line that notices is in here.
#[cancelable]
async fn sieve() -> Result<u64, CallError> {
    let scope = Scope::new().name("sieve");
    scope
        .run(async {
            cancelable::guard(sleep(FOR_EVER)).await??;
            Ok(0)
        })
        .await
}

fn script() -> Script {
    let count = async |request: Request<Number>| match request.into_inner().value {
        0 => std::future::pending().await,
        _ => Ok(sieve().await?),
    };
    let list = async |request: Request<Number>| match request.into_inner().value {
        0 => Ok(endless([])),
        _ => {
            let numbers = futures::stream::once(async { Ok(Number::from(sieve().await?)) });
            Ok(Box::pin(numbers) as _)
        }
    };
    Script::new().count(count).list(list)
}

#[track_caller]
fn limited() -> ServerLayer {
    ServerLayer::new().timeout(Duration::from_millis(10))
}

#[tokio::test(start_paused = true)]
async fn by_default_nothing_is_said() {
    let server = Local::start(limited(), &script());
    let mut client = server.client();
    for value in [0, 1] {
        let status = client.count(Number::from(value)).await.unwrap_err();
        assert_eq!((status.code(), report(&status)), (Code::DeadlineExceeded, None));
        assert!(status.metadata().get_bin("cancelable-report-bin").is_none());
        let status = all(client.list(Number::from(value)).await.unwrap().into_inner())
            .await
            .1
            .unwrap_err();
        assert_eq!((status.code(), report(&status)), (Code::DeadlineExceeded, None));
    }
}

#[tokio::test(start_paused = true)]
async fn the_line_that_noticed_comes_back_and_the_scopes_round_it() {
    let (layer, line) = (limited().reports(true), line!());
    let server = Local::start(layer, &script());
    let mut client = server.client();
    for (value, method) in [(0, "Count"), (1, "Count"), (0, "List"), (1, "List")] {
        let status = match method {
            "Count" => client.count(Number::from(value)).await.unwrap_err(),
            _ => all(client.list(Number::from(value)).await.unwrap().into_inner())
                .await
                .1
                .unwrap_err(),
        };
        let report = report(&status).unwrap_or_else(|| panic!("no report of {value} {method}: {status:?}"));
        let scope = format!("primes.Primes/{method}");
        assert_eq!(report.kind(), "Timeout");
        assert_eq!(report.reason(), status.message());
        assert_eq!(report.reason(), format!("timed out after 10ms (scope \"{scope}\")"));
        assert!(
            report.requested_at().starts_with(&format!("{}:{line}:", file!())),
            "{report}"
        );
        let path = match value {
            0 => scope,
            _ => format!("{scope} > sieve"),
        };
        assert_eq!(report.scope_path(), path);
        assert!(report.noticed_at().contains("grpc/reports.rs:"), "{report}");
        // (A scope that drops what is pending says so as well.)
        assert_eq!(report.point(), "Await");
    }
}

/// The service in the middle passes on what the last one says, if it is to; and is not made to.
#[tokio::test(start_paused = true)]
async fn a_report_goes_through_who_passes_it_on_and_no_further() {
    let last = Local::start(limited().reports(true), &script());
    for passes_on in [true, false] {
        let client = last.scoped();
        let other = client.clone();
        let middle = Script::new()
            .count(move |request: Request<Number>| {
                let mut client = client.clone();
                async move { Ok(client.count(request.into_inner()).await?.into_inner().value) }
            })
            .list(move |request: Request<Number>| {
                let mut client = other.clone();
                async move { Ok(Box::pin(client.list(request.into_inner()).await?.into_inner()) as _) }
            });
        let middle = Local::start(ServerLayer::new().reports(passes_on), &middle);
        let mut client = middle.client();
        for value in [0, 1] {
            let unary = client.count(Number::from(value)).await.unwrap_err();
            let stream = all(client.list(Number::from(value)).await.unwrap().into_inner())
                .await
                .1
                .unwrap_err();
            for status in [unary, stream] {
                assert_eq!(status.code(), Code::DeadlineExceeded);
                assert_eq!(report(&status).is_some(), passes_on, "{status:?}");
            }
        }
    }
}
