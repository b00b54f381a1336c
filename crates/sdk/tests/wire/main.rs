//! What goes over the wire and what comes of the answers, against a server that plays a part.

mod calls;
mod contexts;
mod files;
mod life;
mod link;
mod modules;
mod native;
mod stub;
