//! `#[test_case]` moves the body into another function: ours first.

use super::turn;
use ::test_case::test_case;
use cancelable::cancelable;

#[cancelable(name = "test", or = ())]
#[test_case(10)]
#[test_case(20)]
fn first(turns: u32) {
    for n in 0..turns {
        turn(n);
    }
    panic!("went past the cancel");
}

#[cancelable(name = "test", or = ())]
#[test_case(10)]
#[tokio::test]
async fn first_async(turns: u32) {
    for n in 0..turns {
        turn(n);
    }
    panic!("went past the cancel");
}

mod told {
    #![expect(deprecated, reason = "told of")]

    use super::{cancelable, turn};
    use ::test_case::test_case;

    #[test_case(10)]
    #[should_panic = "went past the cancel"]
    #[cancelable(name = "test", or = ())]
    fn second(turns: u32) {
        for n in 0..turns {
            turn(n);
        }
        panic!("went past the cancel");
    }
}
