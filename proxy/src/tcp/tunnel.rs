//! The header in front of opaque bytes between proxies: version, length, `TunnelHeader`.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::wire::weft::v1::TunnelHeader;

const VERSION: u8 = 1;
/// Keys are short; more than this is not a header of ours.
const MAX_HEADER: usize = 4096;

/// Why a tunnel could not be opened.
#[derive(Debug, Error)]
pub enum TunnelError {
    #[error("the tunnel header has version {0}, this proxy knows {VERSION}: the caller's proxy is newer")]
    Version(u8),
    #[error("the tunnel header claims {0} bytes, more than {MAX_HEADER}")]
    TooLong(usize),
    #[error("the tunnel header does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("the connection failed inside the tunnel header: {0}")]
    Io(#[from] io::Error),
}

/// The bytes to write before the application's own.
pub fn encode_header(destination: &str) -> Bytes {
    let header = TunnelHeader { destination: destination.to_owned() };
    let mut bytes = BytesMut::with_capacity(3 + header.encoded_len());
    bytes.put_u8(VERSION);
    let len = u16::try_from(header.encoded_len()).expect("a destination key is far shorter than 64 KiB");
    bytes.put_u16(len);
    header.encode(&mut bytes).expect("the buffer grows");
    bytes.freeze()
}

/// Reads exactly the header; the next byte of `io` is the application's.
pub async fn read_header<R: AsyncRead + Unpin>(io: &mut R) -> Result<TunnelHeader, TunnelError> {
    let version = io.read_u8().await?;
    if version != VERSION {
        return Err(TunnelError::Version(version));
    }
    let len = usize::from(io.read_u16().await?);
    if len > MAX_HEADER {
        return Err(TunnelError::TooLong(len));
    }
    let mut bytes = vec![0; len];
    io.read_exact(&mut bytes).await?;
    Ok(TunnelHeader::decode(&bytes[..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_header_is_read_back_and_no_byte_more() {
        let mut wire = encode_header("c/n/shop/db:5432/-").to_vec();
        wire.extend_from_slice(b"application");
        let mut io = &wire[..];
        assert_eq!(read_header(&mut io).await.unwrap().destination, "c/n/shop/db:5432/-");
        assert_eq!(io, b"application");
    }

    #[tokio::test]
    async fn a_newer_version_a_huge_length_and_a_cut_header_are_refused() {
        assert!(matches!(read_header(&mut &[2u8, 0, 0][..]).await, Err(TunnelError::Version(2))));
        assert!(matches!(read_header(&mut &[1u8, 0xff, 0xff][..]).await, Err(TunnelError::TooLong(65535))));
        assert!(matches!(read_header(&mut &[1u8, 0, 9, 1][..]).await, Err(TunnelError::Io(_))));
        assert!(matches!(read_header(&mut &[1u8, 0, 1, 0xff][..]).await, Err(TunnelError::Decode(_))));
    }
}
