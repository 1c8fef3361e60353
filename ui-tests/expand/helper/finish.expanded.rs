/**

**Cancelable.** Check points: entry, 1 await.*/
async fn finish() -> Option<u32> {
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(cancelable_cancelled);
    }
    match ::cancelable::__private::Site.finish(tx.send(1)).await {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(cancelable_cancelled);
        }
    }
        .ok()?;
    None
}
