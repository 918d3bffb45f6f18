//! The address that Kafka clients of all kinds are given: relays to the mock cluster, and mends what it says wrong.
//!
//! Asked for its versions in a form that it doesn't know, the mock cluster answers in a format of its own (KIP-511 wants
//! version 0 of the answer); Java's clients and kafka-python take the tail of it for 20 minutes of throttling. So that
//! question is answered here. And brokers are named by this address, or clients would go on past it.

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

/// Most clients' connections at a time; two threads each.
const MOST_CONNECTIONS: usize = 64;
/// Largest request or answer: above what the cluster keeps of a partition, and then some.
const MAX_FRAME: usize = 16 << 20;
/// Most questions for brokers that wait for their answers on one connection.
const MOST_AWAITED: usize = 1_024;

const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
const API_VERSIONS: i16 = 18;
/// The highest version of API_VERSIONS that the mock cluster answers rightly.
const MAX_API_VERSIONS: i16 = 2;
const UNSUPPORTED_VERSION: i16 = 35;

/// An open door; closed when dropped.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    is_closed: Arc<AtomicBool>,
}

impl Door {
    /// Relays between a free port of loopback and the cluster, on threads of its own.
    pub(super) fn open(cluster: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let is_closed = Arc::new(AtomicBool::new(false));
        let closed = is_closed.clone();
        thread::Builder::new().name("kafka-door".into()).spawn(move || {
            let open = Arc::new(AtomicUsize::new(0));
            for client in listener.incoming() {
                if closed.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(client) = client else { continue };
                let Some(place) = Place::take(&open) else { continue };
                let relay = Relay { cluster, address };
                // Without a thread the connection is dropped, and the client tries again.
                let _ = thread::Builder::new().name("kafka-relay".into()).spawn(move || {
                    let _place = place;
                    relay.run(&client)
                });
            }
        })?;
        Ok(Self { address, is_closed })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(open.clone());
        (open.fetch_add(1, Ordering::Relaxed) < MOST_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Relay {
    cluster: SocketAddr,
    address: SocketAddr,
}

impl Relay {
    /// Relays until either side ends.
    fn run(&self, client: &TcpStream) -> io::Result<()> {
        let broker = TcpStream::connect(self.cluster)?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let awaited = Mutex::new(HashSet::new());
        let to_client = Mutex::new(client.try_clone()?);
        thread::scope(|scope| {
            let answers = thread::Builder::new().name("kafka-answers".into());
            answers.spawn_scoped(scope, || {
                let _ = self.answers(&broker, &to_client, &awaited);
                let _ = client.shutdown(Shutdown::Both);
            })?;
            let ended = requests(client, &broker, &to_client, &awaited);
            let _ = broker.shutdown(Shutdown::Both);
            ended
        })
    }

    fn answers(
        &self,
        mut broker: &TcpStream,
        client: &Mutex<TcpStream>,
        awaited: &Mutex<HashSet<i32>>,
    ) -> io::Result<()> {
        loop {
            let mut frame = read_frame(&mut broker)?;
            if awaited.lock().remove(&i32_at(&frame, 0)?) {
                rename(&mut frame, self.cluster.port(), self.address.port());
            }
            write_frame(&mut *client.lock(), &frame)?;
        }
    }
}

fn requests(
    mut client: &TcpStream,
    mut broker: &TcpStream,
    to_client: &Mutex<TcpStream>,
    awaited: &Mutex<HashSet<i32>>,
) -> io::Result<()> {
    loop {
        let frame = read_frame(&mut client)?;
        let (api, version, correlation) = (i16_at(&frame, 0)?, i16_at(&frame, 2)?, i32_at(&frame, 4)?);
        if api == API_VERSIONS && version > MAX_API_VERSIONS {
            write_frame(&mut *to_client.lock(), &unsupported(correlation))?;
            continue;
        }
        if matches!(api, METADATA | FIND_COORDINATOR) {
            let mut awaited = awaited.lock();
            if awaited.len() >= MOST_AWAITED {
                return Err(ErrorKind::InvalidData.into());
            }
            awaited.insert(correlation);
        }
        write_frame(&mut broker, &frame)?;
    }
}

/// KIP-511: error 35 in version 0 of the answer, which names only the versions of this very question.
fn unsupported(correlation: i32) -> Vec<u8> {
    let mut answer = correlation.to_be_bytes().to_vec();
    answer.extend(UNSUPPORTED_VERSION.to_be_bytes());
    answer.extend(1_i32.to_be_bytes());
    for value in [API_VERSIONS, 0, MAX_API_VERSIONS] {
        answer.extend(value.to_be_bytes());
    }
    answer
}

/// A broker stands in an answer as its host's text and then its port in four bytes, whatever the version.
fn rename(frame: &mut [u8], from: u16, to: u16) {
    const HOST: &[u8] = b"127.0.0.1";
    let name = |port: u16| [HOST, &i32::from(port).to_be_bytes()].concat();
    let (from, to) = (name(from), name(to));
    for at in 0..(frame.len() + 1).saturating_sub(from.len()) {
        if frame[at..].starts_with(&from) {
            frame[at..at + to.len()].copy_from_slice(&to);
        }
    }
}

fn read_frame(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or(ErrorKind::InvalidData)?;
    // Grows with what really comes, not with what was announced.
    let mut frame = Vec::new();
    if from.take(length as u64).read_to_end(&mut frame)? < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

fn write_frame(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = i32::try_from(frame.len()).map_err(|_| ErrorKind::InvalidData)?;
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend_from_slice(frame);
    to.write_all(&whole)
}

fn i16_at(frame: &[u8], at: usize) -> io::Result<i16> {
    let bytes = frame.get(at..at + 2).and_then(|bytes| bytes.try_into().ok());
    bytes.map(i16::from_be_bytes).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn i32_at(frame: &[u8], at: usize) -> io::Result<i32> {
    let bytes = frame.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(i32::from_be_bytes).ok_or_else(|| ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::Kafka;

    fn ask(door: &Kafka, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect(door.address()).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        socket.write_all(request).unwrap();
        read_frame(&mut socket)
    }

    #[test]
    fn an_unknown_version_of_the_first_question_is_answered_as_kip_511_says() {
        let kafka = Kafka::start(&[("events", 1)]).unwrap();
        let mut request = Vec::new();
        write_frame(&mut request, &[0, 18, 0, 4, 0, 0, 0, 7, 0, 0]).unwrap();
        assert_eq!(ask(&kafka, &request).unwrap(), [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2]);
    }

    #[test]
    fn brokers_are_named_by_the_doors_own_port() {
        let kafka = Kafka::start(&[("events", 1)]).unwrap();
        // Metadata, version 1, no client id, all topics.
        let mut request = Vec::new();
        write_frame(&mut request, &[0, 3, 0, 1, 0, 0, 0, 9, 255, 255, 255, 255, 255, 255]).unwrap();
        let answer = ask(&kafka, &request).unwrap();
        let port = |address: &str| {
            let port: SocketAddr = address.parse().unwrap();
            [b"127.0.0.1", &i32::from(port.port()).to_be_bytes()[..]].concat()
        };
        let named = |port: Vec<u8>| answer.windows(port.len()).any(|bytes| bytes == port);
        assert!(named(port(kafka.address())) && !named(port(kafka.bootstrap())));
    }

    #[test]
    fn what_is_no_request_ends_its_connection_alone() {
        let kafka = Kafka::start(&[("events", 1)]).unwrap();
        for garbage in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], &[0, 0, 0, 1, 9], &[255; 8], &[0, 0, 0, 0]] {
            assert!(ask(&kafka, garbage).is_err(), "{garbage:?}");
        }
        let mut request = Vec::new();
        write_frame(&mut request, &[0, 18, 0, 9, 0, 0, 0, 1]).unwrap();
        assert!(ask(&kafka, &request).is_ok());
    }
}
