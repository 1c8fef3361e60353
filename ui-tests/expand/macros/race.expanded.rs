async fn race() {
    ::cancelable::__private::Site.race((first(), second())).await;
    ::cancelable::__private::Site.try_join((first(), second())).await;
}
