/**

**Cancelable.** Check points: entry.*/
async fn left_alone() -> Option<u32> {
    if let ::cancelable::__private::Result::Err(cancelable_cancelled) = ::cancelable::__private::Site
        .check()
    {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(cancelable_cancelled);
    }
    let closure = || for _ in 0..3 {};
    let block = async { inner().await };
    fn nested() {
        loop {}
    }
    shield!(async { cleanup(). await }).await;
    shield(cleanup()).await;
    cleanup().shielded().await;
    other!(get(). await);
    Some([0; 3].len())
}
