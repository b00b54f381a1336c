#![doc = include_str!("../docs/agb.md")]
