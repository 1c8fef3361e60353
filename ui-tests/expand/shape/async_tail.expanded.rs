/**

**Cancelable.** Check points: entry.*/
fn async_tail(n: u32) -> impl Future<Output = Option<u32>> + Send {
    let doubled = n * 2;
    async move {
        if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
            .check()
        {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(cancelable_cancelled);
        }
        Some(doubled)
    }
}
