//! The name of every key and shard channel, and the slot that Redis Cluster puts it into.

use events_gateway_core::Channel;
use events_gateway_core::channel::escape_segment;

use crate::backlog::BacklogError;

/// Longest group or replica id, escaped.
const MAX_NAME_BYTES: usize = 800;

/// Builds names below one prefix. Channels can't hold braces and everything else is escaped, so no name can be taken for
/// another's.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Stream of the channel's events.
    pub(super) fn backlog(&self, channel: &Channel) -> String {
        format!("{}{{{channel}}}:backlog", self.prefix)
    }

    /// Hash of what is known of the channel.
    pub(super) fn meta(&self, channel: &Channel) -> String {
        format!("{}{{{channel}}}:meta", self.prefix)
    }

    /// Shard channel of the announcements.
    pub(super) fn announcements(&self, channel: &Channel) -> String {
        format!("{}{{{channel}}}", self.prefix)
    }

    /// The channel whose shard channel this is.
    pub(super) fn announced(&self, name: &[u8]) -> Option<Channel> {
        let name = std::str::from_utf8(name).ok()?;
        Channel::parse(name.strip_prefix(&self.prefix)?.strip_prefix('{')?.strip_suffix('}')?).ok()
    }

    /// What a primary remembers of a group; `tag` is a number whose slot the primary serves.
    pub(super) fn watermark(&self, tag: u32, group: &str) -> Result<String, BacklogError> {
        Ok(format!("{}{{{tag}}}:watermark:{}", self.prefix, name(group)?))
    }

    /// A replica's lease.
    pub(super) fn replica(&self, replica: &str) -> Result<String, BacklogError> {
        Ok(format!("{}replica:{}", self.prefix, name(replica)?))
    }

    /// A replica's connections.
    pub(super) fn connections(&self, replica: &str) -> Result<String, BacklogError> {
        Ok(format!("{}replica:{}:connections", self.prefix, name(replica)?))
    }

    /// Up to where a replica has applied the revocations.
    pub(super) fn revocations(&self, replica: &str) -> Result<String, BacklogError> {
        Ok(format!("{}replica:{}:revocations", self.prefix, name(replica)?))
    }

    /// Sorted set of replica ids by the time at which their leases lapse.
    pub(super) fn replicas(&self) -> String {
        format!("{}replicas", self.prefix)
    }

    /// The replicas' secret.
    pub(super) fn secret(&self) -> String {
        format!("{}secret", self.prefix)
    }

    /// A ticket.
    pub(super) fn ticket(&self, ticket: &str) -> Result<String, BacklogError> {
        Ok(format!("{}ticket:{}", self.prefix, name(ticket)?))
    }

    /// What replicas hold of a quota.
    pub(super) fn quota(&self, quota: &str) -> Result<String, BacklogError> {
        Ok(format!("{}quota:{}", self.prefix, name(quota)?))
    }

    /// What a group is to do.
    pub(super) fn control(&self, group: &str) -> Result<String, BacklogError> {
        Ok(format!("{}group:{}:control", self.prefix, name(group)?))
    }
}

fn name(text: &str) -> Result<String, BacklogError> {
    let refused = |why: &str| BacklogError::Refused(format!("a group or replica id is {why}"));
    let escaped = escape_segment(text).map_err(|_| refused("empty"))?;
    if escaped.len() > MAX_NAME_BYTES { Err(refused("too long")) } else { Ok(escaped) }
}

/// Number of slots of a Redis Cluster.
pub(super) const SLOTS: usize = 16_384;

/// The slot of a key or shard channel: CRC-16/XMODEM of its hash tag (Redis Cluster specification, "Hash tags").
pub(super) fn slot(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    let crc = tag.bytes().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    crc % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{user1000}.following"), slot("user1000"));
        assert_eq!(slot("foo{}{bar}"), slot("foo{}{bar}"));
        assert_ne!(slot("foo{}{bar}"), slot("bar"), "an empty tag is no tag");
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
    }

    #[test]
    fn names_of_a_channel_share_a_slot_and_read_back() {
        let keys = Keys::new("egw:");
        let channel = Channel::parse("user:a~40b").unwrap();
        assert_eq!(keys.backlog(&channel), "egw:{user:a~40b}:backlog");
        assert_eq!(slot(&keys.backlog(&channel)), slot(&keys.meta(&channel)));
        assert_eq!(slot(&keys.backlog(&channel)), slot(&keys.announcements(&channel)));
        assert_eq!(keys.announced(keys.announcements(&channel).as_bytes()), Some(channel));
        assert_eq!(keys.announced(b"other:{a}"), None);
        assert_eq!(keys.announced(b"egw:{a}b"), None);
    }

    #[test]
    fn groups_and_replicas_are_escaped() {
        let keys = Keys::new("egw:");
        assert_eq!(keys.control("a:b{c}").unwrap(), "egw:group:a~3Ab~7Bc~7D:control");
        assert!(keys.control("").is_err());
        assert!(keys.control(&"x".repeat(801)).is_err());
    }
}
