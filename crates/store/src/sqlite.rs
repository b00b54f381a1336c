//! SQLite: the back end that needs no set-up.
