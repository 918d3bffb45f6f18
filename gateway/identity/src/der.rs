//! As much of DER (X.690) as public keys in PEM text need: `SubjectPublicKeyInfo` and `RSAPublicKey`.

/// What a public key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// Contents of the `AlgorithmIdentifier`s that are known, parameters included (RFC 3279, 5480, 8410).
const KINDS: [(&[u8], Kind); 4] = [
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00", Kind::Rsa),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", Kind::P256),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", Kind::P384),
    (b"\x06\x03\x2b\x65\x70", Kind::Ed25519),
];

/// The algorithm and the key's bits.
pub(crate) fn subject_public_key(der: &[u8]) -> Option<(Kind, &[u8])> {
    let (whole, rest) = element(der, SEQUENCE)?;
    let (identifier, key) = element(whole, SEQUENCE)?;
    let (bits, behind) = element(key, BIT_STRING)?;
    let kind = KINDS.into_iter().find_map(|(known, kind)| (known == identifier).then_some(kind))?;
    // The first byte counts the bits that are unused in the last one.
    let (0, bits) = (*bits.first()?, bits.get(1..)?) else { return None };
    (rest.is_empty() && behind.is_empty()).then_some((kind, bits))
}

/// Modulus and exponent.
pub(crate) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (whole, rest) = element(der, SEQUENCE)?;
    let (n, after) = element(whole, INTEGER)?;
    let (e, behind) = element(after, INTEGER)?;
    (rest.is_empty() && behind.is_empty()).then_some((n, e))
}

/// The content of the element of this tag that begins here, and what comes behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else { return None };
    if *found != tag {
        return None;
    }
    let (length, rest) = match length {
        short @ 0..=0x7f => (usize::from(*short), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?),
        _ => return None,
    };
    rest.split_at_checked(length)
}
