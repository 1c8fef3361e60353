/**

**Cancelable.** Check points: entry.*/
async fn impl_trait_return() -> Result<impl Iterator<Item = u32>, Error> {
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Result<_, Error>,
        >(cancelable_cancelled);
    }
    Ok(0..3)
}
