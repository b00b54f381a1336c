//! Bytes that come in pieces, as text: a character that two pieces share is held back until it is whole.

/// What is held back of a piece, at most three bytes.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    held: Vec<u8>,
}

/// A piece as it can be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Text(String),
    /// What is no text, whatever follows.
    Bytes(Vec<u8>),
}

impl Pieces {
    /// The next piece without loss: as text if it is text.
    pub(super) fn exact(&mut self, piece: &[u8]) -> Told {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(piece);
        if let Err(error) = std::str::from_utf8(&all) {
            if error.error_len().is_some() {
                return Told::Bytes(all);
            }
            self.held = all.split_off(error.valid_up_to());
        }
        String::from_utf8(all).map_or_else(|error| Told::Bytes(error.into_bytes()), Told::Text)
    }

    /// The next piece as text, with U+FFFD for what is none.
    pub(super) fn lossy(&mut self, piece: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(piece);
        if let Some(start) = cut_character(&all) {
            self.held = all.split_off(start);
        }
        String::from_utf8(all).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// What is still held back when nothing follows.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// Where a character begins that the end of `bytes` cuts.
fn cut_character(bytes: &[u8]) -> Option<usize> {
    let last = bytes.utf8_chunks().last()?;
    let tail = last.invalid();
    let cut = !tail.is_empty() && std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    cut.then(|| bytes.len() - tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_being_cut_anywhere() {
        let text = "añ€😀z";
        for at in 0..=text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            let mut pieces = Pieces::default();
            assert_eq!(pieces.lossy(left) + &pieces.lossy(right), text, "{at}");
            let told = [pieces.exact(left), pieces.exact(right)].map(|told| match told {
                Told::Text(text) => text,
                Told::Bytes(bytes) => panic!("{bytes:?}"),
            });
            assert_eq!(told.concat(), text, "{at}");
            assert!(pieces.rest().is_empty());
        }
    }

    #[test]
    fn what_is_no_text_stays_what_it_is() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.exact(b"a\xe2\x82"), Told::Text("a".into()));
        assert_eq!(pieces.exact(b"b"), Told::Bytes(b"\xe2\x82b".to_vec()));
        assert_eq!(pieces.exact(b"\xff"), Told::Bytes(b"\xff".to_vec()));
        assert_eq!(pieces.exact(b"\xc3"), Told::Text(String::new()));
        assert_eq!(pieces.rest(), b"\xc3");

        let bytes = b"x\xff\xe2\x82y\xe2\x82";
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            let mut pieces = Pieces::default();
            let text = pieces.lossy(left) + &pieces.lossy(right) + &String::from_utf8_lossy(&pieces.rest());
            assert_eq!(text, String::from_utf8_lossy(bytes), "{at}");
        }
    }
}
