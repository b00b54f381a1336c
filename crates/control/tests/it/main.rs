//! The engine over a real SQLite file, simulated sandboxes and a clock that only moves when told.

mod aliases;
mod calls;
mod contexts;
mod images;
mod keys;
mod life;
mod listing;
mod recovery;
mod storm;
mod support;
