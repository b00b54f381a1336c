//! The conformance suite: official SDK releases run our scenarios against a really started server. See
//! `tests/conformance/README.md`.

mod breaker;
mod catalogue;
mod column;
mod proof;
mod rule;
mod table;
mod toolchain;
mod verdict;

pub use breaker::{Breaker, Front};
pub use catalogue::{Catalogue, Column, Fact, Gap, Scenario};
pub use column::{Cell, Detour, Report, Status, run};
pub use proof::{Proof, control, prove};
pub use rule::Rule;
pub use table::{Table, document};
pub use toolchain::{Program, agb_virtualenv, virtualenv};
pub(crate) use toolchain::{place, run as run_tool};
pub use verdict::{Verdict, Verdicts};
