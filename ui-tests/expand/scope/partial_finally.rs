async fn partial_finally() {
    cancel_scope!(partial = best, finally = async { close().await }, async move |best| { run(best).await }).await
}
