fn items_first() -> Result<usize, Error> {
    fn _cancelable_here() {}
    use std::fmt::Write as _;
    const LENGTH: usize = 3;
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<usize, Error>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    Ok(LENGTH)
}
