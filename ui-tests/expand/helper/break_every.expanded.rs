fn break_every() -> Option<u32> {
    if ::cancelable::__private::Site.is_cancelled() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.cancelled());
    }
    let mut best = 0;
    match ::cancelable::__private::IntoIterator::into_iter(0..3) {
        cancelable_items => {
            match ::cancelable::__private::Probe::of(&cancelable_items)
                .kind()
                .pieces(cancelable_items, 8)
            {
                mut cancelable_pieces => {
                    while let ::cancelable::__private::Option::Some(cancelable_piece) = cancelable_pieces
                        .next_piece()
                    {
                        if ::cancelable::__private::Site.is_cancelled() {
                            break;
                        }
                        'mine: for n in cancelable_piece {
                            best = n;
                            continue 'mine;
                        }
                        if !cancelable_pieces.more() {
                            break;
                        }
                    }
                }
            }
        }
    }
    Some(best)
}
