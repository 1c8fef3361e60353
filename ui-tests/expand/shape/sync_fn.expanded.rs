/**

**Cancelable.** Check points: entry.*/
pub fn sync_fn(n: u32) -> Result<u32, Error> {
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(cancelable_cancelled);
    }
    Ok(n)
}
