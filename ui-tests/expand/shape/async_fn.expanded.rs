/// Documented by the user.
#[cfg_attr(doc, doc = "\n\n**Cancelable.** Check points: entry.")]
pub async fn async_fn(n: u32) -> Result<u32, Error> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Error>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    Ok(n)
}
