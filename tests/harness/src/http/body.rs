//! Where a response's body ends (RFC 9112, section 6).

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};

use super::Head;

/// The way a body is framed, and how far it was read.
#[derive(Debug)]
pub(super) enum Framing {
    /// Content-Length: so many bytes are still to come.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked(Chunk),
    /// Until the connection is closed.
    Close,
}

/// Where in a chunked body the next byte belongs.
#[derive(Debug)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Complete,
}

impl Framing {
    pub(super) fn of(head: &Head, method: &str) -> Result<Self> {
        if method == "HEAD" || matches!(head.status, 204 | 304) || head.status < 200 {
            return Ok(Self::Length(0));
        }
        if let Some(coding) = head.header("transfer-encoding") {
            ensure!(coding.eq_ignore_ascii_case("chunked"), "unknown transfer coding {coding:?}");
            return Ok(Self::Chunked(Chunk::Size));
        }
        match head.header("content-length") {
            Some(length) => Ok(Self::Length(length.parse().with_context(|| format!("no length: {length:?}"))?)),
            None => Ok(Self::Close),
        }
    }

    pub(super) fn complete(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Complete))
    }

    pub(super) fn ends_with_the_connection(&self) -> bool {
        matches!(self, Self::Close)
    }

    /// Takes what `buffer` holds of the body; nothing when more must be read first.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>> {
        match self {
            Self::Close => Ok(take_up_to(buffer, u64::MAX)),
            Self::Length(left) => {
                let part = take_up_to(buffer, *left);
                *left -= part.as_ref().map_or(0, |part| part.len() as u64);
                Ok(part)
            }
            Self::Chunked(chunk) => chunk.take(buffer),
        }
    }
}

impl Chunk {
    fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = take_line(buffer)? else {
                        return Ok(None);
                    };
                    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                    let text = std::str::from_utf8(digits).context("a chunk's size isn't text")?;
                    let size =
                        u64::from_str_radix(text.trim(), 16).with_context(|| format!("no chunk size: {text:?}"))?;
                    *self = if size == 0 { Self::Trailer } else { Self::Data(size) };
                }
                Self::Data(left) => {
                    let Some(part) = take_up_to(buffer, *left) else {
                        return Ok(None);
                    };
                    *left -= part.len() as u64;
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(Some(part));
                }
                Self::DataEnd => {
                    let Some(line) = take_line(buffer)? else {
                        return Ok(None);
                    };
                    ensure!(line.is_empty(), "a chunk is longer than its size");
                    *self = Self::Size;
                }
                Self::Trailer => {
                    let Some(line) = take_line(buffer)? else {
                        return Ok(None);
                    };
                    if line.is_empty() {
                        *self = Self::Complete;
                    }
                }
                Self::Complete => {
                    if !buffer.is_empty() {
                        bail!("bytes follow a complete body");
                    }
                    return Ok(None);
                }
            }
        }
    }
}

fn take_up_to(buffer: &mut BytesMut, most: u64) -> Option<Bytes> {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
    (length > 0).then(|| buffer.split_to(length).freeze())
}

fn take_line(buffer: &mut BytesMut) -> Result<Option<Bytes>> {
    let Some(end) = buffer.windows(2).position(|window| window == b"\r\n") else {
        ensure!(buffer.len() < 4096, "a line of the chunked coding has no end");
        return Ok(None);
    };
    let line = buffer.split_to(end).freeze();
    buffer.advance(2);
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Head { status: 200, headers }
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_is_cut() {
        let wire = b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: x\r\n\r\n";
        for cut in 0..wire.len() {
            let mut framing = Framing::of(&head(&[("Transfer-Encoding", "chunked")]), "GET").expect("a known framing");
            let mut body = Vec::new();
            let mut buffer = BytesMut::new();
            for half in [&wire[..cut], &wire[cut..]] {
                buffer.extend_from_slice(half);
                while let Some(part) = framing.take(&mut buffer).expect("a valid body") {
                    body.extend_from_slice(&part);
                }
            }
            assert_eq!(body, b"hello world", "cut at {cut}");
            assert!(framing.complete());
        }
    }

    #[test]
    fn a_body_of_given_length_ends_there() {
        let mut framing = Framing::of(&head(&[("content-length", "3")]), "GET").expect("a known framing");
        let mut buffer = BytesMut::from(&b"abcdef"[..]);
        assert_eq!(framing.take(&mut buffer).expect("valid").as_deref(), Some(&b"abc"[..]));
        assert!(framing.complete());
    }

    #[test]
    fn a_chunk_longer_than_its_size_is_an_error() {
        let mut framing = Framing::of(&head(&[("Transfer-Encoding", "chunked")]), "GET").expect("a known framing");
        let mut buffer = BytesMut::from(&b"2\r\nabc\r\n"[..]);
        assert!(framing.take(&mut buffer).is_ok());
        assert!(framing.take(&mut buffer).is_err());
    }
}
