//! A long text out of a JSON string, decoded while it comes, kept in pieces.

use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes in one piece.
const PIECE: usize = 256 << 10;

/// A text in pieces. Every piece has at most [`PIECE`] bytes.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pieces: VecDeque<Bytes>,
    /// The piece that is being filled; its memory is taken once, so that none is wasted on growing.
    open: Vec<u8>,
    length: usize,
}

impl Content {
    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The next piece, which is not kept any longer.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.pieces.pop_front()
    }

    /// All of it in one text.
    pub(crate) fn into_text(mut self) -> String {
        let mut all = Vec::with_capacity(self.length);
        while let Some(piece) = self.next() {
            all.extend_from_slice(&piece);
        }
        String::from_utf8(all).expect("checked when it came to its end")
    }

    /// There is no more of it.
    pub(super) fn finish(&mut self) -> Result<(), &'static str> {
        self.seal()?;
        if self.open.is_empty() { Ok(()) } else { Err(NO_UTF8) }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.open.capacity() == 0 {
                self.open.reserve_exact(PIECE);
            }
            let (part, more) = rest.split_at(rest.len().min(PIECE - self.open.len()));
            self.open.extend_from_slice(part);
            self.length += part.len();
            rest = more;
            if self.open.len() == PIECE {
                self.seal()?;
            }
        }
        Ok(())
    }

    /// Closes a piece where a character ends.
    fn seal(&mut self) -> Result<(), &'static str> {
        let whole = match std::str::from_utf8(&self.open) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(NO_UTF8),
        };
        if whole > 0 {
            let mut next = Vec::new();
            if whole < self.open.len() {
                next.reserve_exact(PIECE);
                next.extend_from_slice(&self.open[whole..]);
            }
            self.open.truncate(whole);
            self.pieces.push_back(std::mem::replace(&mut self.open, next).into());
        }
        Ok(())
    }
}

/// What JSON's escapes mean, wherever the bytes are cut.
#[derive(Debug, Default)]
pub(super) struct Unescape {
    escape: Escape,
    /// The first half of a character beyond U+FFFF.
    high: Option<u16>,
}

#[derive(Debug, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    Unicode {
        digits: u8,
        value: u16,
    },
}

const NO_UTF8: &str = "args.content is not UTF-8";
const BAD_ESCAPE: &str = "args.content has an escape that JSON does not know";
const LONE_HALF: &str = "args.content has half of a surrogate pair; write bytes that are no text as base64 with format binary";

/// How many bytes stand for themselves.
fn plain_length(bytes: &[u8]) -> usize {
    let is_special = |byte: u8| byte == b'"' || byte == b'\\' || byte < b' ';
    // Whole blocks first: a search that does not stop inside one is done many bytes at a time.
    let is_plain = |block: &&[u8]| !block.iter().fold(false, |any, &byte| any | is_special(byte));
    let start: usize = bytes.chunks(64).take_while(is_plain).map(<[u8]>::len).sum();
    bytes[start..].iter().position(|&byte| is_special(byte)).map_or(bytes.len(), |length| start + length)
}

impl Unescape {
    /// Reads up to the end of the string; tells how many bytes it took and whether the end was among them.
    pub(super) fn read(&mut self, bytes: &[u8], to: &mut Content) -> Result<(usize, bool), &'static str> {
        let mut at = 0;
        while at < bytes.len() {
            if matches!(self.escape, Escape::None) {
                let end = at + plain_length(&bytes[at..]);
                if end > at {
                    self.no_half()?;
                    to.push(&bytes[at..end])?;
                    at = end;
                    continue;
                }
            }
            let byte = bytes[at];
            at += 1;
            match &mut self.escape {
                Escape::None if byte == b'"' => {
                    self.no_half()?;
                    return Ok((at, true));
                }
                Escape::None if byte == b'\\' => self.escape = Escape::Begun,
                Escape::None => return Err("args.content has a control character that JSON wants escaped"),
                Escape::Begun if byte == b'u' => self.escape = Escape::Unicode { digits: 0, value: 0 },
                Escape::Begun => {
                    self.no_half()?;
                    let meant = match byte {
                        b'"' | b'\\' | b'/' => byte,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return Err(BAD_ESCAPE),
                    };
                    to.push(&[meant])?;
                    self.escape = Escape::None;
                }
                Escape::Unicode { digits, value } => {
                    let digit = char::from(byte).to_digit(16).ok_or(BAD_ESCAPE)?;
                    // Four digits of four bits.
                    *value = *value << 4 | digit as u16;
                    *digits += 1;
                    if *digits == 4 {
                        let unit = *value;
                        self.escape = Escape::None;
                        self.unit(unit, to)?;
                    }
                }
            }
        }
        Ok((at, false))
    }

    /// One UTF-16 code unit.
    fn unit(&mut self, unit: u16, to: &mut Content) -> Result<(), &'static str> {
        let character = match (self.high.take(), unit) {
            (None, 0xD800..=0xDBFF) => {
                self.high = Some(unit);
                return Ok(());
            }
            (None, unit) => char::from_u32(unit.into()),
            (Some(high), unit) => char::decode_utf16([high, unit]).next().and_then(Result::ok),
        };
        let character = character.ok_or(LONE_HALF)?;
        to.push(character.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn no_half(&self) -> Result<(), &'static str> {
        if self.high.is_none() { Ok(()) } else { Err(LONE_HALF) }
    }
}
