#[doc(hidden)]
fn without() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    Some(1)
}
/// What it does.
fn unwanted() -> Option<u32> {
    fn _cancelable_here() {}
    if ::cancelable::__private::Site.is_refused() {
        return ::cancelable::__private::from_cancelled::<
            Option<u32>,
        >(::cancelable::__private::Site.refused(_cancelable_here));
    }
    Some(1)
}
impl Job {
    /// What it does.
    fn by_the_block(&self) -> Option<u32> {
        fn _cancelable_here() {}
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        Some(1)
    }
    /// What it does.
    fn with_options(&self) -> Option<u32> {
        fn _cancelable_here() {}
        if ::cancelable::__private::Site.is_refused() {
            return ::cancelable::__private::from_cancelled::<
                Option<u32>,
            >(::cancelable::__private::Site.refused(_cancelable_here));
        }
        Some(1)
    }
}
