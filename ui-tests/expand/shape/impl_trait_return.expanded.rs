async fn impl_trait_return() -> Result<impl Iterator<Item = u32>, Error> {
    if ::cancelable::__private::Site.is_cancelled() {
        return ::cancelable::__private::from_cancelled::<
            Result<_, Error>,
        >(::cancelable::__private::Site.cancelled());
    }
    Ok(0..3)
}
