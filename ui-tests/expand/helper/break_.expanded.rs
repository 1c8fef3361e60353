fn break_() -> Option<u32> {
    if ::cancelable::__private::Site.is_cancelled() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.cancelled());
    }
    let mut best = 0;
    'marked1: for n in 0..3 {
        if ::cancelable::__private::Site.is_cancelled() {
            break 'marked1;
        }
        while more() {
            if ::cancelable::__private::Site.is_cancelled() {
                break 'marked1;
            }
        }
        best = n;
    }
    Some(best)
}
