//! Which lock a tree gets.

use std::collections::HashSet;

use super::super::lock::pick_stripe;

#[test]
fn trees_get_locks_of_their_own_in_whichever_bits_their_addresses_differ() {
    // Neighbours; and threads' first trees, whose arenas lie 64 MiB, or whatever power of two, apart.
    let first = 0x3a00_0b20_usize;
    for shift in 6..usize::BITS - 8 {
        let stripes: HashSet<_> = (0..64).map(|n| pick_stripe(first.wrapping_add(n << shift))).collect();
        assert!(
            stripes.len() >= 32,
            "{} locks for 64 trees {} bytes apart",
            stripes.len(),
            1_u64 << shift
        );
    }
}
