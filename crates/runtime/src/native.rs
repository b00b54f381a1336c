//! The native back end: sandboxes made by the starter on this host.
