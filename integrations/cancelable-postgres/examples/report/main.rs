//! A report that takes too long: its query is ended on the server, its transaction rolled back, and the pool's connection is fit for
//! the next query.
//!
//! ```text
//! DATABASE=postgres://app@localhost/shop cargo run -p cancelable-postgres --example report
//! ```
//!
//! Without `DATABASE` it starts a server of its own, as the tests do, if PostgreSQL is installed.

use std::env;
use std::error::Error;

mod report;
#[path = "../../tests/postgres/server.rs"]
#[allow(dead_code, reason = "it is the tests'")]
mod server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let said = match env::var("DATABASE") {
        Ok(database) => report::run(&database.parse()?).await?,
        Err(_) => {
            let server = server::Server::start();
            report::run(&server.config("report")).await?
        }
    };
    println!("{said}");
    // cancelled: timed out after 300ms (scope "report"), requested at …/report.rs:11:21, noticed at …/report.rs:19:10
    // lines in the report: 0
    Ok(())
}
