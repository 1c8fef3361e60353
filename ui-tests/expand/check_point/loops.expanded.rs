fn loops(list: &[u32]) -> Result<u32, Error> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    {
        let mut cancelable_asking = ::cancelable::__private::Site.asking();
        for n in ::cancelable::__private::IntoIterator::into_iter(
            cancelable_asking
                .before_each(::cancelable::__private::IntoIterator::into_iter(list))
                .items(),
        ) {
            use_up(n);
        }
        if cancelable_asking.ended_it() {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(::cancelable::__private::Site.cancelled(_cancelable_here));
        }
    }
    'outer: loop {
        if ::cancelable::__private::Site.is_cancelled() {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(::cancelable::__private::Site.cancelled(_cancelable_here));
        }
        if more() {
            continue 'outer;
        } else {
            break;
        }
    }
    let value = loop {
        if ::cancelable::__private::Site.is_cancelled() {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(::cancelable::__private::Site.cancelled(_cancelable_here));
        }
        break 3;
    };
    Ok(value)
}
