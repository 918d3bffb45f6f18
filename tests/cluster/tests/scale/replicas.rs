//! One listener that answers for every replica's admin listener: simulated pods have loopback addresses.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What every replica says of itself.
const STATUS: &str = r#"{"replica":"r","pod":"p","version":"1","state":"serving","drained":false,"connections":100,"channels":1,"redis":{"up":true},"kafka":[{"binding":"events","group":"events-gateway-events","up":true,"paused":false,"lag":0,"assigned":1}]}"#;

/// Answers in the background, until the test's runtime ends.
pub(crate) async fn answer(port: u16) -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(one(socket));
        }
    });
    Ok(())
}

async fn one(mut socket: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4_096 {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let body = if head.starts_with(b"GET /status ") { STATUS } else { r#"{"changed":true}"# };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let _ = socket.write_all(answer.as_bytes()).await;
}
