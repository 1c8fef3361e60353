pub fn sync_fn(n: u32) -> Result<u32, Error> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    Ok(n)
}
