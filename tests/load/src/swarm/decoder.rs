//! Takes an HTTP/1.1 response apart as it comes: status, then the body's bytes without their chunk framing.

use anyhow::{Context as _, Result, bail};

/// Longest response head or chunk head taken, bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Where in a response the next byte belongs.
#[derive(Debug)]
enum Place {
    /// In the head, of which this much came.
    Head(Vec<u8>),
    /// In a body that lasts until the connection's end.
    Plain,
    /// In a chunk's head, of which this much came.
    ChunkHead(Vec<u8>),
    /// In a chunk, this many bytes before its end (line end included).
    Chunk(usize),
    /// Behind the last chunk.
    End,
}

/// The state of one response.
#[derive(Debug)]
pub(super) struct Decoder {
    place: Place,
    status: Option<u16>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { place: Place::Head(Vec::new()), status: None }
    }
}

impl Decoder {
    /// The response's status, once its head is complete.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether the body has ended by its own framing.
    pub(super) fn ended(&self) -> bool {
        matches!(self.place, Place::End)
    }

    /// Takes the next bytes and hands the body's part of them to `body`, in order.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut body: impl FnMut(&[u8])) -> Result<()> {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    // The end may have begun with the last three bytes of what came before.
                    let from = before.saturating_sub(3);
                    let Some(end) = memchr::memmem::find(&head[from..], b"\r\n\r\n").map(|end| from + end + 4) else {
                        if head.len() > MAX_HEAD {
                            bail!("the response's head is longer than {MAX_HEAD} bytes");
                        }
                        return Ok(());
                    };
                    bytes = &bytes[end - before..];
                    let (status, chunked) = read_head(&head[..end])?;
                    self.status = Some(status);
                    self.place = if chunked { Place::ChunkHead(Vec::new()) } else { Place::Plain };
                }
                Place::Plain => {
                    body(bytes);
                    return Ok(());
                }
                Place::ChunkHead(head) => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        head.extend_from_slice(bytes);
                        if head.len() > MAX_HEAD {
                            bail!("a chunk's head is longer than {MAX_HEAD} bytes");
                        }
                        return Ok(());
                    };
                    let length = if head.is_empty() {
                        chunk_length(&bytes[..end])?
                    } else {
                        head.extend_from_slice(&bytes[..end]);
                        chunk_length(head)?
                    };
                    bytes = &bytes[end + 1..];
                    self.place = if length == 0 { Place::End } else { Place::Chunk(length + 2) };
                }
                Place::Chunk(left) => {
                    let here = bytes.len().min(*left);
                    // The last two bytes are the line end behind the chunk.
                    body(&bytes[..here.min(left.saturating_sub(2))]);
                    *left -= here;
                    bytes = &bytes[here..];
                    if *left == 0 {
                        self.place = Place::ChunkHead(Vec::new());
                    }
                }
                Place::End => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Status, and whether the body is chunked.
fn read_head(head: &[u8]) -> Result<(u16, bool)> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let chunked = lines.any(|line| line.starts_with("transfer-encoding:") && line.contains("chunked"));
    Ok((status.context("the response has no status")?, chunked))
}

/// The length in a chunk's head: hexadecimal, possibly followed by extensions.
fn chunk_length(head: &[u8]) -> Result<usize> {
    let text = std::str::from_utf8(head).context("a chunk's head is not text")?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    let length = u32::from_str_radix(digits, 16).with_context(|| format!("a chunk's length is {digits:?}"))?;
    Ok(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]]) -> (Decoder, Vec<u8>) {
        let (mut decoder, mut body) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.take(piece, |bytes| body.extend_from_slice(bytes)).expect("the response is right");
        }
        (decoder, body)
    }

    proptest! {
        #[test]
        fn chunks_come_out_whole_however_the_bytes_were_cut(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            size in 1_usize..50,
        ) {
            let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let (decoder, body) = decode(&wire.chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(body, chunks.concat());
            prop_assert_eq!(decoder.status(), Some(200));
            prop_assert!(decoder.ended());
        }
    }

    #[test]
    fn a_body_without_framing_is_passed_on() {
        let (decoder, body) = decode(&[b"HTTP/1.1 503 Busy\r\n\r", b"\nab", b"c"]);
        assert_eq!((decoder.status(), body.as_slice()), (Some(503), &b"abc"[..]));
        assert!(!decoder.ended());
    }

    #[test]
    fn a_wrong_chunk_is_an_error() {
        let wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        assert!(Decoder::default().take(wire, |_| {}).is_err());
    }
}
