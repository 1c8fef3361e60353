async fn finish() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    match ::cancelable::__private::Site.finish(tx.send(1), _cancelable_here).await {
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
