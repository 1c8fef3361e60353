/**

**Cancelable.** Check points: entry.*/
fn items_first() -> Result<usize, Error> {
    use std::fmt::Write as _;
    const LENGTH: usize = 3;
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Result<usize, Error>,
        >(cancelable_cancelled);
    }
    Ok(LENGTH)
}
