fn every_for(list: &[u64]) -> Result<u64, Error> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<u64, Error>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    let mut sum = 0;
    {
        match ::cancelable::__private::IntoIterator::into_iter(list) {
            cancelable_items => {
                match ::cancelable::__private::Probe::of(&cancelable_items)
                    .kind()
                    .pieces(cancelable_items, 1024)
                {
                    mut cancelable_pieces => {
                        while cancelable_pieces.go_on() {
                            if cancelable_pieces.is_check_due() {
                                if ::cancelable::__private::Site.is_cancelled() {
                                    return ::cancelable::__private::from_cancelled::<
                                        Result<u64, Error>,
                                    >(
                                        ::cancelable::__private::Site.cancelled(_cancelable_here),
                                    );
                                }
                            }
                            'rows: for n in ::cancelable::__private::IntoIterator::into_iter(
                                cancelable_pieces.next_piece(),
                            ) {
                                if *n == 0 {
                                    continue 'rows;
                                }
                                sum += n;
                            }
                        }
                    }
                }
            }
        };
    }
    Ok(sum)
}
