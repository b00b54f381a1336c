//! Frames: a big-endian `u32` length, then that many bytes of JSON. Only the head of a connection is framed.

use serde::{Serialize, de::DeserializeOwned};

/// Longest frame body, bytes: a head may carry a program's text. Longer ones are refused before anything is read.
/// (Generation 1 took 64 KiB.)
pub const MAX_BODY: usize = 8 << 20;
/// Bytes of the length prefix.
pub const PREFIX: usize = 4;

/// A frame that cannot be sent or understood.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Over [`MAX_BODY`].
    #[error("frame of {length} bytes; at most {MAX_BODY} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not the JSON that was expected.
    #[error("frame body is not the expected JSON")]
    Json(#[from] serde_json::Error),
}

/// The frame that carries `message`.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; PREFIX];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - PREFIX;
    match u32::try_from(length) {
        Ok(prefix) if length <= MAX_BODY => bytes[..PREFIX].copy_from_slice(&prefix.to_be_bytes()),
        _ => return Err(FrameError::TooLong { length }),
    }
    Ok(bytes)
}

/// The length of the body that follows `prefix`.
pub fn body_length(prefix: [u8; PREFIX]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(prefix) as usize;
    if length > MAX_BODY { Err(FrameError::TooLong { length }) } else { Ok(length) }
}

/// The message in a frame's body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamOpen;

    #[test]
    fn what_is_encoded_decodes() {
        let open = StreamOpen::Tunnel { port: 30100 };
        let bytes = encode(&open).unwrap();
        let length = body_length(bytes[..PREFIX].try_into().unwrap()).unwrap();
        assert_eq!(length, bytes.len() - PREFIX);
        assert_eq!(decode::<StreamOpen>(&bytes[PREFIX..]).unwrap(), open);
    }

    #[test]
    fn oversized_frames_are_refused_from_the_prefix_alone() {
        assert!(matches!(body_length([0xff; 4]), Err(FrameError::TooLong { .. })));
    }
}
