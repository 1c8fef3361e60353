/**

**Cancelable.** Check points: entry.*/
async fn skip() -> Option<u32> {
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(cancelable_cancelled);
    }
    for n in 0..3 {
        get(n).await;
    }
    None
}
