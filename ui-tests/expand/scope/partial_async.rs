async fn partial_async() {
    cancel_scope!(timeout = "5s", partial = Vec::new(), async |rows| { rows.push(row().await) }).await
}
