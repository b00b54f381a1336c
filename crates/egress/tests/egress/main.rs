//! The real program between sandboxes and a small world. Needs root, iproute2 and a kernel with IPv6.

mod lab;
mod names;
mod process;
mod reach;
mod refuse;
