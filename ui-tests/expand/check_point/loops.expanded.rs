/**

**Cancelable.** Check points: entry, 3 loops.*/
fn loops(list: &[u32]) -> Result<u32, Error> {
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(cancelable_cancelled);
    }
    for n in list {
        if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
            .check()
        {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
        use_up(n);
    }
    'outer: while more() {
        if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
            .check()
        {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
        continue 'outer;
    }
    let value = loop {
        if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
            .check()
        {
            return ::cancelable::__private::from_cancelled::<
                Result<u32, Error>,
            >(cancelable_cancelled);
        }
        break 3;
    };
    Ok(value)
}
