use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::look;
use crate::error::Cancelled;
use crate::observe::{EventKind, Ticks, on_event};
use crate::scope::Scope;

/// Keeps the messages of warnings, with what their scope waits for.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Texts(String);

        impl Visit for Texts {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if ["message", "cancel.scope", "cancel.waits_for"].contains(&field.name()) {
                    self.0 += &format!("{value:?} ");
                }
            }
        }

        if *event.metadata().level() == Level::WARN {
            let mut texts = Texts(String::new());
            event.record(&mut texts);
            self.0.lock().unwrap().push(texts.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_straggler_is_told_of_once_with_what_it_waits_for() {
    let warnings = Warnings::default();
    let called = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&called);
    let _hook = on_event(move |event| {
        if event.kind() == EventKind::Straggles && event.name() == Some("deaf") {
            *counts.lock().unwrap() += 1;
        }
    });
    tracing::subscriber::with_default(warnings.clone(), || {
        let outcome: Result<(), Cancelled> = Scope::new().name("deaf").run_sync_with(|token| {
            look(Ticks::exact(), Duration::ZERO);
            assert_eq!(*called.lock().unwrap(), 0, "it is not cancelled");
            token.cancel();
            look(Ticks::exact(), Duration::MAX);
            assert_eq!(*called.lock().unwrap(), 0, "not so long ago");
            look(Ticks::exact(), Duration::ZERO);
            look(Ticks::exact(), Duration::ZERO);
            Ok(())
        });
        outcome.unwrap();
    });
    assert_eq!(*called.lock().unwrap(), 1);
    let warnings = warnings.0.lock().unwrap();
    let told: Vec<_> = warnings.iter().filter(|text| text.contains("straggler")).collect();
    assert_eq!(told.len(), 1, "{warnings:?}");
    assert!(
        told[0].contains("deaf") && told[0].contains("code on thread"),
        "{told:?}"
    );
}
