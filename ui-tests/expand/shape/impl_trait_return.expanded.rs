async fn impl_trait_return() -> Result<impl Iterator<Item = u32>, Error> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<_, Error>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    Ok(0..3)
}
