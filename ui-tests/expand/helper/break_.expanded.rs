fn break_() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    let mut best = 0;
    {
        let mut cancelable_asking = ::cancelable::__private::Site.asking();
        'marked1: for n in ::cancelable::__private::IntoIterator::into_iter(
            cancelable_asking
                .before_each(::cancelable::__private::IntoIterator::into_iter(0..3))
                .items(),
        ) {
            loop {
                if ::cancelable::__private::Site.is_cancelled() {
                    break 'marked1;
                }
                if more() {} else {
                    break;
                }
            }
            best = n;
        }
    }
    Some(best)
}
