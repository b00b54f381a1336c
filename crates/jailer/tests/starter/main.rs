//! The starter from outside: really started, as root, looked at from the host.

mod host;
mod isolation;
mod life;
