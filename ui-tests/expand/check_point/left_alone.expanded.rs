async fn left_alone() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
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
