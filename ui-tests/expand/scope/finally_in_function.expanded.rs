async fn finally_in_function() -> Result<u32, Cancelled> {
    if ::cancelable::__private::Site.is_cancelled() {
        return ::cancelable::__private::from_cancelled::<
            Result<u32, Cancelled>,
        >(::cancelable::__private::Site.cancelled());
    }
    cancel_scope!(finally = async { close(). await }, async { run(). await }).await
}
