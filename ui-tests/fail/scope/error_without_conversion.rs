//! An error type that cannot say "cancelled", as the value of a scope.

use cancelable::cancel_scope;

enum AppError {
    NotFound,
}

fn main() {
    let _n: Result<u32, AppError> = cancel_scope!(timeout = "5s", { Err(AppError::NotFound) });
}
