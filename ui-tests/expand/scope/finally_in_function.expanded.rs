async fn finally_in_function() -> Result<u32, Cancelled> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Cancelled>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    cancel_scope!(finally = async { close(). await }, async { run(). await }).await
}
