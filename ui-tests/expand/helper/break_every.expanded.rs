fn break_every() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    let mut best = 0;
    {
        match ::cancelable::__private::IntoIterator::into_iter(0..3) {
            cancelable_items => {
                match ::cancelable::__private::Probe::of(&cancelable_items)
                    .kind()
                    .pieces(cancelable_items, 8)
                {
                    mut cancelable_pieces => {
                        while cancelable_pieces.go_on() {
                            if cancelable_pieces.is_check_due() {
                                if ::cancelable::__private::Site.is_cancelled() {
                                    break;
                                }
                            }
                            'mine: for n in ::cancelable::__private::IntoIterator::into_iter(
                                cancelable_pieces.next_piece(),
                            ) {
                                best = n;
                                continue 'mine;
                            }
                        }
                    }
                }
            }
        };
    }
    Some(best)
}
