//! What a terminal showed while nobody looked: the newest of it.

use std::collections::VecDeque;

/// Bytes kept.
const CAPACITY: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Ring {
    /// Adds at the end; the oldest beyond the capacity is dropped.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let over = (self.bytes.len() + bytes.len()).saturating_sub(CAPACITY);
        self.cut |= over > 0;
        let old = over.min(self.bytes.len());
        self.bytes.drain(..old);
        self.bytes.extend(&bytes[over - old..]);
    }

    /// Takes all of it, beginning with a whole character.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::from(std::mem::take(&mut self.bytes));
        if std::mem::take(&mut self.cut) {
            let inside = bytes.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
            bytes.drain(..inside);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_kept_from_a_whole_character_on() {
        let mut ring = Ring::default();
        ring.push(b"\x80kept as it came");
        assert_eq!(ring.take(), b"\x80kept as it came", "what was not cut is left alone");
        assert!(ring.take().is_empty());
        ring.push("é".as_bytes());
        ring.push(&vec![b'x'; CAPACITY - 1]);
        assert_eq!(ring.take(), vec![b'x'; CAPACITY - 1], "half of a character went, so all of it goes");
        for _ in 0..3 {
            ring.push(&vec![b'y'; CAPACITY * 2 / 3]);
        }
        ring.push(&[&vec![b'z'; CAPACITY][..], b"end"].concat());
        let kept = ring.take();
        assert!(kept.len() == CAPACITY && kept.starts_with(b"zzz") && kept.ends_with(b"zend"));
    }
}
