//! Certificates, with a real TLS client.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;
use crate::http::listener::{self, Listening};
use crate::http::problem::Kind;

const ONE: (&str, &str) = (include_str!("testdata/one.crt"), include_str!("testdata/one.key"));
const TWO: (&str, &str) = (include_str!("testdata/two.crt"), include_str!("testdata/two.key"));

fn write(directory: &Path, (cert, key): (&str, &str)) -> (PathBuf, PathBuf) {
    let files = (directory.join("tls.crt"), directory.join("tls.key"));
    std::fs::write(&files.0, cert).unwrap();
    std::fs::write(&files.1, key).unwrap();
    files
}

/// Asks for `/` over TLS, trusting one certificate only.
fn ask(address: SocketAddr, trusted: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, std::net::TcpStream::connect(address)?);
    stream.sock.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_changed_certificate_is_shown_to_the_next_client() {
    let directory = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = write(directory.path(), ONE);
    let certificate = Certificate::load(&cert_file, &key_file).unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let connections = listener::Connections { workers: 1, ..listener::Connections::default() };
    let Listening { handle, server, .. } =
        listener::serve(&connections, Some(certificate.server_config().unwrap()), socket, || {
            actix_web::App::new()
                .default_service(actix_web::web::to(async || Kind::NotFound.because("nothing here").response()))
        })
        .unwrap();
    tokio::spawn(server);
    let answer =
        async |trusted: &'static str| tokio::task::spawn_blocking(move || ask(address, trusted)).await.unwrap();

    assert_eq!(answer(ONE.0).await.unwrap(), "HTTP/1.1 404");
    assert!(answer(TWO.0).await.is_err());
    assert!(!certificate.reload().unwrap(), "nothing changed");

    std::fs::write(&cert_file, TWO.0).unwrap();
    assert!(certificate.reload().is_err(), "the key doesn't fit yet");
    assert_eq!(answer(ONE.0).await.unwrap(), "HTTP/1.1 404", "what was there stays");

    write(directory.path(), TWO);
    assert!(certificate.reload().unwrap());
    assert_eq!(answer(TWO.0).await.unwrap(), "HTTP/1.1 404");
    assert!(answer(ONE.0).await.is_err());
    handle.stop(false).await;
}

#[test]
fn what_is_no_certificate_is_told_by_file() {
    let directory = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = write(directory.path(), ("no pem", ONE.1));
    let load = || Certificate::load(&cert_file, &key_file).unwrap_err();
    assert!(matches!(load(), TlsError::NoCertificate(file) if file == cert_file));
    write(directory.path(), (ONE.0, "no pem"));
    assert!(matches!(load(), TlsError::Parse { path, .. } if path == key_file));
    write(directory.path(), (ONE.0, TWO.1));
    assert!(matches!(load(), TlsError::Unusable(_)));
    std::fs::remove_file(&cert_file).unwrap();
    assert!(matches!(load(), TlsError::Read { path, .. } if path == cert_file));
}
