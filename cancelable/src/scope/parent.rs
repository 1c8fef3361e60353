//! What a scope hangs below.

use crate::token::CancellationToken;

#[derive(Debug, Default)]
pub(super) enum Parent {
    #[default]
    Ambient,
    Given(CancellationToken),
    None,
}
