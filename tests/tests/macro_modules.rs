//! The attribute on an inline module.

#![deny(warnings)]

use cancelable::{CancellationToken, Cancelled, cancelable};
use futures::executor::block_on;
use std::future::{pending, ready};

fn cancelled<R>(body: impl FnOnce() -> R) -> R {
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(body)
}

/// As one writes a module by hand: what is in it has to know nothing of the attribute outside.
#[cancelable]
mod work {
    use super::{Cancelled, pending, ready};
    use std::fmt;

    pub(super) async fn fetch(n: u32) -> Result<u32, Cancelled> {
        if n == 0 {
            pending::<()>().await;
        }
        Ok(ready(n).await)
    }

    pub(super) fn sum(numbers: &[u32]) -> Option<u32> {
        let mut sum = 0;
        for n in numbers {
            sum += n;
        }
        Some(sum)
    }

    pub(super) fn plain() -> u32 {
        7
    }

    #[cancelable(skip)]
    pub(super) fn skipped() -> Option<u32> {
        Some(7)
    }

    #[cancelable(or = 3)]
    pub(super) fn or() -> u32 {
        7
    }

    pub(super) struct Store;

    impl Store {
        pub(super) fn load(&self) -> Result<u32, Cancelled> {
            Ok(7)
        }
    }

    impl fmt::Display for Store {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("store")
        }
    }

    #[cancelable(skip)]
    impl Store {
        pub(super) fn peek(&self) -> Option<u32> {
            Some(7)
        }
    }

    pub(super) trait Load {
        fn load_by_trait(&self) -> Option<u32> {
            Some(7)
        }
    }

    impl Load for Store {}

    pub(super) mod inner {
        pub(crate) fn first() -> Option<u32> {
            Some(7)
        }
    }

    #[cancelable(skip)]
    pub(super) mod outside {
        pub(crate) fn first() -> Option<u32> {
            Some(7)
        }
    }
}

use work::Load as _;

#[test]
fn l18_what_is_in_an_annotated_module_does_what_it_did() {
    assert_eq!(block_on(work::fetch(7)).unwrap(), 7);
    assert_eq!(work::sum(&[3, 4]), Some(7));
    assert_eq!(work::or(), 7);
    assert_eq!(work::Store.load().unwrap(), 7);
    assert_eq!(work::Store.to_string(), "store");
    assert_eq!(work::Store.load_by_trait(), Some(7));
    assert_eq!(work::inner::first(), Some(7));
}

#[test]
fn what_has_room_is_annotated_at_any_depth() {
    assert!(cancelled(|| block_on(work::fetch(7))).is_err());
    assert_eq!(cancelled(|| work::sum(&[1])), None);
    assert_eq!(cancelled(work::or), 3);
    assert!(cancelled(|| work::Store.load()).is_err());
    assert_eq!(cancelled(|| work::Store.load_by_trait()), None);
    assert_eq!(cancelled(work::inner::first), None);
}

#[test]
fn what_says_so_and_what_has_no_room_is_left_alone() {
    assert_eq!(cancelled(work::plain), 7);
    assert_eq!(cancelled(work::skipped), Some(7));
    assert_eq!(cancelled(|| work::Store.peek()), Some(7));
    assert_eq!(cancelled(|| work::Store.to_string()), "store");
    assert_eq!(cancelled(work::outside::first), Some(7));
}
