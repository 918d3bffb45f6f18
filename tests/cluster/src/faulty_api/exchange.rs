//! One request and its answer, each on a connection of its own.

use std::fmt::Write as _;
use std::future::pending;
use std::sync::PoisonError;
use std::time::Instant;

use anyhow::{Context as _, Result};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast;
use tokio::time::sleep;

use super::fault::{Blow, Fault, status};
use super::request::Request;
use super::rule::Pattern;
use super::{Asked, Shared};

pub(super) async fn serve(socket: TcpStream, shared: &Shared) -> Result<()> {
    let (mut reader, mut writer) = socket.into_split();
    let Some(request) = Request::read(&mut reader).await? else { return Ok(()) };
    let asked = Asked { verb: request.verb(), path: request.path().to_owned(), at: Instant::now() };
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let (mut later, mut altered) = (None, None);
    match shared.rules.fault(request.verb(), request.path()) {
        Some((Fault::Refused { code, reason, message, retry_after }, number)) => {
            let body = status(code, reason, &message.replace("{n}", &number.to_string()), retry_after);
            return refuse(&mut writer, code, retry_after, &body).await;
        }
        Some((Fault::Silent, _)) => {
            gone(&mut reader).await;
            return Ok(());
        }
        Some((Fault::Cut, _)) => return Ok(()),
        Some((Fault::Slow(time), _)) => sleep(time).await,
        Some((Fault::Late(time), _)) => later = Some(time),
        Some((Fault::Altered(alter), _)) => altered = Some(alter),
        None => {}
    }
    let blows = shared.blows.subscribe();
    let path = request.path().to_owned();
    let is_watch = request.verb() == "watch";
    let response = shared.client.send(passed_on(request)?).await.context("failed to ask the API server")?;
    if let Some(time) = later {
        sleep(time).await;
    }
    let (parts, body) = response.into_parts();
    writer.write_all(head(parts.status.as_u16(), &parts.headers).as_bytes()).await?;
    if let Some(alter) = altered {
        let mut value: Value = serde_json::from_slice(&body.collect_bytes().await?).context("no JSON to alter")?;
        alter(&mut value);
        chunk(&mut writer, value.to_string().as_bytes()).await?;
        return Ok(writer.write_all(b"0\r\n\r\n").await?);
    }
    tokio::select! {
        passed = pass(body, &mut writer) => return passed,
        () = gone(&mut reader) => return Ok(()),
        blow = struck(blows, &path), if is_watch => if let Some(event) = blow.event() {
            chunk(&mut writer, format!("{event}\n").as_bytes()).await?;
            writer.write_all(b"0\r\n\r\n").await?;
        }
    }
    Ok(())
}

fn passed_on(request: Request) -> Result<http::Request<Body>> {
    let mut passed = http::Request::builder().method(request.method.as_str()).uri(&request.target);
    for (name, value) in &request.headers {
        passed = passed.header(name, value);
    }
    passed.body(Body::from(request.body)).context("failed to pass a request on")
}

fn head(code: u16, headers: &HeaderMap) -> String {
    let mut head = format!("HTTP/1.1 {code} -\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n");
    for name in ["content-type", "retry-after", "warning"] {
        for value in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    head + "\r\n"
}

async fn refuse(writer: &mut OwnedWriteHalf, code: u16, retry_after: Option<u64>, body: &Value) -> Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse()?);
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", seconds.into());
    }
    writer.write_all(head(code, &headers).as_bytes()).await?;
    chunk(writer, body.to_string().as_bytes()).await?;
    Ok(writer.write_all(b"0\r\n\r\n").await?)
}

async fn pass(mut body: Body, writer: &mut OwnedWriteHalf) -> Result<()> {
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            chunk(writer, data).await?;
        }
    }
    Ok(writer.write_all(b"0\r\n\r\n").await?)
}

/// One that is empty would end the body.
async fn chunk(writer: &mut OwnedWriteHalf, data: &[u8]) -> Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    writer.write_all(format!("{:x}\r\n", data.len()).as_bytes()).await?;
    writer.write_all(data).await?;
    Ok(writer.write_all(b"\r\n").await?)
}

/// Until the client has gone: it has nothing more to say.
async fn gone(reader: &mut OwnedReadHalf) {
    let mut rest = [0; 256];
    while reader.read(&mut rest).await.is_ok_and(|length| length > 0) {}
}

/// Until somebody strikes at this watch.
async fn struck(mut blows: broadcast::Receiver<(Pattern, Blow)>, path: &str) -> Blow {
    loop {
        match blows.recv().await {
            Ok((pattern, blow)) if pattern.covers("watch", path) => return blow,
            Err(broadcast::error::RecvError::Closed) => pending().await,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
        }
    }
}
