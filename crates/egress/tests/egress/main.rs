//! The real program between sandboxes and a small world. Needs root and iproute2.

mod lab;
mod names;
mod process;
mod reach;
mod refuse;
