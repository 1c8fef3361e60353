//! `#[auto_enum]`: either order.

use super::{run, turn};
use auto_enums::auto_enum;
use cancelable::{Cancelled, cancelable};

#[cancelable]
#[auto_enum]
fn first(turns: u32) -> Result<u32, Cancelled> {
    #[auto_enum(Iterator)]
    let numbers = match turns {
        0 => std::iter::once(0),
        _ => 0..turns,
    };
    for n in numbers {
        turn(n);
    }
    Ok(turns)
}

#[auto_enum]
#[cancelable]
fn second(turns: u32) -> Result<u32, Cancelled> {
    #[auto_enum(Iterator)]
    let numbers = match turns {
        0 => std::iter::once(0),
        _ => 0..turns,
    };
    for n in numbers {
        turn(n);
    }
    Ok(turns)
}

#[test]
fn either_order() {
    assert_eq!(run(|| first(0)).unwrap(), 0);
    assert!(run(|| first(10)).is_err());
    assert!(run(|| second(10)).is_err());
}
