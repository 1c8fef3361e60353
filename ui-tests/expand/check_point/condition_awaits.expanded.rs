async fn condition_awaits() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    while let Some(job) = match ::cancelable::__private::Site
        .guard(jobs.recv(), _cancelable_here)
        .await
    {
        ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
        ::cancelable::__private::Result::Err(cancelable_cancelled) => {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(cancelable_cancelled);
        }
    } {
        run(job);
    }
    None
}
