async fn or_in_place(default: u32) -> u32 {
    fn _cancelable_here() {}
    'cancelled: {
        #[allow(
            unreachable_code,
            clippy::diverging_sub_expression,
            clippy::needless_return
        )]
        return {
            if ::cancelable::__private::Site.is_refused() {
                break 'cancelled;
            }
            match ::cancelable::__private::Site.guard(get(), _cancelable_here).await {
                ::cancelable::__private::Result::Ok(cancelable_value) => cancelable_value,
                ::cancelable::__private::Result::Err(_) => break 'cancelled,
            }
        };
    }
    default
}
