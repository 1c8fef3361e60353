//! What a stream of the handler's makes its end of. A leaf.
//!
//! A stream's error is made into trailers where it is, so that nothing but a code and a text comes out. What it was made of is left here,
//! by `CallError`, for whoever is polling that stream on this thread.

use std::cell::RefCell;

use cancelable::Cancelled;

thread_local! {
    /// Is there anybody who listens, and what has been said so far?
    static NOTICED: RefCell<Option<Vec<Cancelled>>> = const { RefCell::new(None) };
}

/// Says that a status is made of this.
pub(crate) fn note(cancelled: &Cancelled) {
    NOTICED.with_borrow_mut(|noticed| {
        if let Some(noticed) = noticed {
            noticed.push(cancelled.clone());
        }
    });
}

/// What is said while this runs: the last one.
pub(crate) fn listen<R>(run: impl FnOnce() -> R) -> (R, Option<Cancelled>) {
    struct Back(Option<Vec<Cancelled>>);

    impl Drop for Back {
        fn drop(&mut self) {
            NOTICED.set(self.0.take());
        }
    }

    let back = Back(NOTICED.replace(Some(Vec::new())));
    let result = run();
    let noticed = NOTICED.take().and_then(|mut noticed| noticed.pop());
    drop(back);
    (result, noticed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cancelable::CancellationToken;

    fn cancelled(why: &'static str) -> Cancelled {
        let token = CancellationToken::new();
        token.cancel_with(why);
        token.check().unwrap_err()
    }

    fn text(noticed: Option<Cancelled>) -> Option<String> {
        Some(noticed?.reason().message()?.to_owned())
    }

    #[test]
    fn the_innermost_listener_hears_the_last_one() {
        note(&cancelled("unheard"));
        let (inner, outer) = listen(|| {
            note(&cancelled("outer"));
            listen(|| {
                note(&cancelled("first"));
                note(&cancelled("second"));
            })
        });
        assert_eq!(
            (text(inner.1).as_deref(), text(outer).as_deref()),
            (Some("second"), Some("outer"))
        );
        assert!(listen(|| ()).1.is_none());
    }

    #[test]
    fn a_panic_leaves_nobody_listening() {
        let panicked = std::panic::catch_unwind(|| listen(|| -> () { panic!("as it is to be") }));
        assert!(panicked.is_err());
        assert!(NOTICED.take().is_none());
    }
}
