fn loops(list: &[u32]) -> Result<u32, Error> {
    if ::cancelable::__private::Site.is_cancelled() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(::cancelable::__private::Site.cancelled());
    }
    for n in list {
        if ::cancelable::__private::Site.is_cancelled() {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(::cancelable::__private::Site.cancelled());
        }
        use_up(n);
    }
    'outer: while more() {
        if ::cancelable::__private::Site.is_cancelled() {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(::cancelable::__private::Site.cancelled());
        }
        continue 'outer;
    }
    let value = loop {
        if ::cancelable::__private::Site.is_cancelled() {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(::cancelable::__private::Site.cancelled());
        }
        break 3;
    };
    Ok(value)
}
