//! A subscriber that keeps all that it is told, for all tests of this program: some of it comes from threads of the library.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

pub(crate) type Fields = BTreeMap<&'static str, String>;

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) parent: Option<u64>,
    pub(crate) fields: Fields,
    pub(crate) entered: usize,
    pub(crate) exited: usize,
    pub(crate) is_closed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    /// The span that it is in.
    pub(crate) span: Option<u64>,
    pub(crate) fields: Fields,
}

impl Told {
    pub(crate) fn message(&self) -> &str {
        &self.fields["message"]
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing: {self:?}"))
    }
}

#[derive(Default)]
struct Kept {
    /// The last of an id is the one that is open.
    spans: Vec<Span>,
    events: Vec<Told>,
}

static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<R>(f: impl FnOnce(&mut Kept) -> R) -> R {
    f(kept().get_or_insert_default())
}

fn with_span(id: &Id, f: impl FnOnce(&mut Span)) {
    with(|kept| {
        f(kept
            .spans
            .iter_mut()
            .rev()
            .find(|span| span.id == id.into_u64())
            .unwrap())
    });
}

struct Collector;

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        let metadata = attributes.metadata();
        let parent = context.span(id).unwrap().parent().map(|parent| parent.id().into_u64());
        with(|kept| {
            kept.spans.push(Span {
                id: id.into_u64(),
                name: metadata.name(),
                target: metadata.target(),
                level: *metadata.level(),
                parent,
                fields,
                entered: 0,
                exited: 0,
                is_closed: false,
            });
        });
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        with_span(id, |span| span.entered += 1);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        with_span(id, |span| span.exited += 1);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        with_span(&id, |span| span.is_closed = true);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let told = Told {
            target: event.metadata().target(),
            level: *event.metadata().level(),
            span: context.event_span(event).map(|span| span.id().into_u64()),
            fields,
        };
        with(|kept| kept.events.push(told));
    }
}

/// Collects from now on, if it did not before.
pub(crate) fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Collector);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The span of the scope of this name, which only one has had.
pub(crate) fn span(name: &str) -> Span {
    let mut spans = with(|kept| kept.spans.clone());
    spans.retain(|span| span.fields.get("cancel.scope").is_some_and(|scope| scope == name));
    assert_eq!(spans.len(), 1, "{name}: {spans:?}");
    spans.remove(0)
}

/// The span of this name that is no scope's.
pub(crate) fn plain_span(name: &str) -> Span {
    with(|kept| kept.spans.iter().find(|span| span.name == name).unwrap().clone())
}

/// All events of the library that `is_meant`, in order.
pub(crate) fn events(is_meant: impl Fn(&Told) -> bool) -> Vec<Told> {
    let events = with(|kept| kept.events.clone());
    let ours = events.into_iter().filter(|event| event.target == "cancelable");
    ours.filter(is_meant).collect()
}

/// Those in the span of this scope.
pub(crate) fn events_in(name: &str) -> Vec<Told> {
    let id = span(name).id;
    events(|event| event.span == Some(id))
}

/// The event of this message that the program itself has made.
pub(crate) fn own_event(message: &str) -> Told {
    let mut events = with(|kept| kept.events.clone());
    events.retain(|event| event.target != "cancelable" && event.message() == message);
    assert_eq!(events.len(), 1, "{message}");
    events.remove(0)
}
