//! `#[rstest]` moves the body into another function: ours first.

use super::turn;
use cancelable::cancelable;
use rstest::rstest;

#[cancelable(name = "test", or = ())]
#[rstest]
#[case(10)]
#[case(20)]
fn first(#[case] turns: u32) {
    for n in 0..turns {
        turn(n);
    }
    panic!("went past the cancel");
}

#[cancelable(name = "test", or = ())]
#[rstest]
#[case(10)]
#[tokio::test]
async fn first_async(#[case] turns: u32) {
    for n in 0..turns {
        turn(n);
    }
    panic!("went past the cancel");
}

mod told {
    #![expect(deprecated, reason = "told of")]

    use super::*;

    #[rstest]
    #[case(10)]
    #[should_panic = "went past the cancel"]
    #[cancelable(name = "test", or = ())]
    fn second(#[case] turns: u32) {
        for n in 0..turns {
            turn(n);
        }
        panic!("went past the cancel");
    }
}

mod told_without_cases {
    #![expect(deprecated, reason = "told of")]

    use super::*;

    #[rstest]
    #[should_panic = "went past the cancel"]
    #[cancelable(name = "test", or = ())]
    fn second() {
        for n in 0..10 {
            turn(n);
        }
        panic!("went past the cancel");
    }
}
