//! What an exporter gets: a span for each scope, which an asked cancel leaves without a status.

use std::time::Duration;

use cancelable::{Cancelled, Scope, cancel_scope, cancelable, check, sleep};
use opentelemetry::trace::{Status, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt as _;

#[cancelable(name = "query")]
async fn query() -> Result<(), Cancelled> {
    sleep(Duration::MAX).await
}

#[test]
fn a_cancel_leaves_the_status_of_its_spans_unset_and_its_events_in_them() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        // Asked for.
        let asked: Result<(), Cancelled> = Scope::new().name("request").run_sync_with(|token| {
            token.cancel_with("user pressed stop");
            check()
        });
        asked.unwrap_err();
        // A limit, in nested scopes.
        // (The exporter drives an executor of its own, and not every executor may be driven within one.)
        let late = smol::block_on(cancel_scope!(name = "handler", timeout = "5ms", async {
            query().await
        }));
        late.unwrap_err();
        // Dropped.
        let mut dropped = Box::pin(Scope::new().name("client").run(query()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
        drop(dropped);
    });
    provider.force_flush().unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    let mut names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["client", "handler", "query", "query", "request"]);
    for span in &spans {
        assert_eq!(span.status, Status::Unset, "{}", span.name);
    }

    let span = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let events = |name: &str| -> Vec<_> { span(name).events.iter().map(|event| event.name.to_string()).collect() };
    assert_eq!(events("request"), ["asked", "noticed"]);
    let noticed = &span("request").events[1];
    let attribute = |key: &str| {
        let found = noticed
            .attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == key);
        found.unwrap_or_else(|| panic!("{key} is missing")).value.to_string()
    };
    assert_eq!(attribute("cancel.kind"), "manual");
    assert_eq!(attribute("cancel.reason"), "user pressed stop (scope \"request\")");
    assert_eq!(attribute("code.file.path"), file!());
    assert!(attribute("code.line.number").parse::<u32>().is_ok());
    let handler = span("handler").span_context.span_id();
    let below_it = spans
        .iter()
        .filter(|span| span.name == "query" && span.parent_span_id == handler);
    assert_eq!(below_it.count(), 1);
}
