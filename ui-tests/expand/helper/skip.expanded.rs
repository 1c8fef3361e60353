async fn skip() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    for n in 0..3 {
        get(n).await;
    }
    get(4).await?;
    get(5).shielded().await?;
    None
}
